//! The look-ups and their results.

use crate::audit::{Audit, ChainDigest, ChangeId, Mark};
use crate::digest::Digest;
use crate::mutant::{self, Mutant};
use crate::once::{Earlier, Once, OnceName, forgotten_at};
use crate::record::{KeyId, Owner};
use crate::stored::TierId;
use crate::tier::TierName;
use crate::time::UnixMillis;

/// A look-up that deciding needs. Each names the method of [`Facts`](super::Facts) that takes its
/// result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The key with this id, whole: [`Facts::learn_key`](super::Facts::learn_key).
    Key(KeyId),
    /// Whether there is a key with this id: [`Facts::learn_id`](super::Facts::learn_id).
    Id(KeyId),
    /// Which key has, or had, the secret with this digest:
    /// [`Facts::learn_holder`](super::Facts::learn_holder).
    Digest(Digest),
    /// The tier of this name that is not gone: [`Facts::learn_tier`](super::Facts::learn_tier).
    Tier(TierName),
    /// How many tiers there are that are not gone:
    /// [`Facts::learn_tier_count`](super::Facts::learn_tier_count).
    TierCount,
    /// The row of this owner: [`Facts::learn_owner`](super::Facts::learn_owner).
    Owner(Owner),
    /// The request of this name and actor that was kept last:
    /// [`Facts::learn_once`](super::Facts::learn_once).
    Once {
        /// [`Actor::as_text`](crate::audit::Actor::as_text) of who sent it.
        actor: String,
        /// Its client's name of it.
        name: OnceName,
    },
    /// The latest reading of the wall clock that was kept:
    /// [`Facts::learn_reading`](super::Facts::learn_reading).
    Reading,
    /// The digest of the entry with this number:
    /// [`Facts::learn_entry`](super::Facts::learn_entry).
    Entry(ChangeId),
}

/// Ids that may have been given before a store lost changes, and of which no row tells. They are
/// left out, since no program can be asked: one that knows of them may be gone.
const UNHEARD: u64 = 100_000;

/// How far a store has come: the numbers that it gave last, and the end of its audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The highest number that an entry ever had; 0 if there was none.
    pub change: ChangeId,
    /// The digest of the newest entry; [`ChainDigest::START`] if there is none.
    pub digest: ChainDigest,
    /// The highest id that a key ever had.
    pub key: Option<KeyId>,
    /// The highest id that a tier ever had.
    pub tier: Option<TierId>,
}

impl Progress {
    /// The place of the newest entry in the trail.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { change: self.change, digest: self.digest }
    }

    /// How far a store has come whose last change was on the timeline `before`, if the next one is
    /// on the timeline `now`: each promotion of a replica begins another one. The former primary
    /// may have given ids of which neither the store knows nor any program that still runs, so
    /// 100 000 are left out for each timeline in between.
    ///
    /// ```
    /// use keyward::audit::{ChainDigest, ChangeId};
    /// use keyward::rules::Progress;
    ///
    /// let (change, digest) = (ChangeId(0), ChainDigest::START);
    /// let progress = Progress { change, digest, key: None, tier: None };
    /// assert_eq!(progress.on_timeline(1, 1), progress);
    /// let promoted = progress.on_timeline(1, 2);
    /// assert_eq!(promoted.key.map(|id| id.get()), Some(100_000));
    /// // The trail goes on without a gap: where it was cut off, its digests tell.
    /// assert_eq!(promoted.mark(), progress.mark());
    /// ```
    #[must_use]
    pub fn on_timeline(self, before: u64, now: u64) -> Self {
        if mutant::is(Mutant::SameIdsAfterPromotion) {
            return self;
        }
        self.without(UNHEARD.saturating_mul(before.abs_diff(now)))
    }

    /// How far a store has come that lost changes, by one that knows of some of them: 100 000 ids
    /// are left out after the ones that it knows, since others may have given them before the loss.
    ///
    /// ```
    /// use keyward::KeyId;
    /// use keyward::audit::{ChainDigest, ChangeId};
    /// use keyward::rules::Progress;
    ///
    /// let (change, digest) = (ChangeId(7), ChainDigest::START);
    /// let known = Progress { change, digest, key: KeyId::new(5), tier: None };
    /// assert_eq!(known.after_a_loss().key.map(|id| id.get()), Some(100_005));
    /// ```
    #[must_use]
    pub fn after_a_loss(self) -> Self {
        self.without(UNHEARD)
    }

    /// Leaves out so many ids.
    fn without(self, ids: u64) -> Self {
        let key = self.key.map_or(0, KeyId::get).saturating_add(ids);
        let tier = self.tier.map_or(0, TierId::get).saturating_add(ids);
        // The last ids are given one by one.
        let (key, tier) = (KeyId::new(key).or(self.key), TierId::new(tier).or(self.tier));
        Self { key, tier, ..self }
    }
}

/// A request that changed something once, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceRow {
    /// Its name, and its content.
    pub once: Once,
    /// The key that it issued or changed.
    pub key: KeyId,
    /// When it did.
    pub at: UnixMillis,
}

impl OnceRow {
    /// Its relation to a new request of the same name and actor; `None` if it is too old to count,
    /// or if the new request may change something as often as it comes.
    #[must_use]
    pub fn earlier(&self, audit: &Audit) -> Option<Earlier> {
        let once = audit.once.as_ref()?;
        let is_kept = forgotten_at(audit.at).is_none_or(|forgotten| forgotten < self.at);
        is_kept.then(|| Earlier::of(&self.once.request, self.key, once))
    }
}
