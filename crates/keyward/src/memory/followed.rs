//! The rows that differ since a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audit::ChangeId;
use crate::record::{KeyId, Owner};
use crate::store::Changes;

use super::rows::Rows;

impl Rows {
    pub(super) fn changes(&self, after: ChangeId, max: u32) -> Changes {
        let newest = self.progress.change;
        let mut entries = self.trail.iter().filter(|entry| after < entry.id);
        let mut until = newest;
        let (mut keys, mut owners, mut tiers) =
            (BTreeMap::new(), BTreeSet::<Owner>::new(), BTreeSet::new());
        for entry in entries.by_ref().take(max.max(1) as usize) {
            until = entry.id;
            if let Some(key) = entry.key_id.and_then(KeyId::new).and_then(|id| self.key(id)) {
                owners.extend(key.owner.clone());
                keys.insert(key.id, Arc::unwrap_or_clone(key));
            }
            owners.extend(entry.owner.as_ref().and_then(|name| name.parse().ok()));
            tiers.extend(entry.tier.as_deref());
        }
        if entries.next().is_none() {
            until = newest;
        }
        let named = self.tiers.values().filter(|tier| tiers.contains(tier.name.as_str()));
        let tiers = named.cloned().collect();
        let owners = owners.iter().filter_map(|owner| self.owners.get(owner)).cloned().collect();
        Changes { tiers, owners, keys: keys.into_values().collect(), until, newest }
    }
}
