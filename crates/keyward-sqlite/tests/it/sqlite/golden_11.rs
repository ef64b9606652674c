//! A database of schema 11, with a little of everything, goes on as before.
//!
//! `golden/schema-11.db` and its ledger were written by the last program of that schema, and
//! `golden/schema-11.jsonl` is the whole trail as that program printed it. None is ever changed.
//! The secret with the digest number `n` has the text `kw_golden_of_schema_11_number_` and `n` in
//! two digits.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use keyward::audit::{Audit, AuditEntry, Chain};
use keyward::gate::Gate;
use keyward::once::{Earlier, Once};
use keyward::query::{KeyCount, KeyFilter, KeyQuery};
use keyward::record::Stage;
use keyward::store::{KeyStore, Reports as _};
use keyward::time::SteadyNanos;
use keyward::verify::Verdict;
use keyward::{Asked, Now, UnixMillis};
use keyward_sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::sample::{Store as _, audit, details, id, issue, owner, query, trail, usage};

const DATABASE: &[u8] = include_bytes!("../golden/schema-11.db");
const LEDGER: &[u8] = include_bytes!("../golden/schema-11.db.ledger");
const TRAIL: &str = include_str!("../golden/schema-11.jsonl");
/// When the first change in it was made.
const MADE: u64 = 1_795_478_400_000;
const HOUR: u64 = 3_600_000;

/// A copy of the file and its ledger.
fn copied() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    fs::write(&path, DATABASE).unwrap();
    fs::write(path.with_extension("db.ledger"), LEDGER).unwrap();
    (directory, path)
}

/// The file opened by the program of today.
fn opened() -> (TempDir, Arc<SqliteStore>) {
    let (directory, path) = copied();
    let store = SqliteStore::open(&path, "a test", UnixMillis(MADE + 20 * HOUR)).unwrap();
    (directory, Arc::new(store))
}

async fn gate(store: &Arc<SqliteStore>) -> Gate {
    let store = Arc::clone(store) as Arc<dyn KeyStore>;
    Gate::open(store, "kw".parse().unwrap()).await.unwrap()
}

/// The verdict on the secret of a number.
fn verdict(gate: &Gate, secret: u64) -> Verdict {
    let text = format!("kw_golden_of_schema_11_number_{secret:02}");
    let now = Now::new(UnixMillis(MADE + 20 * HOUR), SteadyNanos(1));
    gate.verify(&Asked { from: "192.0.2.9".parse().ok(), ..Asked::of(&text) }, now)
}

/// An entry as the file of the whole trail has it.
fn line(entry: &AuditEntry) -> String {
    let line = json!({
        "id": entry.id.0,
        "at_ms": entry.at.0,
        "actor": entry.actor,
        "address": entry.address,
        "verb": entry.verb,
        "key_id": entry.key_id,
        "tier": entry.tier,
        "owner": entry.owner,
        "request_id": entry.request_id,
        "details": entry.details,
        "previous": entry.previous.to_string(),
        "digest": entry.digest.to_string(),
    });
    line.to_string()
}

#[tokio::test]
async fn its_trail_is_the_same_to_the_byte_and_goes_on() {
    let (_directory, store) = opened();
    let entries = trail(&*store).await;
    let lines: Vec<_> = entries.iter().map(line).collect();
    assert_eq!(lines, TRAIL.lines().collect::<Vec<_>>());
    let mut chain = Chain::default();
    entries.iter().for_each(|entry| chain.follow(entry).unwrap());
}

#[tokio::test]
async fn its_keys_are_judged_as_before() {
    let (_directory, store) = opened();
    let gate = gate(&store).await;
    let expected = [
        (1, Ok(1)),
        (2, Err("suspended")),
        (3, Err("suspended")),
        (4, Err("suspended")),
        (5, Err("revoked")),
        (6, Ok(6)),
        (7, Ok(7)),
        (8, Ok(8)),
        (18, Ok(8)),
        (9, Err("replaced")),
        (19, Err("replaced")),
        (29, Ok(9)),
        (10, Err("revoked")),
        (11, Ok(11)),
        (12, Ok(12)),
        (40, Err("revoked")),
        (41, Ok(41)),
        (42, Err("replaced")),
        (43, Ok(41)),
        (44, Err("suspended")),
        (45, Err("unknown")),
    ];
    for (secret, expected) in expected {
        let found = verdict(&gate, secret).map(|caller| caller.key_id().get());
        let found = found.map_err(|denied| denied.as_str());
        assert_eq!(found, expected, "the secret {secret}");
    }
    assert_eq!(gate.index().len(), 15);
    let burst = |secret| {
        let caller = verdict(&gate, secret).unwrap();
        caller.standing().map(|standing| standing.limit.burst().get())
    };
    assert_eq!((burst(6), burst(7), burst(11)), (None, Some(5), Some(7)));
}

