//! Looking at a database without changing a byte of it or of its write-ahead log, and comparing it
//! with its ledger.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use keyward::audit::{ChainDigest, ChangeId, Verb};
use keyward_ledger::{Head, LedgerId, Loss, Walked};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use crate::open_error::OpenError;
use crate::probe;
use crate::schema;

/// What there is of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which ledger belongs to it; that of an earlier version has none.
    pub(crate) mark: Option<LedgerId>,
    /// Its newest change; 0 is none.
    pub(crate) newest: ChangeId,
    /// The digest of the change that was asked about.
    pub(crate) asked: Option<ChainDigest>,
    /// The change, and its digest, that a ledger knew when its absence was accepted the last time.
    pub(crate) accepted: Option<(ChangeId, ChainDigest)>,
}

/// Looks at the database at `path`, and for a change in it. `None` if it is not there, is empty, or
/// holds nothing of ours.
///
/// The lock is held, or nothing is known to hold it.
///
/// # Errors
///
/// Returns [`OpenError`] if it cannot be read, is no database, or has a newer schema.
pub(crate) fn look(path: &Path, change: Option<ChangeId>) -> Result<Option<Found>, OpenError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::from_io(path, error)),
        Ok(file) if file.is_dir() => {
            return Err(OpenError::NotADatabase { path: path.to_owned() });
        }
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    probe::check_known(path).map(drop)?;
    let failed = |error| OpenError::from_sqlite(path, error);
    let connection = probe::open_alone(path).map_err(failed)?;
    let schema = schema::found(&connection).map_err(failed)?;
    if schema == 0 {
        return Ok(None);
    }
    read(&connection, schema, change).map(Some).map_err(failed)
}

/// The first schema whose trail is chained.
const CHAINED: u32 = 2;

fn read(connection: &Connection, schema: u32, change: Option<ChangeId>) -> rusqlite::Result<Found> {
    const NEWEST: &str = "SELECT ifnull(max(id), 0) FROM audit";
    const ASKED: &str = "SELECT digest FROM audit WHERE id = ?1";
    // Served by `audit_verb`.
    const ACCEPTED: &str = "SELECT details FROM audit WHERE verb = ?1 AND verb <> 'issue' \
                            ORDER BY id DESC LIMIT 1";
    let newest = connection.query_row(NEWEST, [], |row| row.get(0)).map(ChangeId)?;
    let mut found =
        Found { mark: schema::ledger(connection)?, newest, asked: None, accepted: None };
    if schema < CHAINED {
        return Ok(found);
    }
    if let Some(ChangeId(id)) = change {
        let asked = connection.query_row(ASKED, [id], |row| row.get(0)).optional()?;
        found.asked = asked.map(ChainDigest);
    }
    let verb = Verb::AcceptRestore.as_str();
    let accepted = connection.query_row(ACCEPTED, [verb], |row| row.get(0)).optional()?;
    found.accepted = accepted.and_then(|details: Option<String>| known_in(&details?));
    Ok(found)
}

/// What the entry of an accepted loss says that the ledger knew.
fn known_in(details: &str) -> Option<(ChangeId, ChainDigest)> {
    let details: Value = serde_json::from_str(details).ok()?;
    let before = details.get("before")?;
    let digest = ChainDigest::from_hex(before.get("digest")?.as_str()?)?;
    Some((ChangeId(before.get("change")?.as_u64()?), digest))
}

/// The difference between a ledger and a database, if there is one. `found` is of the change of the
/// ledger's head.
pub(crate) fn compare(ledger: Option<&Walked>, found: Option<&Found>) -> Option<Loss> {
    let (ledger, found) = match (ledger, found) {
        // Nothing was there, or a database of an earlier version.
        (None, None | Some(Found { mark: None, .. })) => return None,
        (None, Some(found)) => return Some(Loss::Ledger { newest: found.newest }),
        // A ledger without a change knows of nothing that could be missing.
        (Some(ledger), None) if ledger.head == Head::START => return None,
        (Some(ledger), None) => return Some(Loss::Database { known: ledger.head.change }),
        (Some(ledger), Some(found)) => (ledger, found),
    };
    let newest = found.newest;
    if found.mark.is_some_and(|mark| mark != ledger.id) {
        return Some(Loss::OtherLedger { newest });
    }
    let Head { change, digest, key_id: _ } = ledger.head;
    let is_there = ledger.head == Head::START
        || found.asked == Some(digest)
        || found.accepted == Some((change, digest));
    (!is_there).then_some(Loss::Changes { known: change, newest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_recognised() {
        let (id, digest) = (LedgerId([1; 16]), ChainDigest([2; 32]));
        let head = Head { change: ChangeId(9), digest, key_id: 3 };
        let ledger = Walked { id, head, len: 0, needed: 0 };
        let virgin = Walked { head: Head::START, ..ledger };
        let newest = ChangeId(7);
        let found = Found { mark: Some(id), newest, asked: Some(digest), accepted: None };
        let unmarked = Found { mark: None, ..found };
        let other = Found { mark: Some(LedgerId([3; 16])), ..found };
        let behind = Found { asked: None, ..found };
        let altered = Found { asked: Some(ChainDigest([4; 32])), ..found };
        let accepted = Found { accepted: Some((ChangeId(9), digest)), ..behind };
        let known = ChangeId(9);
        let changes = Some(Loss::Changes { known, newest });

        assert_eq!(compare(None, None), None);
        assert_eq!(compare(None, Some(&unmarked)), None);
        assert_eq!(compare(None, Some(&found)), Some(Loss::Ledger { newest }));
        assert_eq!(compare(Some(&virgin), None), None);
        assert_eq!(compare(Some(&ledger), None), Some(Loss::Database { known }));
        assert_eq!(compare(Some(&ledger), Some(&found)), None);
        assert_eq!(compare(Some(&ledger), Some(&unmarked)), None);
        assert_eq!(compare(Some(&ledger), Some(&other)), Some(Loss::OtherLedger { newest }));
        assert_eq!(compare(Some(&ledger), Some(&behind)), changes);
        assert_eq!(compare(Some(&ledger), Some(&altered)), changes);
        assert_eq!(compare(Some(&ledger), Some(&accepted)), None);
        assert_eq!(compare(Some(&virgin), Some(&behind)), None);
    }
}
