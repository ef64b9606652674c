//! Floods of frames: the connection ends or is slowed down, and other clients are served.

use std::thread;

use tempfile::{TempDir, tempdir};

use super::raw::{
    ACK, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, Raw, SETTINGS,
    block, frame,
};
use crate::server::{ADMIN_KEY, Server};

/// What a server that is flooded says: calm down (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: &[u8] = &11_u32.to_be_bytes();

/// A server with one thread, which no client may keep for itself.
fn server() -> (TempDir, Server) {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_THREADS", "1")];
    let server = Server::start_with(folder.path(), &environment);
    (folder, server)
}

fn head() -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/healthz")])
}

/// Floods the server from one thread while another client gets each of its responses; returns the
/// frames of these kinds that the flood got.
fn flooded(flood: &[u8], kinds: &[u8]) -> Vec<Vec<u8>> {
    let (_folder, server) = server();
    thread::scope(|scope| {
        let mut raw = Raw::open(server.address);
        let mut reader = raw.again();
        let writer = scope.spawn(move || {
            // The server may end the connection before all of it is sent.
            raw.send(flood);
            raw
        });
        let got = scope.spawn(move || reader.rest(kinds));
        for _ in 0..100 {
            assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
        }
        // A flood that the server bears ends here.
        writer.join().unwrap().half_close();
        let got = got.join().unwrap();
        assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
        got.into_iter().map(|frame| frame.content).collect()
    })
}

fn is_calmed(goaways: &[Vec<u8>]) -> bool {
    goaways.iter().any(|content| content.get(4..8) == Some(ENHANCE_YOUR_CALM))
}

#[test]
fn requests_that_are_given_up_at_once_end_the_connection() {
    let head = head();
    let given_up = |number: u32| {
        let stream = 2 * number + 1;
        let begun = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head);
        [begun, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let flood: Vec<u8> = (0..20_000).flat_map(given_up).collect();
    assert!(is_calmed(&flooded(&flood, &[GOAWAY])));
}

#[test]
fn faults_without_end_end_the_connection() {
    let bad = block(&[(":method", "GET"), ("connection", "close")]);
    let fault = |number: u32| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &bad);
    let flood: Vec<u8> = (0..20_000).flat_map(fault).collect();
    assert!(is_calmed(&flooded(&flood, &[GOAWAY])));
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let begun = frame(HEADERS, END_STREAM, 1, &head());
    let piece = block(&[("x", &"y".repeat(1_000))]);
    let flood = [begun, frame(CONTINUATION, 0, 1, &piece).repeat(10_000)].concat();
    assert!(is_calmed(&flooded(&flood, &[GOAWAY])));
    let begun = frame(HEADERS, END_STREAM, 1, &head());
    let empty = [begun, frame(CONTINUATION, 0, 1, &[]).repeat(100_000)].concat();
    assert!(is_calmed(&flooded(&empty, &[GOAWAY])));
}

#[test]
fn settings_and_pings_without_end_leave_other_clients_alone() {
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(50_000);
    // Each that is read gets its response, and no more wait than fit the sockets.
    assert_eq!(flooded(&pings, &[PING]).len(), 50_000);
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(50_000);
    flooded(&settings, &[SETTINGS]);
    let acks = frame(PING, ACK, 0, &[7; 8]).repeat(50_000);
    flooded(&acks, &[PING]);
}

#[test]
fn ten_thousand_requests_at_once_end_the_connection() {
    let head = head();
    let whole = END_STREAM | END_HEADERS;
    let request = |number: u32| frame(HEADERS, whole, 2 * number + 1, &head);
    let flood: Vec<u8> = (0..10_000).flat_map(request).collect();
    // A hundred are served at a time, and a hundred more rejected.
    assert!(is_calmed(&flooded(&flood, &[GOAWAY])));
}
