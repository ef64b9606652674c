//! A file of an earlier schema becomes one of today, and its keys go on.
//!
//! `golden/schema-1.db` was made with the first migration as it stood when it landed; it holds the
//! keys whose texts the core keeps in its own golden file. Neither is ever changed.

use std::fs;
use std::sync::Arc;

use keyward::audit::Chain;
use keyward::gate::Gate;
use keyward::store::Store;
use keyward::time::SteadyNanos;
use keyward::{Asked, Now, UnixMillis};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::sample::{details, id, open, trail, usage};

const SCHEMA_1: &[u8] = include_bytes!("../golden/schema-1.db");
const FIRST_MIGRATION: &[u8] = include_bytes!("../../../migrations/0001_keys.sql");
const KEYS: &str = include_str!("../../../../keyward/tests/it/golden/0.1.0.txt");
/// When the file was made.
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
    let gate = Gate::open(Arc::clone(&store) as Arc<dyn Store>, "kw".parse().unwrap());
    let gate = gate.await.unwrap();
    let now = Now { unix: UnixMillis(MADE + 60_000), steady: SteadyNanos(1) };
    for (number, line) in (1..).zip(KEYS.lines()) {
        let [text, hint, _] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let caller = gate.verify(&Asked::of(text), now).unwrap();
        assert_eq!(caller.key_id(), id(number));
        assert_eq!(caller.name(), format!("golden-{number}"));
        let key = details(&*store, id(number)).await;
        assert_eq!(key.hint, if hint == "-" { "" } else { hint });
        assert_eq!(key.created_at, UnixMillis(MADE + number * 1_000));
        assert_eq!(key.last_used_at.is_some(), number < 4);
    }
    assert_eq!(gate.index().len(), 6);
    assert_eq!(usage(&*store, id(1), 0).await[0].1.allowed, 3);
    let trail = trail(&*store).await;
    let mut chain = Chain::default();
    trail.iter().for_each(|entry| chain.follow(entry).unwrap());
    assert_eq!(
        trail.iter().map(|entry| entry.key_id).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6].map(Some)
    );
    assert_eq!(store.prefixes().await.unwrap(), ["a23456789_123456789_1234", "acme_live", "kw"]);
}

#[test]
fn the_first_migration_is_never_changed() {
    let digest = Sha256::digest(FIRST_MIGRATION);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = "7cdb411d023f6fe661da7759cad142b317a90ce31c1e15d6530aea554ad67290";
    assert_eq!(digest, expected, "add a migration instead");
}
