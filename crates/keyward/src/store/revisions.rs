//! When the limits of rows were last changed.

use std::collections::BTreeMap;

use crate::limit::Revision;
use crate::record::{KeyId, Owner};
use crate::stored::TierId;

/// When the limits of rows were last changed. The limits of a row that is not here are as they were
/// at first: that of a key was issued with them, or imported, in the tier that it has.
///
/// It is apart from the rows, since only a store that several processes share knows it.
///
/// ```
/// use keyward::limit::Revision;
/// use keyward::record::KeyId;
/// use keyward::store::Revisions;
///
/// let (changed, other) = (KeyId::new(1).unwrap(), KeyId::new(2).unwrap());
/// let revisions = Revisions { keys: [(changed, Revision(7))].into(), ..Revisions::default() };
/// assert_eq!(revisions.of_key(changed), Revision(7));
/// assert_eq!(revisions.of_key(other), Revision(0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Of tiers.
    pub tiers: BTreeMap<TierId, Revision>,
    /// Of the limits that an owner's keys share.
    pub owners: BTreeMap<Owner, Revision>,
    /// Of the own limits of keys; that a key has another tier counts as well.
    pub keys: BTreeMap<KeyId, Revision>,
}

impl Revisions {
    /// That of a tier.
    #[must_use]
    pub fn of_tier(&self, tier: TierId) -> Revision {
        self.tiers.get(&tier).copied().unwrap_or_default()
    }

    /// That of an owner.
    #[must_use]
    pub fn of_owner(&self, owner: &Owner) -> Revision {
        self.owners.get(owner).copied().unwrap_or_default()
    }

    /// That of a key by itself, whatever its tier's.
    #[must_use]
    pub fn of_key(&self, key: KeyId) -> Revision {
        self.keys.get(&key).copied().unwrap_or_default()
    }

    /// Adds those of other rows.
    pub fn extend(&mut self, others: Self) {
        let Self { tiers, owners, keys } = others;
        self.tiers.extend(tiers);
        self.owners.extend(owners);
        self.keys.extend(keys);
    }
}
