//! Telling the index of a key as the store has it.

use std::sync::Arc;

use triomphe::Arc as Shared;

use crate::index::{ENDED, Entry, Loading};
use crate::limit::Revision;
use crate::owner::OwnerState;
use crate::store::StoreError;
use crate::stored::{FormerSecret, Key, OwnerRow};
use crate::tier::Tier;
use crate::time::{ReadClock, UnixMillis};

use super::{Gate, no_clock};

impl Gate {
    /// Takes in an owner while the gate opens. It stays as long as the returned value.
    pub(super) fn load_owner(&self, row: &OwnerRow, revision: Revision) -> Shared<OwnerState> {
        if !row.limits.list().is_empty() {
            // Nothing is taken yet: all begin full.
            self.index.set_owner_terms(&row.owner, (&row.limits, revision), &no_clock);
        }
        self.index.owner(&row.owner, row.is_suspended())
    }

    /// Takes in a key while the gate opens.
    pub(super) fn load_key(
        &self,
        loading: &mut Loading<'_>,
        key: &Key,
        revision: Revision,
    ) -> Result<(), StoreError> {
        let owner = match &key.owner {
            Some(name) => Some(self.index.find_owner(name).ok_or_else(|| {
                let (id, name) = (key.id, name.as_str());
                StoreError::Inconsistent(format!("key {id} is of `{name}`, which has no row"))
            })?),
            None => None,
        };
        let tier = self.tier_of(key)?;
        loading.add(Entry::of_revision(key, tier, owner, revision));
        // The time is unknown here, but it was as late as that when the key got its present secret:
        // a grace that had ended by then stays ended, even if the clock was set back.
        self.note_former(key, key.secret.created_at);
        Ok(())
    }

    /// Adds a key to the index as the store has it, unless it is there: then with every secret that
    /// it had, since the change that put it there is newer.
    pub(super) fn add(
        &self,
        key: &Key,
        owner: Option<&OwnerRow>,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        if self.index.insert(self.entry(key, owner, Revision::default())?) {
            self.note_former(key, at);
        }
        Ok(())
    }

    /// Brings the index to the store's row of a key since the change at `at`, regardless of its
    /// present entry: the results of earlier changes may have been lost, and the issuing may still
    /// be under way.
    pub(super) fn apply(
        &self,
        key: &Key,
        (owner, revision): (Option<&OwnerRow>, Revision),
        at: UnixMillis,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        if key.is_revoked() {
            // Stopped first, even if a later step fails.
            self.index.stop(&key.secret.digest);
            key.former.iter().for_each(|former| self.index.stop(&former.secret.digest));
        }
        let entry = self.entry(key, owner, revision)?;
        // The present secret by the index, if a rotation has replaced it.
        let held = key.former.iter().rev().find(|it| self.index.holds(&it.secret.digest));
        match held {
            Some(held) => self.index.rotate(entry, held.secret.digest, end_of(held, at), clock),
            None => self.index.replace(entry, clock),
        }
        self.note_former(key, at);
        Ok(())
    }

    /// Enters the secrets that a key had before `at` into the index.
    fn note_former(&self, key: &Key, at: UnixMillis) {
        for former in &key.former {
            let (digest, ends_at) = (former.secret.digest, end_of(former, at));
            let passed = self.index.put_former(digest, key.secret.digest, ends_at);
            passed.into_iter().for_each(|entry| self.usage.keep(entry));
        }
    }

    fn entry(
        &self,
        key: &Key,
        owner: Option<&OwnerRow>,
        revision: Revision,
    ) -> Result<Entry, StoreError> {
        let tier = self.tier_of(key)?;
        let shared = self.owner_of(key, owner);
        Ok(Entry::of_revision(key, tier, shared, revision))
    }

    fn tier_of(&self, key: &Key) -> Result<Arc<Tier>, StoreError> {
        if key.tier_gone {
            return Ok(self.gone_tier(&key.tier));
        }
        self.tier(&key.tier).ok_or_else(|| {
            let (id, name) = (key.id, key.tier.as_str());
            StoreError::Inconsistent(format!("key {id} has the tier `{name}`, which is not there"))
        })
    }

    /// The owner that a key shares with others, in the state that came with the key. That is the
    /// store's: owners change only when no change of a key is under way.
    fn owner_of(&self, key: &Key, owner: Option<&OwnerRow>) -> Option<Shared<OwnerState>> {
        let name = key.owner.as_ref()?;
        Some(self.index.owner(name, owner.is_some_and(OwnerRow::is_suspended)))
    }
}

/// The end of a former secret, as is known at `at`. A secret that has ended by then stays ended:
/// else, after the wall clock is set back, a leaked secret would work again.
fn end_of(former: &FormerSecret, at: UnixMillis) -> UnixMillis {
    if former.ends_at <= at { ENDED } else { former.ends_at }
}
