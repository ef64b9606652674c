//! Which index each list is read along.

use keyward::record::Stage;

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
    let mut all = Vec::new();
    for (sql, values) in &walk.legs {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
        all.extend(steps.map(Result::<String, _>::unwrap));
    }
    all.join("\n")
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
        ("keys_standing (standing=?", KeyFilter { state: Some(Stage::Revoked), ..none() }),
        ("keys_standing (standing=?", KeyFilter { state: Some(Stage::Suspended), ..none() }),
        ("keys_expires (expires_order<?)", KeyFilter { state: Some(Stage::Expired), ..none() }),
        ("keys_tier (tier=?", KeyFilter { tier: Some("basic".parse().unwrap()), ..none() }),
    ]
}

const ORDERS: [KeyOrder; 4] =
    [KeyOrder::Created, KeyOrder::Name, KeyOrder::LastUsed, KeyOrder::Expires];

#[test]
fn few_keys_are_found_by_the_index_of_what_they_share() {
    let connection = database();
    for (index, filter) in filters() {
        for order in ORDERS {
            let query = query(filter.clone(), order);
            let mut drives = drives(&query.filter, query.now);
            let [drive] = drives.as_mut_slice() else { panic!("one way, not {drives:?}") };
            let plan = plan(&connection, &gather(&query, drive));
            assert!(plan.contains(index), "{index}: {plan}");
            assert!(!plan.contains("SCAN keys") && !plan.contains("SCAN key_uses"), "{plan}");
        }
    }
}

#[test]
fn many_keys_in_the_order_of_ids_are_read_along_an_index_that_has_it() {
    let connection = database();
    let span = Span { first: 1, last: 100 };
    for (index, filter) in filters() {
        let query = query(filter, KeyOrder::Created);
        let drive = drives(&query.filter, query.now).remove(0);
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