#[tokio::test]
async fn its_owners_and_tiers_have_what_they_had() {
    let (_directory, store) = opened();
    let find = async |name: &str| {
        let found = store.find_owner(owner(name)).await.unwrap()?;
        Some((found.suspended_at.is_some(), found.keys, found.revoked_keys))
    };
    assert_eq!(find("acme").await, Some((true, 5, 1)));
    assert_eq!(find("ghost").await, Some((true, 0, 0)));
    assert_eq!(find("globex").await, Some((false, 1, 0)));
    assert_eq!(find("hooli").await, Some((false, 1, 1)));
    assert_eq!(find("initech").await, Some((false, 3, 1)));
    assert_eq!(find("past").await, None);
    let suspended = store.suspended_owners(None, 10).await.unwrap();
    assert_eq!(suspended, [owner("acme"), owner("ghost")]);

    let uses = crate::sample::uses(&*store).await;
    let uses: Vec<_> = uses.iter().map(|(name, keys)| (name.as_str(), *keys)).collect();
    let expected = [("basic", 8), ("pro", 2), ("enterprise", 1), ("gold", 1), ("free", 0)];
    assert_eq!(uses, expected);
    for (number, tier) in [(10, "gold"), (40, "vanished")] {
        let key = details(&*store, id(number)).await;
        assert_eq!((key.key.tier.as_str(), key.key.tier_gone), (tier, true));
    }
    assert!(!details(&*store, id(11)).await.key.tier_gone, "it has the new one of that name");

    let in_state = async |state: Stage| {
        let filter = KeyFilter { state: Some(state), ..KeyFilter::default() };
        let now = UnixMillis(MADE + 20 * HOUR);
        let page = store.list_keys(KeyQuery { now, ..query(filter.clone()) }).await.unwrap();
        let count = store.count_keys(filter, now).await.unwrap();
        assert_eq!(count, KeyCount::exact(page.keys.len() as u64));
        page.keys.iter().map(|key| key.key.id.get()).collect::<Vec<_>>()
    };
    assert_eq!(in_state(Stage::Active).await, [1, 6, 7, 8, 9, 11, 12, 41]);
    assert_eq!(in_state(Stage::Suspended).await, [2, 3, 4, 42]);
    assert_eq!(in_state(Stage::Revoked).await, [5, 10, 40]);
    assert_eq!(in_state(Stage::Expired).await, [0; 0]);

    // A suspension counted up the versions of keys then, and counts up the owner's now.
    assert_eq!(details(&*store, id(2)).await.versions().to_string(), "2.1");
    assert_eq!(details(&*store, id(8)).await.versions().to_string(), "4");
    let resumed = store.set_owner_suspended(owner("acme"), false, audit(30)).await.unwrap();
    assert_eq!((resumed.keys, resumed.version.0), (5, 2));
    assert_eq!(in_state(Stage::Suspended).await, [3, 42]);
    assert_eq!(in_state(Stage::Expired).await, [4]);
    assert_eq!(details(&*store, id(2)).await.versions().to_string(), "2.2");
}

#[tokio::test]
async fn its_keys_keep_everything_else_and_ids_go_on() {
    let (directory, store) = opened();
    let first = details(&*store, id(1)).await;
    let metadata = r#"{"ticket":"OPS-17","cost":1.25,"id":18446744073709551615}"#;
    assert_eq!(
        (first.key.notes.metadata.as_str(), first.key.secret.hint.as_str()),
        (metadata, "kw_gold01")
    );
    assert_eq!(first.key.scopes.iter().count(), 2);
    assert_eq!(first.key.networks.iter().count(), 2);
    assert_eq!(first.key.last_used_at, Some(UnixMillis(MADE + 2 * HOUR)));
    assert_eq!(usage(&*store, id(1), 0).await.len(), 2);
    let copies = store.export_keys(None, 100).await.unwrap();
    let former = |id: u64| {
        let key = copies.iter().find(|key| key.id.unwrap().get() == id).unwrap();
        key.former.iter().map(|it| (it.ends_at.0 - MADE) / HOUR).collect::<Vec<_>>()
    };
    assert_eq!((former(8), former(9)), (vec![715], vec![5, 7]));
    let once = |request| {
        let once = Some(Once { name: "rotate-8".parse().unwrap(), request });
        store.earlier(Audit { once, at: UnixMillis(MADE + 20 * HOUR), ..audit(0) })
    };
    assert_eq!(once([7; 32]).await.unwrap(), Some(Earlier::Same(id(8))));
    assert_eq!(store.kept_leaks(10).await.unwrap().len(), 1);
    assert_eq!(store.latest_reading().await.unwrap(), Some(UnixMillis(MADE + 17 * HOUR + 5)));
    assert_eq!(issue(&*store, 99).await, id(43), "no id is given twice");
    store.close().await.unwrap();

    let raw = Connection::open(directory.path().join("keyward.db")).unwrap();
    assert!(!raw.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap());
    let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let old = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\\_0012' ESCAPE '\\'";
    assert_eq!(raw.query_row(old, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
}
