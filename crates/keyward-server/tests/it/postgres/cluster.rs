//! Several nodes over one schema.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use keyward_axum::{Clock as _, SystemClock};
use keyward_postgres::{LEASE_MAX, LEASE_MIN};
use tempfile::tempdir;

use super::{Place, migrate};
use crate::metrics::{page, sample};
use crate::postgres_starter::Started;
use crate::server::{Connection, Server, command};

/// The environment of a node with this name and these settings.
fn of_node<'a>(
    place: &'a Place,
    name: &'a str,
    settings: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let node = [
        ("KEYWARD_CLUSTER", "on"),
        ("KEYWARD_NODE_NAME", name),
        ("KEYWARD_STOP_DELAY", "0s"),
        ("KEYWARD_METRICS_LISTEN", "127.0.0.1:0"),
    ];
    place.environment().into_iter().chain(node).chain(settings.iter().copied()).collect()
}

fn start(place: &Place, folder: &Path, name: &str) -> Server {
    Server::start_with(folder, &of_node(place, name, &[]))
}

/// How many of its own changes a node has settled by the clock.
fn settled_by_clock(server: &Server) -> f64 {
    sample(&page(server), "keyward_cluster_changes_settled_by_clock_total").unwrap()
}

fn revoke(server: &Server, id: u64) {
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
}

#[test]
fn a_key_that_one_node_revoked_is_denied_by_the_next_request_at_the_other() {
    // However busy the machine is, no lease ends meanwhile.
    let (folder, place) = (tempdir().unwrap(), Place::with_lease(LEASE_MAX));
    let [first, second] = ["first", "second"].map(|name| start(&place, folder.path(), name));
    for round in 0..50 {
        let (here, there) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let (id, secret) = here.issue("weather-bot");
        let mut connection = there.connect();
        let header = format!("authorization: Bearer {secret}");
        let mut status = || connection.send("GET", "/key", &[&header], "").status;
        // It is acknowledged although a node may not have it yet.
        assert!((0..1_000).any(|_| status() == 200), "the key works at the other node");
        revoke(here, id);
        assert_eq!(status(), 401);
    }
    for node in [first, second] {
        assert_eq!(settled_by_clock(&node), 0.0, "no node was silent");
        let (ended, log) = node.stop();
        assert!(ended.success(), "{log}");
    }
}

#[test]
fn a_node_that_stops_is_waited_for_no_more_and_one_that_is_killed_is() {
    let (folder, place) = (tempdir().unwrap(), Place::with_lease(Duration::from_secs(5)));
    let [stays, stops, dies] =
        ["stays", "stops", "dies"].map(|name| start(&place, folder.path(), name));
    let [(first, _), (second, _)] = ["a", "b"].map(|name| stays.issue(name));
    let (ended, log) = stops.stop();
    assert!(ended.success(), "{log}");
    revoke(&stays, first);
    assert_eq!(settled_by_clock(&stays), 0.0, "the node that stopped has left");
    dies.kill();
    revoke(&stays, second);
    assert_eq!(settled_by_clock(&stays), 1.0, "the lease of the node that was killed had to end");
}

#[test]
fn without_the_database_a_node_denies_and_is_not_ready_once_its_lease_has_ended() {
    let started = Started::start(&["fsync=on"]).unwrap();
    let (url, socket) = (started.url(), started.directory.join(".s.PGSQL.5432"));
    migrate(&url, "keyward", LEASE_MIN);
    let place = Place { url, schema: "keyward".to_owned() };
    let folder = tempdir().unwrap();
    let doors = ("KEYWARD_DOORS_LISTEN", "127.0.0.1:0");
    let server = Server::start_with(folder.path(), &of_node(&place, "alone", &[doors]));
    let (_, secret) = server.issue("weather-bot");
    // Unlike `/key`, a door reads nothing from the database.
    let header = format!("authorization: Bearer {secret}");
    let mut door = Connection::open(server.doors().unwrap());
    let mut verdict = || door.send("GET", "/doors/forwarded", &[&header], "").status;
    let ready = || server.send("GET", "/readyz", &[], "");
    let unlimited = r#"{"limits":[]}"#;
    let edited = server.admin("PATCH", "/admin/api-keys/1", unlimited);
    assert_eq!((edited.status, ready().status), (200, 200), "{}", edited.body);
    drop(started);
    while UnixStream::connect(&socket).is_ok() {}
    // Nothing is renewed from here on.
    let clock = SystemClock::start();
    let gone = clock.now().steady.0;
    let ends = |ask: &mut dyn FnMut() -> u16| loop {
        let asked = Duration::from_nanos(clock.now().steady.0 - gone);
        match ask() {
            200 => assert!(asked < LEASE_MIN, "{asked:?} after the database was gone"),
            other => return other,
        }
    };
    assert_eq!(ends(&mut verdict), 503);
    assert_eq!(ends(&mut || ready().status), 503);
    assert!(ready().body.contains("has not heard from the database"), "{}", ready().body);
}

#[test]
fn a_request_has_to_last_longer_than_a_lease() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let start = |timeout| {
        let environment = of_node(&place, "hasty", &[("KEYWARD_REQUEST_TIMEOUT", timeout)]);
        command(folder.path(), &environment)
    };
    let output = start("2900ms").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("setting `request_timeout` is 2.9 s"), "{told}");
    assert!(told.contains("at least 3 s"), "{told}");
    // It has left, so that the next one waits for nothing.
    let (ended, log) = Server::spawn(&mut start("3s")).stop();
    assert!(ended.success() && !log.contains("Removed"), "{log}");
}

#[test]
fn a_start_that_waits_for_another_server_ends_when_it_is_told_to() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let first = place.start(folder.path());
    let waits = command(folder.path(), &place.environment()).spawn().unwrap();
    let mut waits = Starting(waits);
    waits.wait_for("Another server has this schema; waiting");
    waits.signal("TERM");
    waits.wait_for("stopped before the database was open");
    assert_eq!(waits.0.wait().unwrap().code(), Some(1));
    assert!(first.stop().0.success());
}

/// A server that has not printed its greeting.
struct Starting(Child);

impl Starting {
    fn wait_for(&mut self, words: &str) {
        let mut lines = BufReader::new(self.0.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended without {words}");
        }
        self.0.stderr = Some(lines.into_inner());
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let kill = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // One that ended is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
