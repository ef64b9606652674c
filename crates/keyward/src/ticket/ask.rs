//! The question about one request.

use crate::limit::{Cost, Limit, Limits, Revision};
use crate::record::{KeyId, Owner};

use super::{BucketId, Place};

/// The limits of a key or an owner, with their buckets, as a process knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    limits: Limits,
    revision: Revision,
    places: Box<[Place]>,
}

impl Terms {
    /// The limits of a key: its own, or its tier's.
    #[must_use]
    pub fn of_key(id: KeyId, limits: Limits, revision: Revision) -> Self {
        Self::new(limits, revision, |name| BucketId::of_key(id, name))
    }

    /// The limits of an owner, by the names that the operator gave them. They are reported as
    /// `owner:` and the name.
    #[must_use]
    pub fn of_owner(owner: &Owner, limits: &Limits, revision: Revision) -> Self {
        Self::of_owner_as_told(owner, limits.of_owner(), revision)
    }

    /// The same by the names that they are reported by.
    pub(crate) fn of_owner_as_told(owner: &Owner, limits: Limits, revision: Revision) -> Self {
        Self::new(limits, revision, |name| BucketId::of_owner(owner, name))
    }

    fn new(limits: Limits, revision: Revision, bucket: impl Fn(&str) -> BucketId) -> Self {
        let place = |limit: &Limit| Place::new(bucket(limit.name_given()), limit);
        let places = limits.list().iter().map(place).collect();
        Self { limits, revision, places }
    }

    /// The limits, by the names that responses use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// When they were last changed.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The place of each bucket, in the order of the limits.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }
}

/// Everything that the limits of one request are decided by: its whole set of buckets, at most
/// [`STANDINGS_MAX`](crate::limit::STANDINGS_MAX).
///
/// ```
/// use std::time::Duration;
///
/// use keyward::limit::{Cost, Limit, Limits};
/// use keyward::record::KeyId;
/// use keyward::ticket::{Ask, BucketId, Keeping, Revision, Terms};
///
/// let limit = Limit::new("requests", 10.try_into()?, Duration::from_secs(60), 10.try_into()?)?;
/// let key = KeyId::new(7).unwrap();
/// let ask = Ask {
///     own: Terms::of_key(key, Limits::of(Some(limit)), Revision(3)),
///     owner: None,
///     cost: Cost::ONE,
/// };
/// let [place] = ask.places().collect::<Vec<_>>()[..] else { unreachable!() };
/// assert_eq!(place.bucket, BucketId::of_key(key, "requests"));
/// assert_eq!(place.keeping, Keeping::Brief);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The limits of the key or its tier; there may be none.
    pub own: Terms,
    /// The limits of the key's owner, if it has any.
    pub owner: Option<Terms>,
    /// How many ordinary requests it counts as.
    pub cost: Cost,
}

impl Ask {
    /// The places of all buckets, those of the key before those of the owner.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.each().map(|(place, ..)| place)
    }

    /// Each bucket with its limit.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Place, &Limit, Revision)> {
        [Some(&self.own), self.owner.as_ref()].into_iter().flatten().flat_map(|terms| {
            let each = terms.places.iter().zip(terms.limits.list());
            each.map(|(place, limit)| (*place, limit, terms.revision))
        })
    }
}
