//! Whether the database can be read, which process has it open, its schema, and the free space.

use std::path::Path;

use jiff::Timestamp;
use keyward_sqlite::{Inspection, free_bytes, inspect};

#[cfg(feature = "postgres")]
use super::postgres;
use super::{Check, clock};
use crate::settings::{Database, Settings};

/// Below this much free space a server may soon have to reject changes.
const FREE_WARN: u64 = 1_024 * MEBIBYTE;
/// Below this much not even the write-ahead log has room.
const FREE_FAIL: u64 = 64 * MEBIBYTE;
const MEBIBYTE: u64 = 1_024 * 1_024;

/// Checks the database, and returns whether a server of this machine is using it, as far as that
/// can be known.
pub(super) fn check(settings: &Settings, now: impl Fn() -> Timestamp) -> (Vec<Check>, bool) {
    match &settings.database {
        Database::File(path) => file(path, now()),
        #[cfg(feature = "postgres")]
        Database::Server(options) => (postgres::check(options, &settings.cluster, now), false),
    }
}

/// The same for a file.
fn file(path: &Path, now: Timestamp) -> (Vec<Check>, bool) {
    let shown = path.display();
    let mut checks = Vec::new();
    let mut is_served = false;
    match inspect(path) {
        Ok(None) => checks.push(Check::ok(
            "database",
            format!("there is no {shown} yet; `keyward serve` makes it"),
        )),
        Ok(Some(found)) => {
            is_served = found.holder.is_some();
            checks.extend(describe(&found));
            checks.push(clock::compare(now, found.latest_reading));
        }
        Err(error) => {
            let text = error.to_string();
            // The error's remedy comes after its semicolon.
            let (found, advice) = text.split_once("; ").unwrap_or((&text, "look at its cause"));
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let found = format!("{found}{}", cause.unwrap_or_default());
            checks.push(Check::fail("database", found, advice));
        }
    }
    checks.extend(free_bytes(path).map(room));
    (checks, is_served)
}

fn describe(found: &Inspection) -> Vec<Check> {
    let shown = found.path.display();
    let readable = match &found.holder {
        Some(holder) => format!("{shown} can be read; {holder} has it open"),
        None => format!("{shown} can be read; no process has it open"),
    };
    vec![Check::ok("database", readable), schema(found.schema, found.schema_known)]
}

fn schema(found: u32, known: u32) -> Check {
    match found {
        _ if found == known => Check::ok("schema", format!("{found}, which is the latest")),
        _ if known < found => Check::fail(
            "schema",
            format!("{found}, and this program knows none above {known}"),
            "use the newer version that wrote it",
        ),
        _ => Check::warn(
            "schema",
            format!("{found}, and this program knows {known}"),
            "make a backup; the next `keyward serve` of this version brings it up to date",
        ),
    }
}

fn room(free: u64) -> Check {
    let found = match free / MEBIBYTE {
        mebibytes @ 0..10_240 => format!("{mebibytes} MiB are free"),
        mebibytes => format!("{} GiB are free", mebibytes / 1_024),
    };
    let advice = "make room on the disk that holds the database";
    match free {
        0..FREE_FAIL => Check::fail("disk", found, advice),
        FREE_FAIL..FREE_WARN => Check::warn("disk", found, advice),
        FREE_WARN.. => Check::ok("disk", found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::super::testing::line;
    use super::*;

    #[test]
    fn little_room_is_noticed() {
        let shown = |mebibytes| line(&room(mebibytes * MEBIBYTE));
        insta::assert_snapshot!([0, 63, 64, 1_023, 1_024, 10_240].map(shown).join("\n"));
    }

    #[test]
    fn old_and_new_schemas_are_noticed() {
        let shown = |found| line(&schema(found, 2));
        insta::assert_snapshot!([1, 2, 3].map(shown).join("\n"));
    }

    #[test]
    fn a_file_that_is_no_database_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let (checks, is_served) = file(&path, Timestamp::UNIX_EPOCH);
        assert!(checks.iter().all(|check| check.grade == Grade::Ok) && !is_served, "{checks:?}");
        std::fs::write(&path, "x".repeat(5_000)).unwrap();
        let (checks, _) = file(&path, Timestamp::UNIX_EPOCH);
        assert_eq!(checks[0].grade, Grade::Fail);
        assert_eq!(checks[0].advice.as_deref(), Some("check the path, or restore a backup"));
    }
}
