//! Where a bucket is: its name, and the table that has it.

use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::limit::Limit;
use crate::record::{KeyId, Owner};

/// The longest time that an empty bucket takes to fill whose row need not survive a crash of the
/// store.
pub const BRIEF_MAX: Duration = Duration::from_secs(60);

/// The name of a bucket: 128 bits of SHA-256 over the kind and the id of that which is limited, and
/// the name of the limit.
///
/// ```
/// use keyward::record::KeyId;
/// use keyward::ticket::BucketId;
///
/// let key = KeyId::new(7).unwrap();
/// assert_eq!(BucketId::of_key(key, "requests"), BucketId::of_key(key, "requests"));
/// assert_ne!(BucketId::of_key(key, "requests"), BucketId::of_key(key, "day"));
/// assert_ne!(BucketId::of_key(key, "x"), BucketId::of_owner(&"7".parse()?, "x"));
/// # Ok::<(), keyward::record::ParseOwnerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId([u8; 16]);

impl BucketId {
    /// The bucket of a key for the limit of this name, whether that is the key's own or its tier's.
    #[must_use]
    pub fn of_key(id: KeyId, limit: &str) -> Self {
        Self::of(b"key", &id.get().to_be_bytes(), limit)
    }

    /// The bucket that all keys of an owner share for the limit of this name.
    #[must_use]
    pub fn of_owner(owner: &Owner, limit: &str) -> Self {
        Self::of(b"owner", owner.as_str().as_bytes(), limit)
    }

    /// After each part is a byte that neither an owner nor a limit's name has; the ids of keys are
    /// all of one length.
    fn of(kind: &[u8], id: &[u8], limit: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [kind, id, limit.as_bytes()] {
            hasher.update(part);
            hasher.update([0]);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let (halves, _) = digest.as_chunks();
        Self(halves.first().copied().unwrap_or_default())
    }

    /// Takes a name as the store kept it.
    #[must_use]
    pub fn from_stored(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How long a row has to last, which says in which table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keeping {
    /// It survives a crash of the store: the use of "1000 per 30 days" is not forgotten.
    Kept,
    /// It may be lost with all others in a crash: then each of them counts as empty from that
    /// moment on, and fills within [`BRIEF_MAX`].
    Brief,
}

/// A bucket in its table. They are locked in this order, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its table.
    pub keeping: Keeping,
    /// Its name.
    pub bucket: BucketId,
}

impl Place {
    pub(super) fn new(bucket: BucketId, limit: &Limit) -> Self {
        // By the numbers that the operator gave: the time of one request is rounded up to a
        // nanosecond, and those of a full bucket of 9 per 60 s are together 60 s and 3 ns.
        let of_burst = limit.per() * limit.burst().get();
        let is_brief = of_burst <= BRIEF_MAX * limit.amount().get();
        let keeping = if is_brief { Keeping::Brief } else { Keeping::Kept };
        Self { keeping, bucket }
    }
}
