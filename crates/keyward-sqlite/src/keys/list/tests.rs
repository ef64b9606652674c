//! Which index each list is read along.

use keyward::UnixMillis;

use super::*;
use crate::schema;

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(0)).unwrap();
    connection
}

fn query(filter: KeyFilter, order: KeyOrder) -> KeyQuery {
    let after = Some(KeyCursor { value: "5".to_owned(), id: 7 });
    KeyQuery { filter, order, descending: true, after, max: 10, now: UnixMillis(50) }
}

/// Every step of what SQLite would do.
#[track_caller]
fn plan(connection: &Connection, walk: &Walk) -> String {
    let legs = walk.legs.iter().map(|leg| explain(connection, &leg.sql, &leg.values));
    legs.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn explain(connection: &Connection, sql: &str, values: &[Value]) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
    steps.map(Result::<String, _>::unwrap).collect::<Vec<_>>().join("\n")
}

/// The one way that a filter offers.
#[track_caller]
fn only_drive(connection: &Connection, filter: &KeyFilter) -> Drive {
    let mut drives = drives(connection, filter, UnixMillis(50)).unwrap();
    assert_eq!(drives.len(), 1, "{drives:?}");
    drives.remove(0)
}

fn filters() -> Vec<(&'static str, KeyFilter)> {
    let none = KeyFilter::default;
    vec![
        ("keys_owner (owner=?", KeyFilter { owner: Some("a".parse().unwrap()), ..none() }),
        ("key_names VIRTUAL TABLE", KeyFilter { name_part: Some("abc".to_owned()), ..none() }),
        (
            "keys_hint (hint>? AND hint<?)",
            KeyFilter { hint_start: Some("kw".to_owned()), ..none() },
        ),
        (
            "keys_expires (expires_order>? AND expires_order<?)",
            KeyFilter { expires_before: Some(UnixMillis(90)), ..none() },
        ),
        (
            "key_uses_last (last_used_at_ms<?)",
            KeyFilter { idle_since: Some(UnixMillis(20)), ..none() },
        ),
        ("keys_state (state=?", KeyFilter { state: Some(Stage::Revoked), ..none() }),
        ("keys_state (state=?", KeyFilter { state: Some(Stage::Suspended), ..none() }),
        ("keys_active (expires_order<?)", KeyFilter { state: Some(Stage::Expired), ..none() }),
        ("keys_tier (tier_id=?", KeyFilter { tier: Some("basic".parse().unwrap()), ..none() }),
    ]
}

const ORDERS: [KeyOrder; 4] =
    [KeyOrder::Created, KeyOrder::Name, KeyOrder::LastUsed, KeyOrder::Expires];

#[test]
fn few_keys_are_found_by_the_index_of_what_they_share() {
    let connection = database();
    for (index, filter) in filters() {
        let drive = only_drive(&connection, &filter);
        let values: Vec<_> = drive.values.iter().cloned().chain([number(3)]).collect();
        let plan = explain(&connection, &drive.ids_sql(), &values);
        assert!(plan.contains(index), "{index}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        for order in ORDERS {
            let plan = self::plan(&connection, &gather(&query(filter.clone(), order), &[1, 2]));
            assert!(plan.contains("SEARCH keys USING INTEGER PRIMARY KEY (rowid=?)"), "{plan}");
            assert!(!plan.contains("SCAN keys") && !plan.contains("SCAN key_uses"), "{plan}");
        }
    }
}

/// Keys with these names.
fn named(names: &[&str]) -> Connection {
    let connection = database();
    let mut key = connection
        .prepare(
            "INSERT INTO keys (id, version, name, tier_id, state, created_at_ms, \
             digest, hint, secret_created_at_ms, scopes, networks, metadata) \
             VALUES (?1, 1, ?2, 1, 'active', 5, randomblob(32), '', 5, '', '', '{}')",
        )
        .unwrap();
    let mut name = connection.prepare(super::super::terms::ADD_NAME).unwrap();
    for (id, text) in (1_i64..).zip(names) {
        key.execute((id, text)).unwrap();
        name.execute((id, text)).unwrap();
        connection.execute("INSERT INTO key_uses VALUES (?1, -1)", [id]).unwrap();
    }
    drop((key, name));
    connection
}

#[test]
fn of_a_long_part_the_trigrams_are_asked_for_that_are_rare() {
    let connection = named(&["abcdefghi-uvw", "abcdefghi-web", "abcdefghi-xyz"]);
    let filter = |part: &str| KeyFilter { name_part: Some(part.to_owned()), ..Default::default() };
    let drive = only_drive(&connection, &filter("abcdefghi-xyz"));
    assert_eq!(drive.values, [text(r#""xyz" AND "bcd" AND "efg""#)]);
    assert_eq!(drive.ids_up_to(&connection, 1).unwrap(), Some(vec![3]));
    let drive = only_drive(&connection, &filter("hi-"));
    assert_eq!(drive.ids_up_to(&connection, 2).unwrap(), None);
    assert_eq!(drive.ids_up_to(&connection, 3).unwrap(), Some(vec![1, 2, 3]));
}

#[test]
fn many_keys_in_the_order_of_ids_are_read_along_an_index_that_has_it() {
    let connection = database();
    let span = Span { first: 1, last: 100 };
    for (index, filter) in filters() {
        let query = query(filter, KeyOrder::Created);
        let drive = only_drive(&connection, &query.filter);
        if !drive.is_by_id {
            continue;
        }
        let plan = plan(&connection, &along_ids(&query, drive, span));
        assert!(plan.contains(index), "{index}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    let query = query(KeyFilter::default(), KeyOrder::Created);
    let plan = plan(&connection, &along_ids(&query, all(), span));
    assert!(plan.contains("USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn many_keys_in_another_order_are_read_along_its_index() {
    let connection = database();
    let indexes = [
        (KeyOrder::Name, "keys_name", "name"),
        (KeyOrder::LastUsed, "key_uses_last", "last_used_at_ms"),
        (KeyOrder::Expires, "keys_expires", "expires_order"),
    ];
    for (order, index, column) in indexes {
        let plan = plan(&connection, &along_order(&query(KeyFilter::default(), order)));
        assert!(plan.contains(&format!("{index} ({column}=? AND rowid<?)")), "{plan}");
        assert!(plan.contains(&format!("{index} ({column}<?)")), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
