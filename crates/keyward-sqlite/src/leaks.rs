//! Secrets that were reported as leaked and whose keys are not revoked yet.

use std::net::IpAddr;

use keyward::UnixMillis;
use keyward::digest::Digest;
use keyward::store::LeakReport;
use rusqlite::{Connection, Row};

use crate::sql_error::SqlError;

/// Keeps reports; an earlier report of the same secret stays as it was. Writes something for none
/// as well.
pub(crate) fn keep(connection: &Connection, reports: &[LeakReport]) -> Result<(), SqlError> {
    // Both are served by the primary key.
    const KEEP: &str = "INSERT INTO leaks (digest, reason, address, request_id, at_ms) \
                        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    const COUNT: &str = "UPDATE leaks_kept SET commits = commits + 1 WHERE id = 1";
    let mut keep = connection.prepare_cached(KEEP)?;
    for report in reports {
        let LeakReport { digest, reason, address, request_id, at } = report;
        let reason = reason.as_ref().map(|reason| reason.as_str());
        let address = address.map(|address| address.to_string());
        keep.execute((digest.as_bytes(), reason, address, request_id, at.0))?;
    }
    connection.prepare_cached(COUNT)?.execute([])?;
    Ok(())
}

/// Up to `max` reports, those with the lowest digests.
pub(crate) fn kept(connection: &Connection, max: u32) -> Result<Vec<LeakReport>, SqlError> {
    // Served by the primary key.
    const KEPT: &str =
        "SELECT digest, reason, address, request_id, at_ms FROM leaks ORDER BY digest LIMIT ?1";
    connection.prepare_cached(KEPT)?.query_and_then([max], report)?.collect()
}

fn report(row: &Row<'_>) -> Result<LeakReport, SqlError> {
    let reason: Option<String> = row.get(1)?;
    let reason = reason.map(|text| text.parse()).transpose();
    let address: Option<String> = row.get(2)?;
    let address = address.map(|text| text.parse::<IpAddr>()).transpose();
    Ok(LeakReport {
        digest: Digest::from_stored(row.get(0)?),
        reason: reason.map_err(|error| SqlError::in_column("leaks.reason", error))?,
        address: address.map_err(|error| SqlError::in_column("leaks.address", error))?,
        request_id: row.get(3)?,
        at: UnixMillis(row.get(4)?),
    })
}

/// Forgets the reports of these secrets.
pub(crate) fn forget(connection: &Connection, digests: &[Digest]) -> Result<(), SqlError> {
    // Served by the primary key.
    const FORGET: &str = "DELETE FROM leaks WHERE digest = ?1";
    let mut forget = connection.prepare_cached(FORGET)?;
    for digest in digests {
        forget.execute([digest.as_bytes()])?;
    }
    Ok(())
}
