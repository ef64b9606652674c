//! Running a change to its end: the store first, then the index, then the caller.

use std::collections::HashMap;

use crate::audit::Audit;
use crate::change::KeyChange;
use crate::digest::Digest;
use crate::limit::Revision;
use crate::rules::{Change, Committed, Decided, Imported};
use crate::store::StoreError;
use crate::stored::{OwnedKey, OwnerRow, Unkept};
use crate::time::{Now, ReadClock, SteadyNanos, UnixMillis};

use super::Gate;
use super::change_error::{ChangeError, unexpected};
use super::made::Made;

/// For changes that replace no limit by another one.
pub(super) fn no_clock() -> Now {
    Now::new(UnixMillis(0), SteadyNanos::NEVER)
}

impl Gate {
    /// Makes a change of any kind. When this returns a decision, the change is durable, and every
    /// request that begins later is judged by it, on every gate over the store: where there are
    /// several, this waits for a step of [`Gate::settle`] to find out. A rejection changed nothing;
    /// it is in [`Made::outcome`]. The clock is read when the store has returned, if limits or
    /// the clock itself change.
    ///
    /// A rotation leaves the present secret at most [`GRACE_MAX`](crate::change::GRACE_MAX).
    ///
    /// The future must run to its end once it was started: dropped half-way, the store may be
    /// changed and memory not, until the next start.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::change::KeyChange;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::record::KeyId;
    /// use keyward::rules::{Change, ChangeRejection};
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let suspend = |id| Change::Key { id, change: KeyChange::Suspend, expected: None };
    ///
    /// let committed = gate.run(suspend(issued.key_id), Audit::program(at), &clock).await?;
    /// assert!(committed.outcome.is_ok());
    /// let other = KeyId::new(7).unwrap();
    /// let committed = gate.run(suspend(other), Audit::program(at), &clock).await?;
    /// assert_eq!(committed.outcome.unwrap_err(), ChangeRejection::UnknownKey);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Store`] if it is not known whether the change survives, and
    /// [`ChangeError::ClockInDoubt`] if it would end a grace at an unknown time.
    pub async fn run(
        &self,
        change: Change,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<Made, ChangeError> {
        let patience = self.patience(&change).await?;
        let committed = self.make(change, audit, clock).await?;
        // No turn is held any more: other changes, and the step that ends this wait, go on.
        let everywhere = self.wait(&committed, patience).await?;
        let Committed { newest, outcome } = committed;
        Ok(Made { newest, outcome, everywhere })
    }

    /// Makes a change when it is its turn.
    async fn make(
        &self,
        change: Change,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<Committed, ChangeError> {
        match change {
            Change::Issue(_) => {
                let _adding = self.order.adding().await;
                Ok(self.commit(change, audit, clock).await?)
            }
            Change::Key { id, change, expected } => {
                self.check_grace(&change, clock)?;
                let change = Change::Key { id, change: change.bounded(), expected };
                let _turn = self.order.turn(id).await;
                Ok(self.commit(change, audit, clock).await?)
            }
            Change::Import { keys, dry_run } => {
                let _adding = self.order.adding().await;
                Ok(self.commit_import(keys, dry_run, audit).await?)
            }
            Change::PutTier { .. } | Change::DeleteTier { .. } | Change::Owner { .. } => {
                let _alone = self.order.alone().await;
                Ok(self.commit(change, audit, clock).await?)
            }
            Change::Diverged(_) => Ok(self.commit(change, audit, clock).await?),
            Change::AcceptClock => {
                // No flush is under way that would write the reading from before after this one.
                let mut outbox = self.outbox.lock().await;
                Ok(self.commit_clock(audit, clock, &mut outbox).await?)
            }
        }
    }

    /// Rejects a grace whose end is unknown.
    fn check_grace(&self, change: &KeyChange, clock: ReadClock<'_>) -> Result<(), ChangeError> {
        match change {
            KeyChange::Rotate { grace, .. }
                if !grace.is_zero() && self.judge(clock()).is_in_doubt() =>
            {
                Err(ChangeError::ClockInDoubt)
            }
            KeyChange::Rotate { .. }
            | KeyChange::Edit(_)
            | KeyChange::Suspend
            | KeyChange::Resume
            | KeyChange::Revoke { .. } => Ok(()),
        }
    }

    /// Has the store decide, and updates memory. No other task changes the same meanwhile.
    pub(super) async fn commit(
        &self,
        change: Change,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<Committed, StoreError> {
        let at = audit.at;
        let committed = self.commit_known(change, audit).await?;
        if let Ok(decided) = &committed.outcome {
            match &self.node {
                None => self.tell(decided, at, clock).await?,
                Some(node) => {
                    let told = (committed.newest, decided);
                    self.tell_in_cluster(node, told, at, clock).await?;
                }
            }
        }
        Ok(committed)
    }

    /// Brings memory in line with the decision.
    pub(super) async fn tell(
        &self,
        decided: &Decided,
        at: UnixMillis,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        match decided {
            Decided::Issued { key, owner } => {
                let learned = self.learn_tiers([&**key]).await;
                // As soon as the store has the key, an operator who guesses its id may change it.
                let _line = self.order.line(key.id).await;
                let added = self.add(key, owner.as_ref(), at);
                learned.and(added)
            }
            Decided::Changed { key, owner } => {
                let learned = self.learn_tiers([&**key]).await;
                // Even if that failed: a revoked key is stopped even if its tier is unknown.
                let applied = self.apply(key, (owner.as_ref(), Revision::default()), at, clock);
                learned.and(applied)
            }
            Decided::PutTier { tier, is_new: _ } => {
                self.put_in_memory(tier, Revision::default(), clock).await;
                Ok(())
            }
            Decided::DeletedTier(tier) => {
                self.tiers().retain(|there| *there.name() != tier.name);
                Ok(())
            }
            Decided::Owner(row) => {
                self.index.set_owner_suspended(&row.owner, row.is_suspended());
                self.index.set_owner_limits(&row.owner, &row.limits, clock);
                Ok(())
            }
            Decided::AcceptedClock => {
                self.carried.accept(clock());
                Ok(())
            }
            Decided::Diverged => Ok(()),
            // An import is told with the digests of its keys, by the way of its own.
            Decided::Imported { .. } => Err(unexpected(decided)),
        }
    }

    async fn commit_import(
        &self,
        keys: Vec<Unkept>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Committed, StoreError> {
        let digests: Vec<_> = keys.iter().map(|key| key.secret.digest).collect();
        let at = audit.at;
        let committed = self.commit_known(Change::Import { keys, dry_run }, audit).await?;
        match &committed.outcome {
            // On a cluster they come with the feed.
            Ok(Decided::Imported { keys, owners }) if !dry_run && self.node.is_none() => {
                self.tell_imported(keys, owners, &digests, at).await?;
            }
            Ok(_) | Err(_) => {}
        }
        Ok(committed)
    }

    /// Adds imported keys to the index. `digests` are those of the keys' present secrets.
    async fn tell_imported(
        &self,
        keys: &[Imported],
        owners: &[OwnerRow],
        digests: &[Digest],
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let added = keys.iter().filter_map(|key| match key {
            Imported::Added(key) => Some(&**key),
            Imported::Skipped(_) | Imported::Rejected(_) => None,
        });
        let rows: HashMap<_, _> = owners.iter().map(|row| (&row.owner, row)).collect();
        let mut all = self.learn_tiers(added).await;
        for (key, digest) in keys.iter().zip(digests) {
            let one = match key {
                Imported::Added(key) => {
                    let owner = key.owner.as_ref().and_then(|name| rows.get(name).copied());
                    let _line = self.order.line(key.id).await;
                    self.add(key, owner, at)
                }
                // It was added before, and the reply was lost.
                Imported::Skipped(id) if self.index.find(digest).is_none() => {
                    let _line = self.order.line(*id).await;
                    match self.store.find_key(*id).await {
                        Ok(Some(found)) => self.add_stored(&found, at).await,
                        Ok(None) => Ok(()),
                        Err(error) => Err(error),
                    }
                }
                Imported::Skipped(_) | Imported::Rejected(_) => Ok(()),
            };
            // The others are durable, and so they must work, even if this one does not.
            all = all.and(one);
        }
        all
    }

    async fn add_stored(&self, found: &OwnedKey, at: UnixMillis) -> Result<(), StoreError> {
        self.learn_tiers([&*found.key]).await?;
        self.add(&found.key, found.owner.as_ref(), at)
    }
}
