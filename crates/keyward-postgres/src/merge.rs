//! The writes of all changes of a batch, put together: of a row that several of them write, the
//! last state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use keyward::audit::{AuditEntry, ChangeId};
use keyward::key::Prefix;
use keyward::record::Owner;
use keyward::rules::{KeyWrite, OnceRow, OnceWrite, Progress, Writes};
use keyward::stored::{FormerSecret, Key, OwnerRow, TierId, TierRow};
use keyward::time::UnixHour;
use keyward::{KeyId, UnixMillis};
use std::sync::Arc;

/// The lowest and the highest id of an hour.
pub(crate) type Hours = BTreeMap<UnixHour, (u64, u64)>;

/// What a batch writes. The number next to a row is that of the change that wrote it last.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) tiers: BTreeMap<TierId, (TierRow, ChangeId)>,
    pub(crate) owners: BTreeMap<Owner, (OwnerRow, ChangeId)>,
    /// Keys that were not there.
    pub(crate) added: BTreeMap<KeyId, (Arc<Key>, ChangeId)>,
    /// Keys that were.
    pub(crate) put: BTreeMap<KeyId, (Arc<Key>, ChangeId)>,
    /// Former secrets that were not there, by their key and their number.
    pub(crate) replaced: BTreeMap<(KeyId, usize), FormerSecret>,
    /// When former secrets that were there end, by their digests.
    pub(crate) ended: HashMap<[u8; 32], UnixMillis>,
    pub(crate) prefixes: BTreeSet<String>,
    pub(crate) key_hours: Hours,
    pub(crate) once: BTreeMap<(String, String), OnceRow>,
    /// Names of requests that were kept at this time or before may be forgotten, a few for each
    /// that is kept.
    pub(crate) forgotten_at: Option<UnixMillis>,
    pub(crate) reading: Option<UnixMillis>,
    pub(crate) entries: Vec<AuditEntry>,
    pub(crate) audit_hours: Hours,
    pub(crate) progress: Option<Progress>,
}

impl Merged {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the writes of the next change.
    pub(crate) fn add(&mut self, writes: Writes) {
        if writes.is_empty() {
            return;
        }
        let Writes { tiers, owners, keys, once, reading, entries, progress } = writes;
        let rev = progress.change;
        self.tiers.extend(tiers.into_iter().map(|row| (row.id, (row, rev))));
        self.owners.extend(owners.into_iter().map(|row| (row.owner.clone(), (row, rev))));
        keys.iter().for_each(|write| self.add_key(write, rev));
        if let Some(OnceWrite { actor, row, forgotten_at }) = once {
            self.once.insert((actor, row.once.name.as_str().to_owned()), row);
            self.forgotten_at = self.forgotten_at.max(forgotten_at);
        }
        self.reading = reading.or(self.reading);
        for entry in &entries {
            widen(&mut self.audit_hours, entry.at.hour(), entry.id.0);
        }
        self.entries.extend(entries);
        self.progress = Some(progress);
    }

    fn add_key(&mut self, write: &KeyWrite, rev: ChangeId) {
        let key = write.key();
        for (number, former) in write.replaced() {
            self.add_prefix(&former.secret.hint);
            self.replaced.insert((key.id, number), former.clone());
        }
        for former in write.ended() {
            let own = self.replaced.range_mut((key.id, 0)..=(key.id, usize::MAX));
            match own.map(|(_, own)| own).find(|own| own.secret == former.secret) {
                Some(own) => own.ends_at = former.ends_at,
                None => {
                    self.ended.insert(*former.secret.digest.as_bytes(), former.ends_at);
                }
            }
        }
        self.add_prefix(&key.secret.hint);
        let row = (Arc::clone(key), rev);
        match write {
            KeyWrite::Add(key) => {
                widen(&mut self.key_hours, key.created_at.hour(), key.id.get());
                self.added.insert(key.id, row);
            }
            KeyWrite::Put { .. } if self.added.contains_key(&key.id) => {
                self.added.insert(key.id, row);
            }
            KeyWrite::Put { .. } => {
                self.put.insert(key.id, row);
            }
        }
    }

    fn add_prefix(&mut self, hint: &str) {
        if let Some(prefix) = Prefix::of_hint(hint) {
            self.prefixes.insert(prefix.as_str().to_owned());
        }
    }
}

fn widen(hours: &mut Hours, hour: UnixHour, id: u64) {
    let (first, last) = hours.entry(hour).or_insert((id, id));
    (*first, *last) = (id.min(*first), id.max(*last));
}
