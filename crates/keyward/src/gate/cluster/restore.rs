//! Reading everything again from a store that went back in time.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::change::KeyChange;
use crate::digest::Digest;
use crate::index::{Entry, Held};
use crate::key::RandomError;
use crate::limit::Revision;
use crate::record::{KeyState, Stage};
use crate::rules::{Change, OwnerChange};
use crate::store::{Page, Revisions, StoreError, Unreadable};
use crate::stored::{Key, OwnerRow, TierRow};
use crate::tier::TierName;
use crate::time::{Now, ReadClock, UnixMillis};

use super::unread::{Unread, unjudgeable};
use super::{Following, Gate, Node};
use crate::gate::OPEN_PAGE;

const REVOKED: &str = "it was revoked before the database went back in time";
const REPLACED: &str = "its secret was replaced before the database went back in time";

impl Gate {
    /// Brings memory to the rows of the store, whatever it has, except that nothing works again
    /// that memory knows to have ended. There is no lease meanwhile.
    pub(super) async fn read_again(
        &self,
        node: &Node,
        following: &mut Following,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        // These are in the snapshot, or lost; later ones are told apart by the feed.
        let ahead = node.ahead().clone();
        let mut snapshot = self.store.snapshot().await?;
        let mark = snapshot.newest();
        let mut restore = Vec::new();
        let (mut tiers, mut owners): (Vec<TierRow>, Vec<OwnerRow>) = (Vec::new(), Vec::new());
        // Digests are as good as any hash: a table of them reveals nothing.
        let mut known = HashSet::new();
        let mut has_tiers = false;
        let (mut unreadable, mut revisions) = (Vec::new(), Revisions::default());
        while let Some(page) = snapshot.next(OPEN_PAGE).await? {
            unreadable.extend(snapshot.unreadable());
            let of_page = snapshot.revisions();
            match page {
                Page::Tiers(rows) => {
                    tiers.extend(rows);
                    revisions.extend(of_page);
                }
                Page::Owners(rows) => {
                    revisions.extend(of_page);
                    rows.iter().for_each(|row| restore.extend(self.lost_suspension(row)));
                    owners.extend(rows);
                }
                Page::Keys(keys) => {
                    if !std::mem::replace(&mut has_tiers, true) {
                        self.replace_tiers(&tiers, &revisions, clock).await;
                    }
                    keys.last().into_iter().for_each(|key| node.know_key(key.id));
                    for key in &keys {
                        known.insert(*key.secret.digest.as_bytes());
                        restore.extend(self.lost_end(key, clock())?);
                        let revision = of_page.of_key(key.id);
                        if self.apply_again(key, (&owners, revision), clock).is_err() {
                            unreadable.push(unjudgeable(key));
                        }
                    }
                }
            }
        }
        unreadable.extend(snapshot.unreadable());
        if !has_tiers {
            self.replace_tiers(&tiers, &revisions, clock).await;
        }
        for row in &owners {
            self.index.set_owner_suspended(&row.owner, row.is_suspended());
            let revision = revisions.of_owner(&row.owner);
            self.index.set_owner_terms(&row.owner, (&row.limits, revision), clock);
        }
        known.extend(unreadable.iter().flat_map(Unreadable::digests).map(|it| *it.as_bytes()));
        let lost = self.forget_unknown(&known);
        let dropped = self.drop_counts(&lost, self.judge(clock()).unix).await;
        node.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
        *node.unread() = Unread::default();
        self.withhold(node, &unreadable);
        following.restore = restore;
        node.ahead().retain(|own| !ahead.contains(own));
        node.has_applied(mark);
        following.moved_to(mark);
        Ok(())
    }

    async fn replace_tiers(&self, rows: &[TierRow], revisions: &Revisions, clock: ReadClock<'_>) {
        let is_present = |name: &TierName| rows.iter().any(|row| !row.is_gone && row.name == *name);
        self.tiers().retain(|tier| is_present(tier.name()));
        self.apply_tiers(rows, revisions, clock).await;
    }

    fn apply_again(
        &self,
        key: &Key,
        (owners, revision): (&[OwnerRow], Revision),
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        // They are in the order of their names.
        let owner = key.owner.as_ref().and_then(|name| {
            let at = owners.binary_search_by(|row| row.owner.cmp(name)).ok()?;
            owners.get(at)
        });
        self.apply(key, (owner, revision), key.secret.created_at, clock)
    }

    /// The change by which a key ends again that memory knows to have ended. The key is known by
    /// its id and a secret: another key may have the id after changes are lost.
    fn lost_end(&self, key: &Key, now: Now) -> Result<Option<Change>, StoreError> {
        if key.is_revoked() {
            return Ok(None);
        }
        let known = |held: Option<&Held<'_>>| {
            let held =
                held.filter(|held| held.entry.id() == key.id && !held.entry.is_withheld())?;
            Some((held.entry.own_stage(now.latest()), held.ends_at))
        };
        let revoke = |reason: &str| KeyChange::Revoke { reason: reason.parse().ok() };
        let change = match self.index.look(&key.secret.digest, known) {
            Some((Stage::Revoked, _)) => revoke(REVOKED),
            Some((_, Some(ends_at))) if ends_at <= now.latest() => revoke(REPLACED),
            Some((_, Some(ends_at))) => replace(ends_at, now)?,
            Some((Stage::Suspended, None)) if key.state == KeyState::Active => KeyChange::Suspend,
            Some((Stage::Active | Stage::Expired | Stage::Suspended, None)) | None => {
                return Ok(None);
            }
        };
        Ok(Some(Change::Key { id: key.id, change, expected: None }))
    }

    fn lost_suspension(&self, row: &OwnerRow) -> Option<Change> {
        let owner = self.index.find_owner(&row.owner)?;
        let is_lost = owner.is_suspended() && !row.is_suspended();
        let (owner, change) = (row.owner.clone(), OwnerChange::Suspend);
        is_lost.then_some(Change::Owner { owner, change, expected: None })
    }

    /// Forgets the keys whose secrets the store does not know as present ones: their ids may be
    /// those of other keys now. Returns them.
    fn forget_unknown(&self, known: &HashSet<[u8; 32]>) -> Vec<Entry> {
        let mut shard = 0;
        let mut unknown = Vec::new();
        while let Some(()) = self.index.each_in_shard(shard, |entry| {
            if !known.contains(entry.digest().as_bytes()) {
                unknown.push(*entry.digest());
            }
        }) {
            shard += 1;
        }
        unknown.iter().filter_map(|digest| self.index.forget(digest)).collect()
    }

    /// Drops the counts of keys that are forgotten. Returns how many requests they are of.
    async fn drop_counts(&self, lost: &[Entry], now: UnixMillis) -> u64 {
        let ids: HashSet<_> = lost.iter().map(Entry::id).collect();
        // Before the batch: a flush takes from these into that.
        let mut outbox = self.outbox.lock().await;
        self.usage.drop_of(lost, &ids, now) + outbox.drop_of(&ids)
    }
}

/// Rotates to a digest whose text no caller has, with the rest of the grace.
fn replace(ends_at: UnixMillis, now: Now) -> Result<KeyChange, StoreError> {
    let mut bytes = [0; 32];
    let filled = getrandom::fill(&mut bytes).map_err(RandomError::from);
    filled.map_err(|error| StoreError::Unavailable(error.into()))?;
    let grace = Duration::from_millis(ends_at.0.saturating_sub(now.unix.0));
    Ok(KeyChange::Rotate { digest: Digest::from_stored(bytes), hint: String::new(), grace })
}
