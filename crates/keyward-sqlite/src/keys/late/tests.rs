//! The rows that wait, and until when.

use keyward::UnixMillis;

use super::*;
use crate::schema;

fn database(keys: u32) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(0)).unwrap();
    add(&connection, keys);
    connection
}

fn add(connection: &Connection, keys: u32) {
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
               INSERT INTO keys (version, name, tier_id, state, created_at_ms, \
               digest, hint, secret_created_at_ms, scopes, networks, metadata) \
               SELECT 1, 'key ' || n, 1, 'active', 0, randomblob(32), '', 0, '', '', '{}' \
               FROM n";
    connection.execute(sql, [keys]).unwrap();
}

fn count(connection: &Connection, sql: &str) -> u64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

const NAMED: &str = "SELECT count(*) FROM key_names WHERE key_names MATCH '\"key\"'";
const UNUSED: &str = "SELECT count(*) FROM key_uses WHERE last_used_at_ms = -1";

#[test]
fn what_waits_is_written_once() {
    let connection = database(3);
    assert!(is_any_waiting(&connection).unwrap());
    connection.execute("INSERT INTO key_uses VALUES (2, 77)", []).unwrap();
    for _ in 0..2 {
        list_all(&connection).unwrap();
        assert!(!is_any_waiting(&connection).unwrap());
        assert_eq!(count(&connection, NAMED), 3);
        assert_eq!(count(&connection, UNUSED), 2, "the use of one was known");
    }
    add(&connection, 1);
    list_all(&connection).unwrap();
    assert_eq!((count(&connection, NAMED), last_listed(&connection).unwrap()), (4, 4));
}

#[test]
fn from_a_number_on_they_are_many() {
    let connection = database(511);
    assert!(!are_many_waiting(&connection).unwrap());
    add(&connection, 1);
    assert!(are_many_waiting(&connection).unwrap());
    list_all(&connection).unwrap();
    assert!(!are_many_waiting(&connection).unwrap());
    // Ids that are given without a key, as after a loss, do not wait for ever.
    connection.execute("UPDATE sqlite_sequence SET seq = 9000 WHERE name = 'keys'", []).unwrap();
    assert!(are_many_waiting(&connection).unwrap());
    list_all(&connection).unwrap();
    assert!(!are_many_waiting(&connection).unwrap());
}
