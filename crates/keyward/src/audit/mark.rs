//! A place in the trail.

use super::{ChainDigest, ChangeId};

/// A place in the trail: an entry, known by its number and its digest. Where a database went back
/// in time, another entry may have the number, but never the digest.
///
/// ```
/// use keyward::audit::{ChangeId, Mark};
///
/// assert_eq!(Mark::START.change, ChangeId(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The number of the entry; 0 is before the first one.
    pub change: ChangeId,
    /// The digest of the entry.
    pub digest: ChainDigest,
}

impl Mark {
    /// Before the first entry.
    pub const START: Self = Self { change: ChangeId(0), digest: ChainDigest::START };
}
