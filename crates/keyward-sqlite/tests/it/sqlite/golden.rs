//! A file of an earlier schema becomes one of today, and its keys go on.
//!
//! `golden/schema-1.db` was made with the first migration as it landed; it holds the keys whose
//! texts the core keeps in its own golden file. `golden/schema-2.db` was made with the second one,
//! by the last program that took any text for a name. None is ever changed.

use std::fs;
use std::sync::Arc;

use keyward::audit::{Audit, Chain};
use keyward::count::Outcome;
use keyward::gate::Gate;
use keyward::query::KeyFilter;
use keyward::store::{KeyStore, Reports as _};
use keyward::time::SteadyNanos;
use keyward::{Asked, Now, UnixMillis};
use keyward_sqlite::SqliteStore;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::sample::{Store as _, details, id, open, query, trail, usage};

const SCHEMA_1: &[u8] = include_bytes!("../golden/schema-1.db");
const SCHEMA_2: &[u8] = include_bytes!("../golden/schema-2.db");
const FIRST_MIGRATION: &[u8] = include_bytes!("../../../migrations/0001_keys.sql");
const SECOND_MIGRATION: &[u8] = include_bytes!("../../../migrations/0002_lives.sql");
const KEYS: &str = include_str!("../../../../keyward/tests/it/golden/0.1.0.txt");
/// When the files were made.
const MADE: u64 = 1_795_478_400_000;

#[tokio::test]
async fn keys_of_schema_1_are_let_in_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    fs::write(&path, SCHEMA_1).unwrap();
    let raw = Connection::open(&path).unwrap();
    let schema = "SELECT max(number) FROM keyward_migrations";
    assert_eq!(raw.query_row(schema, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
    drop(raw);

    let store = Arc::new(open(&path));
    let gate = Gate::open(Arc::clone(&store) as Arc<dyn KeyStore>, "kw".parse().unwrap());
    let gate = gate.await.unwrap();
    let now = Now::new(UnixMillis(MADE + 60_000), SteadyNanos(1));
    for (number, line) in (1..).zip(KEYS.lines()) {
        let [text, hint, _] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let caller = gate.verify(&Asked::of(text), now).unwrap();
        assert_eq!(caller.key_id(), id(number));
        assert_eq!(caller.name(), format!("golden-{number}"));
        let key = details(&*store, id(number)).await;
        assert_eq!(key.key.secret.hint, if hint == "-" { "" } else { hint });
        assert_eq!(key.key.created_at, UnixMillis(MADE + number * 1_000));
        assert_eq!(key.key.last_used_at.is_some(), number < 4);
    }
    assert_eq!(gate.index().len(), 6);
    assert_eq!(usage(&*store, id(1), 0).await[0].1[Outcome::Allowed], 3);
    let trail = trail(&*store).await;
    let mut chain = Chain::default();
    trail.iter().for_each(|entry| chain.follow(entry).unwrap());
    assert_eq!(
        trail.iter().map(|entry| entry.key_id).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6].map(Some)
    );
    assert_eq!(store.prefixes().await.unwrap(), ["a23456789_123456789_1234", "acme_live", "kw"]);
}

#[tokio::test]
async fn names_and_reasons_of_schema_2_are_spelled_out_on_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    fs::write(&path, SCHEMA_2).unwrap();
    let now = UnixMillis(MADE + 60_000);
    let store = SqliteStore::open(&path, "a test", now).unwrap();
    let names = ["nulU+0000inside", "payU+202Eroll", "U+0020U+00A0", &"U+200B".repeat(16)];
    for (number, name) in (2..).zip(names) {
        let key = details(&store, id(number)).await;
        assert_eq!((key.key.name.as_str(), key.key.version.get()), (name, 2));
    }
    let revoked = details(&store, id(5)).await;
    assert_eq!(revoked.key.revoked_reason.as_ref().unwrap().as_str(), "lostU+202Etsol");
    // An emoji keeps its parts.
    assert_eq!(details(&store, id(6)).await.key.name.as_str(), "❤\u{fe0f} Рус \u{a0}x");

    let trail = trail(&store).await;
    let mut chain = Chain::default();
    trail.iter().for_each(|entry| chain.follow(entry).unwrap());
    let told: Vec<_> = trail.iter().filter(|entry| entry.actor == "program").collect();
    let keys: Vec<_> = told.iter().map(|entry| entry.key_id.unwrap()).collect();
    assert_eq!(keys, [2, 3, 4, 5]);
    assert!(told.iter().all(|entry| (entry.verb.as_str(), entry.at) == ("edit", now)));
    let detail = |at: usize| -> serde_json::Value {
        serde_json::from_str(told[at].details.as_deref().unwrap()).unwrap()
    };
    assert_eq!(detail(0)["before"], serde_json::json!({ "name": "nul\0inside" }));
    assert_eq!(detail(0)["after"], serde_json::json!({ "name": "nulU+0000inside" }));
    assert_eq!(detail(3)["before"]["name"], "\u{200b}".repeat(100));
    assert_eq!(detail(3)["after"]["revoked_reason"], "lostU+202Etsol");

    // It is found by its new name, and all else is as it was.
    let filter = KeyFilter { name_part: Some("u+202e".to_owned()), ..KeyFilter::default() };
    let found = store.list_keys(query(filter)).await.unwrap().keys;
    assert_eq!(found.iter().map(|key| key.key.id).collect::<Vec<_>>(), [id(3)]);
    let first = details(&store, id(1)).await;
    let metadata = r#"{"ticket":"OPS-17","cost":1.25,"id":18446744073709551615}"#;
    assert_eq!((first.key.notes.metadata.as_str(), first.key.version.get()), (metadata, 2));
    assert_eq!(usage(&store, id(1), 0).await[0].1[Outcome::Allowed], 1);
    assert_eq!(trail.len() - told.len(), 13);

    // A tier that a key was revoked with can go by now.
    let audit = Audit::program(now);
    store.delete_tier("pro".parse().unwrap(), audit).await.unwrap();
    assert_eq!(details(&store, id(7)).await.key.tier.as_str(), "pro");
}

#[test]
fn the_first_migrations_are_never_changed() {
    let check = |migration: &[u8], expected: &str| {
        let digest = Sha256::digest(migration);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected, "add a migration instead");
    };
    check(FIRST_MIGRATION, "7cdb411d023f6fe661da7759cad142b317a90ce31c1e15d6530aea554ad67290");
    check(SECOND_MIGRATION, "0a439d400febab2ad9fd4225775953ddf93b1e67a4b22a5b900123dd7fc87ef4");
}
