//! A file of schema 1 becomes one of today, and nothing is lost.

use std::path::Path;

use keyward::UnixMillis;
use keyward::audit::{Chain, ChainError, ChangeId};
use keyward::count::{Counts, Outcome};
use keyward::query::KeyFilter;
use keyward::record::{KeyState, Stage};
use keyward::store::{KeyStore as _, Reports as _};
use keyward::time::UnixHour;
use rusqlite::Connection;

use crate::sample::{digest, id, issue, keys, limit, open, query, tier, trail, usage};

/// Writes a file of schema 1: three keys, the second with two secrets and the third with
/// none; usage, a tier, and a trail of which the last row was deleted by hand.
fn write_old(path: &Path) {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    raw.execute_batch(include_str!("../../../migrations/0001_keys.sql")).unwrap();
    raw.execute_batch(
        "CREATE TABLE keyward_migrations (
             number        INTEGER PRIMARY KEY,
             applied_at_ms INTEGER NOT NULL
         ) STRICT;
         INSERT INTO keyward_migrations VALUES (1, 5);
         INSERT INTO tiers (name, limits) VALUES ('free', '[]');
         INSERT INTO keys VALUES
             (1, 'Weather-Bot', 'basic', 'a:b c:*', 'active', 900, NULL, 10, 77),
             (2, 'two', 'free', '', 'revoked', NULL, 60, 20, NULL),
             (5, 'none', 'pro', '', 'suspended', NULL, NULL, 30, NULL),
             (9, 'gone', 'pro', '', 'active', NULL, NULL, 40, NULL);
         DELETE FROM keys WHERE id = 9;
         INSERT INTO usage VALUES (1, 5, 1, 2, 3, 4, 5, 6), (1, 6, 1, 0, 0, 0, 0, 0),
                                  (2, 5, 7, 0, 0, 0, 0, 0);
         INSERT INTO usage_batches (writer, number) VALUES (zeroblob(16), 3);
         INSERT INTO audit VALUES
             (1, 10, 'admin-key', 'issue', 1, NULL, 'r1', '{\"name\":\"Weather-Bot\"}'),
             (3, 15, 'program', 'put-tier', NULL, 'free', NULL, NULL),
             (4, 20, 'program', 'revoke', 2, NULL, NULL, NULL);
         DELETE FROM audit WHERE id = 4;",
    )
    .unwrap();
    let secrets = [(1, 1, "kw_Ab3d", 10), (2, 21, "acme_0000", 20), (2, 22, "kw_New0", 25)];
    for (key, number, hint, at) in secrets {
        raw.execute(
            "INSERT INTO secrets (key_id, digest, hint, created_at_ms) VALUES (?1, ?2, ?3, ?4)",
            (key, digest(number).as_bytes(), hint, at),
        )
        .unwrap();
    }
}

#[tokio::test]
async fn a_file_of_schema_1_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    write_old(&path);
    let store = open(&path);

    let keys = keys(&store).await;
    let ids: Vec<_> = keys.iter().map(|key| key.key.id.get()).collect();
    assert_eq!(ids, [1, 2, 5]);
    assert_eq!((keys[0].key.secret.digest, keys[0].key.former.len()), (digest(1), 0));
    assert_eq!(keys[1].key.secret.digest, digest(22), "the newest secret is the present one");
    assert_eq!(keys[1].key.former[0].secret.digest, digest(21));
    assert!(UnixMillis(200_000_000_000_000) < keys[1].key.former[0].ends_at, "it went on working");
    assert_eq!(keys[2].key.state, KeyState::Suspended);

    let first = store.find_key(id(1)).await.unwrap().unwrap();
    assert_eq!((first.key.secret.hint.as_str(), first.key.version.get()), ("kw_Ab3d", 1));
    assert_eq!(
        (first.key.created_at, first.key.last_used_at),
        (UnixMillis(10), Some(UnixMillis(77)))
    );
    assert_eq!(first.key.expires_at, Some(UnixMillis(900)));
    assert_eq!(first.key.scopes.iter().count(), 2);
    assert_eq!((first.key.rotated_at(), first.key.grace_until()), (None, None));
    let second = store.find_key(id(2)).await.unwrap().unwrap();
    assert_eq!(second.key.state, KeyState::Revoked { at: UnixMillis(60) });
    assert_eq!((second.key.rotated_at(), second.key.last_used_at), (Some(UnixMillis(25)), None));

    let counts = Counts::from([
        (Outcome::Allowed, 1),
        (Outcome::Limited, 2),
        (Outcome::OutOfScope, 3),
        (Outcome::OutOfNetwork, 0),
        (Outcome::Suspended, 4),
        (Outcome::Revoked, 5),
        (Outcome::Expired, 6),
    ]);
    let later = Counts::from([(Outcome::Allowed, 1)]);
    assert_eq!(usage(&store, id(1), 0).await, [(UnixHour(5), counts), (UnixHour(6), later)]);
    assert_eq!(usage(&store, id(2), 0).await.len(), 1);
    assert!(crate::sample::tiers(&store).await.contains(&tier("free", Vec::new())));
    assert!(crate::sample::tiers(&store).await.contains(&tier("basic", vec![limit(100)])));
    assert_eq!(store.prefixes().await.unwrap(), ["acme", "kw"]);
}

#[tokio::test]
async fn what_was_migrated_is_found_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    write_old(&path);
    let store = open(&path);
    let check = async |filter: KeyFilter, expected: &[u64]| {
        let page = store.list_keys(query(filter)).await.unwrap();
        let ids: Vec<_> = page.keys.iter().map(|key| key.key.id.get()).collect();
        assert_eq!(ids, expected);
    };
    check(KeyFilter { name_part: Some("er-b".to_owned()), ..KeyFilter::default() }, &[1]).await;
    check(KeyFilter { state: Some(Stage::Revoked), ..KeyFilter::default() }, &[2]).await;
    check(KeyFilter { created_from: Some(UnixMillis(11)), ..KeyFilter::default() }, &[2, 5]).await;
    assert_eq!(issue(&store, 100).await, id(10), "no id is given twice");

    let trail = trail(&store).await;
    let ids: Vec<_> = trail.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [1, 3, 5].map(ChangeId), "no number is given twice");
    assert_eq!(trail[0].details.as_deref(), Some(r#"{"name":"Weather-Bot"}"#));
    assert_eq!(trail[0].request_id.as_deref(), Some("r1"));
    assert_eq!(trail[1].tier.as_deref(), Some("free"));
    let mut chain = Chain::default();
    chain.follow(&trail[0]).unwrap();
    let cut = chain.follow(&trail[1]).unwrap_err();
    assert_eq!(cut, ChainError::Missing(ChangeId(3)), "a row that was deleted by hand shows");
}

#[test]
fn what_schema_1_needed_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    write_old(&path);
    drop(open(&path));
    let raw = Connection::open(&path).unwrap();
    let old = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\\_0001' ESCAPE '\\' \
               OR name = 'secrets'";
    assert_eq!(raw.query_row(old, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
    let broken = raw.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    assert!(!broken);
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
