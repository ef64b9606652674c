//! The file over thousands of commits, and when it cannot be written.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use keyward::UnixMillis;
use keyward::audit::{ChainDigest, ChangeId};
use keyward::digest::Digest;
use keyward_ledger::{Content, LedgerId, REWRITE_MIN};
use tempfile::TempDir;

use super::*;
use crate::schema;

const ID: LedgerId = LedgerId([7; 16]);

/// A keeper of an empty database.
fn opened() -> (TempDir, Connection, Keeper) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db.ledger");
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, UnixMillis(1)).unwrap();
    notes::watch(&connection).unwrap();
    let ledger = Ledger::create(&path, ID).unwrap();
    let keeper = Keeper::open(&connection, ledger, Standing::default()).unwrap();
    (directory, connection, keeper)
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("a.db.ledger")
}

fn head(change: u64) -> Head {
    Head { change: ChangeId(change), digest: ChainDigest([9; 32]), key_id: change }
}

fn suspended(key_id: u64, suspended: bool) -> Record {
    Record::Key { digest: Digest::from_stored([1; 32]), key_id, suspended }
}

fn revoked(key_id: u64) -> Record {
    let mut digest = [2; 32];
    digest[..8].copy_from_slice(&key_id.to_be_bytes());
    Record::Revoked { digest: Digest::from_stored(digest), key_id }
}

fn taken(change: u64, records: Vec<Record>) -> Taken {
    Taken { records, head: head(change), is_linked: true }
}

#[test]
fn half_of_it_may_be_superseded_and_no_more() {
    let (directory, connection, mut keeper) = opened();
    let mut longest = 0;
    for change in 1..=20_000 {
        let records = match change % 10 {
            0 => vec![revoked(change)],
            odd if odd % 2 == 1 => vec![suspended(change % 7, change % 4 == 1)],
            _ => Vec::new(),
        };
        keeper.keep(&connection, taken(change, records), || false);
        longest = longest.max(fs::metadata(path(&directory)).unwrap().len());
    }
    let bytes = fs::read(path(&directory)).unwrap();
    let (walked, content) = Content::read(&bytes).unwrap();
    assert_eq!((walked.id, content.head), (ID, Some(head(20_000))));
    assert_eq!((content.secrets.len(), content.keys.len()), (2_000, 7));
    let needed = content.write(ID).len() as u64;
    assert!(longest < 3 * REWRITE_MIN.max(needed), "{longest} bytes, and {needed} are needed");
    assert_eq!(keeper.standing.newest(), Some((ChangeId(20_000), ChainDigest([9; 32]))));
    assert_eq!(directory.path().read_dir().unwrap().count(), 1, "a temporary file is left");
}

#[test]
fn what_cannot_be_noted_is_asked_from_the_database_at_the_next_turn() {
    let (directory, connection, mut keeper) = opened();
    keeper.keep(&connection, taken(1, vec![revoked(1)]), || false);
    let aside = directory.path().join("aside");
    fs::rename(path(&directory), &aside).unwrap();
    fs::create_dir(path(&directory)).unwrap();
    let owner = "INSERT INTO owners VALUES ('acme', 1, 1, '[]', 0, 0)";
    connection.execute(owner, []).unwrap();
    connection
        .execute(
            "INSERT INTO audit (id, at_ms, actor, verb, owner, previous, digest) \
             VALUES (2, 1, 'program', 'suspend-owner', 'acme', zeroblob(32), zeroblob(32))",
            [],
        )
        .unwrap();
    let asked = Cell::new(0);
    let make_room = || {
        asked.set(asked.get() + 1);
        false
    };
    keeper.keep(&connection, taken(2, Vec::new()), make_room);
    assert!(keeper.standing.trouble().unwrap().contains("a.db.ledger cannot be written"));
    assert_eq!(asked.get(), 0, "it is not the disk that is full");
    assert_eq!(keeper.standing.newest().unwrap().0, ChangeId(1));
    fs::remove_dir(path(&directory)).unwrap();
    fs::rename(&aside, path(&directory)).unwrap();
    keeper.keep(&connection, taken(2, Vec::new()), || false);
    assert_eq!(keeper.standing.trouble(), None);
    let (_, content) = Content::read(&fs::read(path(&directory)).unwrap()).unwrap();
    assert_eq!((content.owners["acme"], content.secrets.len()), (true, 1));
    assert_eq!(content.head, Some(head(2)));
}

#[test]
fn a_file_that_was_emptied_is_written_anew() {
    let (directory, connection, mut keeper) = opened();
    keeper.keep(&connection, taken(1, vec![revoked(1)]), || false);
    fs::write(path(&directory), "").unwrap();
    keeper.keep(&connection, taken(2, vec![revoked(2)]), || false);
    assert_eq!(keeper.standing.trouble(), None);
    let (walked, content) = Content::read(&fs::read(path(&directory)).unwrap()).unwrap();
    assert_eq!((walked.id, content.head), (ID, Some(head(2))));
}

#[test]
fn a_trail_that_lacks_what_was_noted_is_not_followed() {
    let (_directory, connection, mut keeper) = opened();
    keeper.keep(&connection, taken(5, Vec::new()), || false);
    let lacking = keeper.take(&connection).unwrap();
    assert!(!lacking.is_linked);
    keeper.keep(&connection, lacking, || false);
    assert_eq!(keeper.standing.newest().unwrap().0, ChangeId(5));
    assert!(keeper.standing.trouble().unwrap().starts_with("change 5 was removed"));
}
