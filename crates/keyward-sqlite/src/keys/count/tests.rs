//! How far is counted, and along which index.

use super::*;
use crate::schema;

/// Keys that take turns in tier, state, expiry and name.
fn database(keys: u32) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(0)).unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
         INSERT INTO keys (id, version, name, tier_id, owner, state, created_at_ms, \
         expires_at_ms, digest, hint, secret_created_at_ms, scopes, networks, metadata) \
         SELECT n, 1, 'key ' || (n % 4), iif(n % 2, 1, 2), 'org', \
         iif(n % 3, 'active', 'suspended'), n, iif(n % 5, NULL, 40), randomblob(32), 'kw_', 5, \
         '', '', '{}' FROM n";
    connection.execute(sql, [keys]).unwrap();
    let others = "INSERT INTO key_uses SELECT id, -1 FROM keys; \
                  INSERT INTO key_names (rowid, name) SELECT id, name FROM keys; \
                  INSERT INTO key_hours SELECT 0, min(id), max(id) FROM keys";
    connection.execute_batch(others).unwrap();
    connection
}

fn none() -> KeyFilter {
    KeyFilter::default()
}

fn tier() -> KeyFilter {
    KeyFilter { tier: Some("pro".parse().unwrap()), ..none() }
}

fn state(state: Stage) -> KeyFilter {
    KeyFilter { state: Some(state), ..none() }
}

#[track_caller]
fn check(filter: &KeyFilter, bounds: &Bounds, at_least: u64, is_exact: bool) {
    check_in(&database(60), filter, bounds, at_least, is_exact);
}

#[track_caller]
fn check_in(
    connection: &Connection,
    filter: &KeyFilter,
    bounds: &Bounds,
    at_least: u64,
    is_exact: bool,
) {
    let count = count_within(connection, filter, UnixMillis(50), bounds).unwrap();
    assert_eq!(count, KeyCount { at_least, is_exact }, "{filter:?}");
}

#[test]
fn what_an_index_tells_is_counted_up_to_a_bound() {
    let bounds = |entries| Bounds { entries, apart: 0, in_line: 0 };
    check(&none(), &bounds(0), 60, true);
    let expires_before = Some(UnixMillis(99));
    for (filter, exact) in [
        (tier(), 30),
        (KeyFilter { owner: Some("org".parse().unwrap()), ..none() }, 60),
        (KeyFilter { hint_start: Some("kw".to_owned()), ..none() }, 60),
        (state(Stage::Active), 32),
        (state(Stage::Expired), 8),
        (state(Stage::Suspended), 20),
        (state(Stage::Revoked), 0),
        (KeyFilter { expires_before, ..none() }, 0),
        (KeyFilter { expires_before, ..state(Stage::Active) }, 0),
    ] {
        check(&filter, &bounds(exact), exact.into(), true);
        if let Some(fewer) = exact.checked_sub(1) {
            check(&filter, &bounds(fewer), fewer.into(), false);
        }
    }
}

#[test]
fn few_keys_of_one_condition_are_all_looked_at() {
    let bounds = |apart| Bounds { entries: 0, apart, in_line: 0 };
    let filter = KeyFilter { state: Some(Stage::Suspended), ..tier() };
    check(&filter, &bounds(20), 10, true);
    check(&filter, &bounds(19), 0, false);
    let named = KeyFilter { name_part: Some("Y 3".to_owned()), ..none() };
    check(&named, &bounds(15), 15, true);
    check(&named, &bounds(14), 0, false);
}

#[test]
fn of_many_keys_the_first_are_looked_at() {
    let bounds = |in_line| Bounds { entries: 0, apart: 0, in_line };
    let filter = KeyFilter { state: Some(Stage::Active), ..tier() };
    check(&filter, &bounds(60), 16, true);
    check(&filter, &bounds(59), 16, false);
    check(&filter, &bounds(12), 3, false);
    let idle = KeyFilter { idle_since: Some(UnixMillis(31)), ..none() };
    check(&idle, &bounds(60), 30, true);
    let issued = KeyFilter { created_from: Some(UnixMillis(31)), ..none() };
    check(&issued, &bounds(60), 30, true);
}

#[test]
fn entries_are_counted_without_their_keys() {
    let connection = database(60);
    for filter in [state(Stage::Active), state(Stage::Expired), state(Stage::Suspended), tier()] {
        let sieve = Sieve::new(&filter, UnixMillis(50));
        let own = own_conditions(&filter, &sieve);
        let sql = entries_sql(covering(&filter).unwrap(), &own);
        let values: Vec<_> = own.values().chain([number(9)]).collect();
        let mut steps = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let steps = steps.query_map(params_from_iter(values), |row| row.get::<_, String>(1));
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        // `DeferredSeek` notes where the key is; reading a column of it would go there.
        assert!(!steps.iter().any(|step| step == "Column"), "{filter:?}: {steps:?}");
    }
}

/// The first 20 of the keys belong to an owner that is suspended, and the last 30 to none.
fn with_a_suspended_owner() -> Connection {
    let connection = database(60);
    let sql = "INSERT INTO owners VALUES ('org_1', 1, 7, '[]', 20, 0); \
               INSERT INTO owners VALUES ('org', 0, NULL, '[]', 10, 0); \
               UPDATE keys SET owner = iif(id <= 20, 'org_1', iif(id <= 30, 'org', NULL))";
    connection.execute_batch(sql).unwrap();
    connection
}

#[test]
fn keys_of_a_suspended_owner_count_as_suspended() {
    let connection = with_a_suspended_owner();
    let bounds = |entries, apart| Bounds { entries, apart, in_line: 40 };
    let check = |state, bounds: Bounds, at_least, is_exact| {
        check_in(&connection, &self::state(state), &bounds, at_least, is_exact);
    };
    // Of the 40 after the owner's, each third is suspended itself and each fifth has expired.
    check(Stage::Active, bounds(60, 20), 21, true);
    check(Stage::Expired, bounds(60, 20), 5, true);
    check(Stage::Suspended, bounds(0, 20), 34, true);
    check(Stage::Revoked, bounds(60, 20), 0, true);
    // One of its keys too many to look at, so the first keys are looked at.
    check(Stage::Active, bounds(60, 19), 10, false);
    check(Stage::Suspended, bounds(60, 19), 34, false);
    let of = |owner: &str, state| KeyFilter { owner: owner.parse().ok(), state, ..none() };
    for (owner, state, fitting) in [
        ("org_1", Stage::Active, 0),
        ("org_1", Stage::Expired, 0),
        ("org_1", Stage::Suspended, 20),
        ("org", Stage::Active, 5),
        ("org", Stage::Suspended, 4),
    ] {
        check_in(&connection, &of(owner, Some(state)), &bounds(0, 20), fitting, true);
    }
}
