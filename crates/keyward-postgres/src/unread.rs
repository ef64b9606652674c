//! Rows of tiers, owners and keys, as far as this program can read them: a row that a later program
//! wrote stops nothing but the verdicts about its own keys.

use std::collections::{HashMap, HashSet};

use keyward::limit::Revision;
use keyward::store::{Page, Revisions, Unreadable};
use keyward::stored::{Key, OwnerRow, TierId, TierRow};
use tokio_postgres::Row;

use crate::columns::{get, get_number, parse};
use crate::pg_error::PgError;
use crate::tiers::ShownTier;
use crate::{owners, record, tiers};

/// Reads rows of one instant, tiers and owners before the keys that have them.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    unreadable: Vec<Unreadable>,
    /// Owners whose rows cannot be read: it is unknown whether they are suspended.
    odd_owners: HashSet<String>,
    /// The tiers so far, as their keys show them.
    shown: HashMap<TierId, ShownTier>,
    /// When the limits of rows were changed, if they ever were.
    revisions: Revisions,
}

impl Reading {
    /// Reads tiers, whose columns begin at `first`.
    pub(crate) fn tiers<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row>,
        first: usize,
    ) -> Result<Vec<TierRow>, PgError> {
        rows.filter_map(|row| self.tier(row, first).transpose()).collect()
    }

    /// Reads owners, whose columns begin at `first`.
    pub(crate) fn owners<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row>,
        first: usize,
    ) -> Result<Vec<OwnerRow>, PgError> {
        rows.filter_map(|row| self.owner(row, first).transpose()).collect()
    }

    /// Reads keys.
    pub(crate) fn keys<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row>,
    ) -> Result<Vec<Key>, PgError> {
        rows.filter_map(|row| self.key(row, record::key(row)).transpose()).collect()
    }

    /// Reads a row of all that there are, and adds it to the page of its kind. Tiers come before
    /// the keys that show them.
    pub(crate) fn add(&mut self, row: &Row, page: &mut Page) -> Result<(), PgError> {
        match page {
            Page::Tiers(all) => {
                // One that cannot be read has a name all the same.
                self.shown.extend(tiers::shown(row, 0).ok());
                all.extend(self.tier(row, 0)?);
            }
            Page::Owners(all) => all.extend(self.owner(row, 0)?),
            Page::Keys(all) => {
                let key = record::key_of(row, |tier| self.shown.get(&tier).cloned());
                all.extend(self.key(row, key)?);
            }
        }
        Ok(())
    }

    fn tier(&mut self, row: &Row, first: usize) -> Result<Option<TierRow>, PgError> {
        let error = match tiers::row(row, first) {
            Ok(tier) => {
                let revision = revision(row, first + tiers::REVISION)?;
                self.revisions.tiers.extend(revision.map(|revision| (tier.id, revision)));
                return Ok(Some(tier));
            }
            Err(error) => error,
        };
        match tiers::gone_row(row, first) {
            Ok(Some(gone)) => return Ok(Some(gone)),
            Ok(None) => {
                let name = parse("tiers.name", get(row, first + 4)?)?;
                self.unreadable.push(Unreadable::Tier(name));
            }
            // Its keys cannot be read either, and name it.
            Err(_) => {}
        }
        tell("a tier", &error);
        Ok(None)
    }

    fn owner(&mut self, row: &Row, first: usize) -> Result<Option<OwnerRow>, PgError> {
        match owners::row(row, first) {
            Ok(owner) => {
                let revision = revision(row, first + owners::REVISION)?;
                let named = revision.map(|revision| (owner.owner.clone(), revision));
                self.revisions.owners.extend(named);
                Ok(Some(owner))
            }
            Err(error) => {
                self.odd_owners.insert(get(row, first)?);
                tell("an owner", &error);
                Ok(None)
            }
        }
    }

    fn key(&mut self, row: &Row, read: Result<Key, PgError>) -> Result<Option<Key>, PgError> {
        match read {
            Ok(key) if !self.is_of_odd_owner(&key) => {
                let revision = revision(row, record::REVISION)?;
                self.revisions.keys.extend(revision.map(|revision| (key.id, revision)));
                return Ok(Some(key));
            }
            Ok(_) => {}
            Err(error) => tell("a key", &error),
        }
        self.unreadable.push(record::unreadable(row)?);
        Ok(None)
    }

    fn is_of_odd_owner(&self, key: &Key) -> bool {
        key.owner.as_ref().is_some_and(|owner| self.odd_owners.contains(owner.as_str()))
    }

    /// Takes when the limits of the rows so far were changed.
    pub(crate) fn take_revisions(&mut self) -> Revisions {
        std::mem::take(&mut self.revisions)
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

/// The entry that changed the limits of a row, unless they are as they were at first.
fn revision(row: &Row, at: usize) -> Result<Option<Revision>, PgError> {
    Ok(Some(Revision(get_number(row, at)?)).filter(|revision| *revision != Revision::default()))
}

fn tell(what: &str, reason: &PgError) {
    tracing::warn!(%reason, "Cannot read {what}: nothing is decided about its keys");
}
