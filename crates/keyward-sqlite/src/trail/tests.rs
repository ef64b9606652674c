//! Pages of the trail, for any query and any number of entries that a page may look at.

use keyward::audit::Verb;
use keyward::record::KEY_ID_MAX;
use keyward::{KeyId, UnixMillis};

use super::*;
use crate::schema;

/// A trail in which an entry by another actor, and one of another kind, are rare.
fn database(entries: u32) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(0)).unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
               INSERT INTO audit (at_ms, actor, verb, key_id, previous, digest) \
               SELECT n, iif(n % 7 = 0, 'program', 'admin-key'), iif(n % 5 = 0, 'edit', 'issue'), \
                      n % 3, zeroblob(32), zeroblob(32) FROM n";
    connection.execute(sql, [entries]).unwrap();
    let hours = "INSERT INTO audit_hours VALUES (0, 1, ?1)";
    connection.execute(hours, [entries]).unwrap();
    connection
}

fn query(filter: AuditFilter, descending: bool) -> AuditQuery {
    AuditQuery { filter, after: None, descending, max: 4.try_into().unwrap() }
}

/// The ids on all pages, each page looking at no more than `looks_max` entries.
fn all(connection: &Connection, mut query: AuditQuery, looks_max: u32) -> Vec<u64> {
    let mut ids = Vec::new();
    loop {
        let page = look(connection, &query, looks_max).unwrap();
        ids.extend(page.entries.iter().map(|entry| entry.id.0));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

/// Whether the entry with this id is looked for.
type Fits = fn(u64) -> bool;

#[test]
fn however_little_a_page_looks_at_no_entry_is_left_out_or_told_twice() {
    let connection = database(60);
    let actor = || Some("program".to_owned());
    let none = AuditFilter::default;
    let filters: [(AuditFilter, Fits); 7] = [
        (none(), |_| true),
        (AuditFilter { actor: actor(), ..none() }, |id| id % 7 == 0),
        (AuditFilter { verb: Some(Verb::Edit), actor: actor(), ..none() }, |id| id % 35 == 0),
        (AuditFilter { verb: Some(Verb::Issue), ..none() }, |id| id % 5 != 0),
        (AuditFilter { actor: Some("admin-key".to_owned()), ..none() }, |id| id % 7 != 0),
        (AuditFilter { key_id: KeyId::new(1), verb: Some(Verb::Issue), ..none() }, |id| {
            id % 3 == 1 && id % 5 != 0
        }),
        (
            AuditFilter {
                actor: actor(),
                since: Some(UnixMillis(9)),
                until: Some(UnixMillis(50)),
                ..none()
            },
            |id| id % 7 == 0 && (9..50).contains(&id),
        ),
    ];
    for (filter, fits) in filters {
        let mut expected: Vec<u64> = (1..=60).filter(|id| fits(*id)).collect();
        for descending in [false, true] {
            for looks_max in [1, 2, 3, 7, 59, 60, 61] {
                let found = all(&connection, query(filter.clone(), descending), looks_max);
                assert_eq!(found, expected, "{filter:?} {descending} {looks_max}");
            }
            expected.reverse();
        }
    }
}

#[test]
fn entries_are_read_along_the_index_that_has_the_fewest() {
    let connection = database(60);
    let span = Span { first: 1, last: i64::MAX };
    let index = |filter: &AuditFilter| drive(&connection, filter, span).unwrap().unwrap().0.name;
    let by = |actor: &str, verb| AuditFilter {
        actor: Some(actor.to_owned()),
        verb: Some(verb),
        ..AuditFilter::default()
    };
    assert_eq!(index(&by("admin-key", Verb::Edit)), "audit_verb");
    assert_eq!(index(&by("program", Verb::Issue)), "audit_actor");
    assert_eq!(index(&by("nobody", Verb::Edit)), "audit_actor");
    let of_key = AuditFilter { key_id: KeyId::new(99), ..by("program", Verb::Edit) };
    assert_eq!(index(&of_key), "audit_key");
    let query = query(of_key, true);
    let drive = drive(&connection, &query.filter, span).unwrap();
    let (sql, values) = statement(&query, span, drive);
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let plan = plan.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
    let plan: Vec<_> = plan.map(Result::unwrap).collect();
    assert!(plan.concat().contains("audit_key (key_id=? AND rowid>? AND rowid<?)"), "{plan:?}");
    assert!(!plan.concat().contains("TEMP B-TREE"), "{plan:?}");
}

#[test]
fn an_id_fits_a_column() {
    let id = KeyId::new(KEY_ID_MAX).unwrap();
    assert_eq!(number(id.get()), Value::Integer(9_007_199_254_740_991));
    assert_eq!(number(u64::MAX), Value::Integer(i64::MAX));
}
