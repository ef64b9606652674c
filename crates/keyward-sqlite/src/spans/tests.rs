//! How often the row of an hour is written, and its span.

use super::*;
use crate::schema;

const HOUR: u64 = 3_600_000;

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(0)).unwrap();
    connection
}

/// Adds the entry of an id in an hour, and returns how many rows that wrote in addition to its own.
fn add(connection: &Connection, id: u64, hour: u32) -> u64 {
    let entry = "INSERT INTO audit (id, at_ms, actor, verb, previous, digest) \
                 VALUES (?1, ?2, 'a', 'issue', zeroblob(32), zeroblob(32))";
    connection.execute(entry, (id, u64::from(hour) * HOUR)).unwrap();
    let before = connection.total_changes();
    AUDIT.go_on(connection, hour, id).unwrap();
    connection.total_changes() - before
}

#[track_caller]
fn check(connection: &Connection, from: u32, before: u32, first: i64, last: i64) {
    let at = |hour: u32| Some(UnixMillis(u64::from(hour) * HOUR));
    let span = AUDIT.ids(connection, at(from), at(before)).unwrap().unwrap();
    assert_eq!((span.first, span.last), (first, last), "{from} {before}");
}

#[test]
fn within_an_hour_its_row_is_written_once() {
    let connection = database();
    assert_eq!(add(&connection, 1, 5), 1);
    assert_eq!((2..9).map(|id| add(&connection, id, 5)).sum::<u64>(), 0);
    check(&connection, 5, 5, 1, 8);
    assert_eq!(add(&connection, 9, 6), 2, "the other one is closed");
    assert_eq!(add(&connection, 10, 6), 0);
    check(&connection, 6, 7, 9, 10);
    check(&connection, 0, 9, 1, 10);
    assert!(AUDIT.ids(&connection, Some(UnixMillis(7 * HOUR)), None).unwrap().is_none());
}

#[test]
fn a_clock_that_goes_back_hides_no_row() {
    let connection = database();
    for (id, hour) in [(1, 5), (2, 6), (3, 5), (4, 6), (5, 6), (6, 8)] {
        add(&connection, id, hour);
    }
    let span = |hour: u32| {
        let at = Some(UnixMillis(u64::from(hour) * HOUR));
        let span = AUDIT.ids(&connection, at, at).unwrap().unwrap();
        span.first..=span.last
    };
    assert!([1, 3].iter().all(|id| span(5).contains(id)), "{:?}", span(5));
    assert!([2, 4, 5].iter().all(|id| span(6).contains(id)), "{:?}", span(6));
    assert_eq!(span(8), 6..=6);
    let open = "SELECT count(*) FROM audit_hours WHERE last_id = 9223372036854775807";
    assert_eq!(connection.query_row(open, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
}

#[test]
fn rows_of_any_hour_widen_it() {
    let connection = database();
    for id in 1..=9 {
        add(&connection, id, 20);
    }
    AUDIT.close(&connection).unwrap();
    AUDIT.widen(&connection, 3, (4, 6)).unwrap();
    AUDIT.widen(&connection, 3, (2, 3)).unwrap();
    check(&connection, 3, 3, 2, 6);
    assert_eq!(add(&connection, 10, 20), 1, "it is opened again");
    check(&connection, 20, 20, 1, 10);
}
