//! Writing what a change does.

use keyward::rules::Writes;
use rusqlite::Connection;

use super::keys::Keys;
use crate::fault::Fault;
use crate::{audit, clock, once, owners, tiers};

/// Writes all of it, and what lists and time spans need to find it.
pub(super) fn write(connection: &Connection, writes: &Writes) -> Result<(), Fault> {
    let Some(entry) = writes.entries.first() else { return Ok(()) };
    for tier in &writes.tiers {
        tiers::put(connection, tier)?;
    }
    for owner in &writes.owners {
        owners::put(connection, owner)?;
    }
    if !writes.keys.is_empty() {
        let mut keys = Keys::open(connection)?;
        for write in &writes.keys {
            keys.write(write)?;
        }
        keys.finish(entry.at.hour(), writes.progress.key)?;
    }
    if let Some(write) = &writes.once {
        once::keep(connection, write)?;
    }
    if let Some(reading) = writes.reading {
        clock::set(connection, reading)?;
    }
    audit::append_all(connection, &writes.entries)
}
