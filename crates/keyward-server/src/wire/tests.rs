//! When a connection ends, and which bytes of it hyper sees.

use std::num::NonZeroU32;
use std::task::Waker;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{advance, timeout};

use super::*;
use crate::connection_slots::ConnectionSlots;
use crate::patience::Timeouts;

const TIMEOUTS: Timeouts = Timeouts { head: Duration::from_secs(5), idle: Duration::from_secs(75) };
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A connection, its client's end, and the slots of which it has the only one.
async fn wire() -> (Wire<DuplexStream>, DuplexStream, ConnectionSlots) {
    let slots = ConnectionSlots::new(NonZeroU32::MIN);
    let slot = slots.take([192, 0, 2, 1].into()).await;
    let (client, server) = duplex(64 * 1024);
    (Wire::new(server, HeadQueue::default(), Patience::new(slot, TIMEOUTS)), client, slots)
}

/// The bytes that hyper gets at once; `None` if it has to wait.
async fn read(wire: &mut Wire<DuplexStream>) -> Option<String> {
    let mut bytes = vec![0; 32 * 1024];
    let mut buffer = ReadBuf::new(&mut bytes);
    let read = std::future::poll_fn(|context| {
        let read = Pin::new(&mut *wire).poll_read(context, &mut buffer);
        Poll::Ready(read.is_ready())
    });
    let is_ready = read.await;
    is_ready.then(|| String::from_utf8_lossy(buffer.filled()).into_owned())
}

/// How long hyper waits until it gets something, and whether that is the end.
async fn wait(wire: &mut Wire<DuplexStream>) -> (Duration, bool) {
    let start = Instant::now();
    let read = timeout(Duration::from_secs(1_000), wire.read(&mut [0; 1_024])).await;
    (start.elapsed(), read.unwrap().unwrap() == 0)
}

/// Writes and flushes as hyper does to respond.
async fn respond(wire: &mut Wire<DuplexStream>) {
    wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    wire.flush().await.unwrap();
}

#[track_caller]
fn assert_about(waited: (Duration, bool), secs: u64) {
    let (waited, ended) = waited;
    assert!(ended);
    // Timers of the runtime have a grain of a millisecond.
    assert_eq!((waited.as_millis() + 500) / 1_000, u128::from(secs), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_ends_with_the_time_for_a_head() {
    let (mut wire, _client, _slots) = wire().await;
    assert_about(wait(&mut wire).await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_longer_than_a_slow_head() {
    let (mut wire, mut client, _slots) = wire().await;
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut wire).await.unwrap().as_bytes(), GET);
    // However long it takes to respond.
    advance(Duration::from_secs(100)).await;
    respond(&mut wire).await;
    assert_eq!(read(&mut wire).await, None);
    advance(Duration::from_secs(70)).await;
    assert_eq!(read(&mut wire).await, None);
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut wire).await.unwrap().as_bytes(), GET);
    respond(&mut wire).await;
    assert_about(wait(&mut wire).await, 75);
}

#[tokio::test(start_paused = true)]
async fn time_for_a_head_runs_from_its_first_byte_to_its_last() {
    let (mut wire, mut client, _slots) = wire().await;
    client.write_all(GET).await.unwrap();
    assert!(read(&mut wire).await.is_some());
    respond(&mut wire).await;
    assert_eq!(read(&mut wire).await, None);
    advance(Duration::from_secs(60)).await;
    for byte in &GET[..4] {
        client.write_all(&[*byte]).await.unwrap();
        assert_eq!(read(&mut wire).await, None, "half a head is not handed over");
        advance(Duration::from_secs(1)).await;
    }
    assert_about(wait(&mut wire).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_in_pieces_is_handed_over_whole_and_the_next_is_held_back() {
    let (mut wire, mut client, _slots) = wire().await;
    for byte in &GET[..GET.len() - 1] {
        client.write_all(&[*byte]).await.unwrap();
        assert_eq!(read(&mut wire).await, None);
    }
    let post = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n";
    client.write_all(&[&GET[GET.len() - 1..], post, b"abcGET /"].concat()).await.unwrap();
    let expected = [GET, post, b"abc"].concat();
    assert_eq!(read(&mut wire).await.unwrap().as_bytes(), expected);
    assert_eq!(wire.heads.lock().len(), 2);
    respond(&mut wire).await;
    // The next request head has begun already.
    assert_about(wait(&mut wire).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_body_may_come_slowly_and_in_pieces() {
    let (mut wire, mut client, slots) = wire().await;
    client.write_all(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n").await.unwrap();
    assert!(read(&mut wire).await.is_some());
    for byte in ["a", "b", "c"] {
        assert_eq!(read(&mut wire).await, None);
        advance(Duration::from_secs(1_000)).await;
        slots.make_room();
        client.write_all(byte.as_bytes()).await.unwrap();
        assert_eq!(read(&mut wire).await.as_deref(), Some(byte));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_flushed_is_under_way() {
    let (mut wire, mut client, slots) = wire().await;
    client.write_all(GET).await.unwrap();
    assert!(read(&mut wire).await.is_some());
    wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut wire).await, None);
    advance(Duration::from_secs(100)).await;
    slots.make_room();
    assert_eq!(read(&mut wire).await, None, "it is still written");
    wire.flush().await.unwrap();
    slots.make_room();
    assert_eq!(read(&mut wire).await.as_deref(), Some(""), "it is idle and gives way");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_gives_way_ends_at_once_unless_it_has_a_request() {
    let (mut wire, mut client, slots) = wire().await;
    assert_eq!(read(&mut wire).await, None);
    slots.make_room();
    client.write_all(GET).await.unwrap();
    assert_eq!(read(&mut wire).await.unwrap().as_bytes(), GET, "it was sent before the end");
    respond(&mut wire).await;
    assert_eq!(read(&mut wire).await, None);
    let mut waiting = Box::pin(slots.take([192, 0, 2, 2].into()));
    let (ended, waited) = tokio::join!(
        async {
            let ended = wait(&mut wire).await;
            drop(wire);
            ended
        },
        &mut waiting
    );
    assert_about(ended, 0);
    drop(waited);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_head_becomes_a_request_with_its_fault() {
    let (mut wire, mut client, _slots) = wire().await;
    client.write_all(GET).await.unwrap();
    client.write_all(b"GET /a b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut wire).await.unwrap().as_bytes(), [GET, PLACEHOLDER].concat());
    assert_eq!(read(&mut wire).await.as_deref(), Some(""), "nothing is read after it");
    let bad: Vec<_> = wire.heads.lock().iter().map(|head| head.bad).collect();
    assert_eq!(bad, [None, Some(BadHead::Line)]);
}

#[tokio::test(start_paused = true)]
async fn half_a_head_at_the_end_is_dropped() {
    let (mut wire, mut client, _slots) = wire().await;
    client.write_all(&GET[..9]).await.unwrap();
    assert_eq!(read(&mut wire).await, None);
    drop(client);
    assert_eq!(read(&mut wire).await.as_deref(), Some(""));
    assert!(!wire.patience.is_over(&mut Context::from_waker(Waker::noop())));
}
