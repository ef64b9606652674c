//! The tables of this crate, and the steps that lead to them.
//!
//! Steps are added and never edited. They are counted apart from those of the key store, which
//! may live in the same file.

use keyward_axum::keyward::UnixMillis;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::ArticlesError;

/// The SQL of each step; its number is its index, counted from 1.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_articles.sql"),
    include_str!("../migrations/0002_feeds.sql"),
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS news_migrations (\
                      number INTEGER PRIMARY KEY, applied_at_ms INTEGER NOT NULL) STRICT";

const LATEST: &str = "SELECT coalesce(max(number), 0) FROM news_migrations";

const NOTE: &str = "INSERT INTO news_migrations (number, applied_at_ms) VALUES (?1, ?2)";

/// Takes the steps that were not taken yet, all or none.
///
/// # Errors
///
/// Returns [`ArticlesError`] if the file is of a later version or SQLite fails; then it is as it
/// was.
pub(crate) fn migrate(connection: &mut Connection, now: UnixMillis) -> Result<(), ArticlesError> {
    // Immediate: of two programs that start at once, the second waits and finds nothing to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(CREATE, ())?;
    let latest: i64 = transaction.query_row(LATEST, (), |row| row.get(0))?;
    let applied_at_ms = i64::try_from(now.0).unwrap_or(i64::MAX);
    let mut known = 0;
    for (number, step) in (1_i64..).zip(STEPS) {
        known = number;
        if latest < number {
            transaction.execute_batch(step)?;
            transaction.execute(NOTE, (number, applied_at_ms))?;
        }
    }
    if known < latest {
        return Err(ArticlesError::Newer { found: latest });
    }
    transaction.commit()?;
    Ok(())
}
