//! Rows of tiers, owners and keys, as far as this program can read them: a row that a later program
//! wrote stops nothing but the verdicts about its own keys.

use std::collections::HashSet;

use keyward::store::Unreadable;
use keyward::stored::{Key, OwnerRow, TierRow};
use tokio_postgres::Row;

use crate::columns::{get, parse};
use crate::pg_error::PgError;
use crate::{owners, record, tiers};

/// Reads rows of one instant, tiers and owners before the keys that have them.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    unreadable: Vec<Unreadable>,
    /// Owners whose rows cannot be read: it is unknown whether they are suspended.
    odd_owners: HashSet<String>,
}

impl Reading {
    /// Reads tiers.
    pub(crate) fn tiers(&mut self, rows: &[Row]) -> Result<Vec<TierRow>, PgError> {
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            match tiers::row(row) {
                Ok(tier) => read.push(tier),
                Err(error) => match tiers::gone_row(row) {
                    Ok(Some(gone)) => read.push(gone),
                    Ok(None) => {
                        self.unreadable.push(Unreadable::Tier(parse("tiers.name", get(row, 4)?)?));
                        tell("a tier", &error);
                    }
                    // Its keys cannot be read either, and name it.
                    Err(_) => tell("a tier", &error),
                },
            }
        }
        Ok(read)
    }

    /// Reads owners.
    pub(crate) fn owners(&mut self, rows: &[Row]) -> Result<Vec<OwnerRow>, PgError> {
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            match owners::row(row, 0) {
                Ok(owner) => read.push(owner),
                Err(error) => {
                    self.odd_owners.insert(get(row, 0)?);
                    tell("an owner", &error);
                }
            }
        }
        Ok(read)
    }

    /// Reads keys.
    pub(crate) fn keys(&mut self, rows: &[Row]) -> Result<Vec<Key>, PgError> {
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            match record::key(row) {
                Ok(key) if !self.is_of_odd_owner(&key) => read.push(key),
                Ok(_) => self.unreadable.push(record::unreadable(row)?),
                Err(error) => {
                    self.unreadable.push(record::unreadable(row)?);
                    tell("a key", &error);
                }
            }
        }
        Ok(read)
    }

    fn is_of_odd_owner(&self, key: &Key) -> bool {
        key.owner.as_ref().is_some_and(|owner| self.odd_owners.contains(owner.as_str()))
    }

    /// The owners so far that cannot be read.
    pub(crate) fn odd_owners(&self) -> Vec<String> {
        self.odd_owners.iter().cloned().collect()
    }

    /// Takes the tiers and keys so far that cannot be read.
    pub(crate) fn take(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }
}

fn tell(what: &str, reason: &PgError) {
    tracing::warn!(%reason, "Cannot read {what}: nothing is decided about its keys");
}
