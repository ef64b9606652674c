//! Changes of keys: the store first, then the index, then the answer.

use std::time::Duration;

use thiserror::Error;

use crate::audit::Audit;
use crate::change::{ChangeRefusal, Changed, KeyChange};
use crate::details::{FormerSecret, Reason, StoredKey, Version, Versions};
use crate::digest::Digest;
use crate::index::{ENDED, Entry};
use crate::issue::{Issued, NewKey, NewRecord, Rotated};
use crate::key::{Prefix, RandomError, Secret};
use crate::once::Earlier;
use crate::owner::OwnerState;
use crate::query::OwnerDetails;
use crate::record::{KeyId, Owner, Record};
use crate::store::{Inserted, StoreError};
use crate::tier::TierName;
use crate::time::{Now, ReadClock, SteadyNanos, UnixMillis};
use crate::transfer::{ImportedKey, KeyCopy};

use super::Gate;

/// Why no key was issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// There is no such tier.
    #[error("there is no such tier")]
    UnknownTier {
        /// The tiers that there are, in the order in which they were made.
        known: Vec<TierName>,
    },
    /// The owner is suspended; resume it first.
    #[error("the owner is suspended")]
    OwnerSuspended,
    /// The request was made before, and is to change something once.
    #[error("the request was made before")]
    Earlier(Earlier),
    /// No secret could be made.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
    /// The key could not be kept, or it is not known whether it was; nobody holds its secret.
    #[error("the key could not be kept")]
    Store(#[from] StoreError),
}

/// Why a key was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The change does not fit the key, which is as it was.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
    /// The clock is in doubt, so nobody can say when a grace would end. Without a grace, a key is
    /// rotated all the same.
    #[error("the clock is in doubt, and a grace would end at a time that nobody knows")]
    ClockInDoubt,
    /// No secret could be made.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
    /// It is not known whether the change survives. Repeat it.
    #[error("the change could not be kept")]
    Store(#[from] StoreError),
}

