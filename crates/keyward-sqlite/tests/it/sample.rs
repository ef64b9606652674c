//! Stores to test, and values for tests that do not care which.

use std::path::Path;

use keyward::UnixMillis;
pub(crate) use keyward::conformance::Store;
pub(crate) use keyward::conformance::sample::{
    audit, batch, change, copy, details, digest, edit, id, insert, issue, keys, limit, new_key,
    owner, query, revoke, rotation, secret, tier, tiers, trail, usage, used, uses, verbs,
};
use keyward_sqlite::{Loss, OpenError, OpenOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, "a test", UnixMillis(1)).unwrap()
}

/// Opens a copy that has no ledger next to it, which its operator accepts.
pub(crate) fn open_alone(path: &Path) -> SqliteStore {
    let error = SqliteStore::open(path, "a test", UnixMillis(1)).unwrap_err();
    let OpenError::Lost { loss: loss @ Loss::Ledger { .. }, .. } = error else {
        panic!("{error}");
    };
    let after_restore = Some(loss.change());
    let options = OpenOptions { holder: "a test", now: UnixMillis(1), after_restore, ledger: true };
    SqliteStore::open_with(path, &options).unwrap().0
}

/// A store, and a connection to its file that it does not expect.
pub(crate) fn opened() -> (TempDir, SqliteStore, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = open(&path);
    let raw = Connection::open(&path).unwrap();
    (directory, store, raw)
}
