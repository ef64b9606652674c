//! Changes: the facts of each are looked up, the core decides, and its writes are stored.
//!
//! This module knows rows. Suspensions and rotations are the core's.

mod keys;

mod look;

mod write;

mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward::audit::Audit;
use keyward::rules::{self, Change, Committed, Decision, Facts};
use rusqlite::Connection;

use crate::sql_error::SqlError;

pub(crate) use look::progress;
pub(crate) use write::count_on;
use written::Written;

/// Makes a change, unless the core rejects it. It belongs in a savepoint: if it fails, its writes
/// are to be undone.
pub(crate) fn commit(
    connection: &Connection,
    change: Change,
    audit: &Audit,
) -> Result<Committed, SqlError> {
    Known::default().commit(connection, change, audit)
}

/// The knowledge that the changes of one transaction leave for the next: tiers, owners, the
/// progress of the database, and rows that need not be written again. Only the thread that writes
/// uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<Option<Batch>>>);

/// The facts known in a transaction.
#[derive(Debug)]
struct Batch {
    facts: Facts,
    written: Written,
}

impl Known {
    /// As [`commit`].
    pub(crate) fn commit(
        &self,
        connection: &Connection,
        change: Change,
        audit: &Audit,
    ) -> Result<Committed, SqlError> {
        // Taken, and put back if all goes well: a failed change is undone.
        let mut batch = match self.batch().take() {
            Some(batch) => batch,
            None => Batch { facts: Facts::new(progress(connection)?), written: Written::default() },
        };
        let committed = batch.commit(connection, change, audit)?;
        batch.written.shrink();
        *self.batch() = Some(batch);
        Ok(committed)
    }

    /// Forgets it, since a transaction begins: the one before may have been rolled back, and
    /// others may have written.
    pub(crate) fn forget(&self) {
        *self.batch() = None;
    }

    /// A panic while this is held leaves it whole, so a poisoned lock is taken.
    fn batch(&self) -> MutexGuard<'_, Option<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn commit(
        &mut self,
        connection: &Connection,
        change: Change,
        audit: &Audit,
    ) -> Result<Committed, SqlError> {
        let Self { facts, written } = self;
        loop {
            let wanted = rules::needs(&change, audit, facts);
            if wanted.is_empty() {
                break;
            }
            for lookup in wanted {
                look::look(connection, lookup, facts)?;
            }
        }
        let before = facts.progress();
        let Decision { writes, outcome } = rules::decide(change, audit, facts)?;
        write::write(connection, &writes, before, written)?;
        // The next change asks for other keys, and owners that an import brought would be many.
        facts.forget_keys();
        facts.apply(&writes);
        Ok(Committed { newest: writes.progress.mark(), outcome })
    }
}
