//! A database of schema 11, with a little of everything, goes on as before.
//!
//! `golden/schema-11.db` and its ledger were written by the last program of that schema, and
//! `golden/schema-11.jsonl` is the whole trail as that program told it. None is ever changed. The
//! secret with the digest number `n` has the text `kw_golden_of_schema_11_number_` and `n` in two
//! digits.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use keyward::audit::{AuditEntry, Chain};
use keyward::gate::Gate;
use keyward::store::KeyStore;
use keyward::time::SteadyNanos;
use keyward::verify::Verdict;
use keyward::{Asked, Now, UnixMillis};
use keyward_store::SqliteStore;
use serde_json::json;
use tempfile::TempDir;

use crate::sample::trail;

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

/// What is decided about the secret of a number.
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
