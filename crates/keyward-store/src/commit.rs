//! Changes: what each has to know is looked up, the core decides, and what it says is written.
//!
//! This module knows rows. What a suspension or a rotation is, the core knows.

mod keys;

mod look;

mod write;

use keyward::audit::Audit;
use keyward::rules::{self, Change, Committed, Decision, Facts};
use rusqlite::Connection;

use crate::fault::Fault;

pub(crate) use look::progress;

/// Makes a change, unless something speaks against it. It belongs into a savepoint: if it fails,
/// what it wrote is to be undone.
pub(crate) fn commit(
    connection: &Connection,
    change: Change,
    audit: &Audit,
) -> Result<Committed, Fault> {
    let mut facts = Facts::new(progress(connection)?);
    commit_with(connection, change, audit, &mut facts)
}

/// As [`commit`], with what is known already. The facts are those behind the change if it is
/// written, and worth nothing if this fails.
pub(crate) fn commit_with(
    connection: &Connection,
    change: Change,
    audit: &Audit,
    facts: &mut Facts,
) -> Result<Committed, Fault> {
    loop {
        let wanted = rules::needs(&change, audit, facts);
        if wanted.is_empty() {
            break;
        }
        for lookup in wanted {
            look::look(connection, lookup, facts)?;
        }
    }
    let Decision { writes, outcome } = rules::decide(change, audit, facts)?;
    write::write(connection, &writes)?;
    facts.apply(&writes);
    Ok(Committed { newest: writes.progress.change, outcome })
}