impl Gate {
    /// Issues a key. When this returns, it is durable and works.
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`]; whatever the reason, nobody holds a key that works.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        let unknown_tier = || IssueError::UnknownTier { known: self.tier_names() };
        let _adding = self.order.adding().await;
        let tier = self.tier(&key.tier).ok_or_else(unknown_tier)?;
        let secret = Secret::generate(key.prefix.as_ref().unwrap_or(&self.prefix))?;
        let digest = Digest::of_secret(&secret);
        let hint = secret.hint();
        let created_at = audit.at;
        let new = NewRecord { key: key.clone(), digest, hint: hint.clone() };
        let (key_id, owner) = match self.store.insert_key(new, audit).await? {
            Inserted::Done { id, owner_version } => (id, owner_version),
            Inserted::UnknownTier => return Err(unknown_tier()),
            Inserted::OwnerSuspended => return Err(IssueError::OwnerSuspended),
            Inserted::Earlier(earlier) => return Err(IssueError::Earlier(earlier)),
        };
        let _line = self.order.line(key_id).await;
        let record = key.record(key_id);
        let shared = self.owner_of(&record);
        self.index.insert(Entry::of_owner(digest, record, tier, shared));
        let versions = Versions { key: Version::FIRST, owner };
        Ok(Issued { key_id, secret, key, hint, created_at, versions })
    }

    /// Changes a key, if it and its owner are in the versions that are expected. When this returns,
    /// the change is durable, and every request that begins later meets the key as it is now. The
    /// clock is read when the store has answered, if limits change.
    ///
    /// The future must run to its end once it was started: dropped half-way, the store may be
    /// changed and memory not, until the next start.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if the key was not changed, or if that is not known.
    pub async fn change(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<StoredKey, ChangeError> {
        if let KeyChange::Rotate { grace, .. } = &change
            && !grace.is_zero()
            && self.judge(clock()).is_in_doubt()
        {
            return Err(ChangeError::ClockInDoubt);
        }
        let _turn = self.order.turn(id).await;
        let at = audit.at;
        match self.store.change_key(id, change.bounded(), expected, audit).await? {
            Changed::Refused(refusal) => Err(refusal.into()),
            Changed::Done(key) => {
                let learned = self.learn_tiers([&*key]).await;
                // Whatever came of that: a revoked key is stopped even if its tier is unknown.
                let applied = self.apply(&key, at, clock);
                learned.and(applied)?;
                Ok(*key)
            }
        }
    }

    /// Gives a key another secret, with the prefix that it had. The present secret works for
    /// `grace` longer, or [`GRACE_MAX`](crate::change::GRACE_MAX) if that is shorter, but no longer
    /// than the key; the grace of earlier ones ends. What has ended at the time of the change has
    /// ended for good, even if the wall clock is set back.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`]; then nobody holds a new secret that works.
    pub async fn rotate(
        &self,
        id: KeyId,
        grace: Duration,
        expected: Option<Versions>,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<Rotated, ChangeError> {
        let details = self.store.find_key(id).await?.ok_or(ChangeRefusal::UnknownKey)?;
        let prefix = Prefix::of_hint(&details.hint).unwrap_or_else(|| self.prefix.clone());
        let secret = Secret::generate(&prefix)?;
        let hint = secret.hint();
        let digest = Digest::of_secret(&secret);
        let change = KeyChange::Rotate { digest, hint: hint.clone(), grace };
        let at = audit.at;
        let key = self.change(id, change, expected, audit, clock).await?;
        let grace_until = key.former.last().map(|former| former.ends_at).filter(|end| at < *end);
        let versions = key.versions();
        let StoredKey { record, tier, .. } = key;
        Ok(Rotated { secret, hint, grace_until, record, tier, versions })
    }

    /// Revokes a key. When this returns `true`, that is durable, and no request that begins later
    /// is accepted with any of its secrets. Returns `false` if there is no such key; revoking
    /// twice is fine.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives. Repeat it.
    pub async fn revoke(
        &self,
        id: KeyId,
        reason: Option<Reason>,
        audit: Audit,
    ) -> Result<bool, StoreError> {
        let change = KeyChange::Revoke { reason };
        // The time is for limits, which do not matter to a key that is refused.
        let clock = || Now::new(UnixMillis(0), SteadyNanos::NEVER);
        match self.change(id, change, None, audit, &clock).await {
            Ok(_) => Ok(true),
            Err(ChangeError::Store(error)) => Err(error),
            Err(ChangeError::Refused(_) | ChangeError::ClockInDoubt | ChangeError::Random(_)) => {
                Ok(false)
            }
        }
    }

    /// Suspends or resumes an owner. When this returns, that is durable, and the next request of
    /// every key of the owner is judged by it, however many they are. Returns the owner as it is
    /// now.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the change survives. Repeat it.
    pub async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerDetails, StoreError> {
        // No key changes hands meanwhile, and none is issued.
        let _alone = self.order.alone().await;
        let details = self.store.set_owner_suspended(owner.clone(), suspended, audit).await?;
        self.index.set_owner_suspended(&owner, details.suspended_at.is_some());
        Ok(details)
    }

    /// Adds keys that came from elsewhere, and says of each what became of it. When this returns,
    /// those that were added are durable and work. With `dry_run`, says so and adds nothing.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known which were added. Repeating is safe.
    pub async fn import(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<ImportedKey>, StoreError> {
        let _adding = self.order.adding().await;
        let digests: Vec<_> = keys.iter().map(|key| key.secret.digest).collect();
        let at = audit.at;
        let imported = self.store.import_keys(keys, dry_run, audit).await?;
        if dry_run {
            return Ok(imported);
        }
        let added = imported.iter().filter_map(|key| match key {
            ImportedKey::Added(key) => Some(&**key),
            ImportedKey::Skipped(_) | ImportedKey::Refused(_) => None,
        });
        let mut all = self.learn_tiers(added).await;
        for (key, digest) in imported.iter().zip(&digests) {
            let one = match key {
                ImportedKey::Added(key) => {
                    let _line = self.order.line(key.record.id).await;
                    self.add(key, at)
                }
                // It was added before, and the answer was lost.
                ImportedKey::Skipped(id) if self.index.find(digest).is_none() => {
                    self.add_stored(*id, at).await
                }
                ImportedKey::Skipped(_) | ImportedKey::Refused(_) => Ok(()),
            };
            // The others are durable, and so they must work, whatever is wrong with this one.
            all = all.and(one);
        }
        all.map(|()| imported)
    }

    /// Adds a key to the index that only the store has.
    async fn add_stored(&self, id: KeyId, at: UnixMillis) -> Result<(), StoreError> {
        let _line = self.order.line(id).await;
        let found = self.store.load_keys(KeyId::new(id.get() - 1), 1).await?;
        self.learn_tiers(&found).await?;
        found.iter().filter(|key| key.record.id == id).try_for_each(|key| self.add(key, at))
    }

    /// Adds a key to the index as the store has it, unless it is there: then with every secret
    /// that it had, since whatever put it there is newer.
    pub(super) fn add(&self, key: &StoredKey, at: UnixMillis) -> Result<(), StoreError> {
        if self.index.insert(self.entry(key)?) {
            self.note_former(key, at);
        }
        Ok(())
    }

    /// Brings the index to what the store has of a key since the change at `at`, whatever it has
    /// itself: the answers to earlier changes may have been lost, and the issuing may still be
    /// under way.
    fn apply(
        &self,
        key: &StoredKey,
        at: UnixMillis,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        if key.record.state.is_revoked() {
            // Stopped first, whatever else turns out to be wrong.
            self.index.stop(&key.digest);
            key.former.iter().for_each(|former| self.index.stop(&former.digest));
        }
        let entry = self.entry(key)?;
        // What the index takes for the present secret, if a rotation has replaced it.
        let held = key.former.iter().rev().find(|former| self.index.holds(&former.digest));
        let counted = match held {
            Some(held) => self.index.rotate(entry, held.digest, end_of(held, at), clock),
            None => self.index.replace(entry, clock),
        };
        counted.into_iter().for_each(|entry| self.usage.enqueue(entry));
        self.note_former(key, at);
        Ok(())
    }

    /// Tells the index of the secrets that a key had before `at`.
    fn note_former(&self, key: &StoredKey, at: UnixMillis) {
        for former in &key.former {
            let ends_at = end_of(former, at);
            let counted = self.index.put_former(former.digest, key.digest, ends_at);
            counted.into_iter().for_each(|entry| self.usage.enqueue(entry));
        }
    }

    fn entry(&self, key: &StoredKey) -> Result<Entry, StoreError> {
        let tier = match key.tier_gone {
            true => self.gone_tier(&key.tier),
            false => self.tier(&key.tier).ok_or_else(|| {
                let (id, name) = (key.record.id, key.tier.as_str());
                let problem = format!("key {id} has the tier `{name}`, which is not there");
                StoreError::Inconsistent(problem)
            })?,
        };
        let owner = self.owner_of(&key.record);
        Ok(Entry::of_owner(key.digest, key.record.clone(), tier, owner))
    }

    /// The owner that a key shares with others, in the state that came with the key. That is the
    /// store's: owners change only when no change of a key is under way.
    fn owner_of(&self, record: &Record) -> Option<triomphe::Arc<OwnerState>> {
        let owner = record.owner.as_ref()?;
        Some(self.index.owner(owner, record.owner_suspended))
    }
}

/// When a former secret ends, as is known at `at`. What has ended by then stays so: the wall clock
/// may be set back, and a secret that leaked would work again.
fn end_of(former: &FormerSecret, at: UnixMillis) -> UnixMillis {
    if former.ends_at <= at { ENDED } else { former.ends_at }
}
