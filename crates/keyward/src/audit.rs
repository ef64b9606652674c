//! The audit trail: the entry of each change, and the hash chain that shows alterations.
//!
//! Each entry carries the digest of the one before it, and its own digest is taken over that and
//! all of its fields. So an entry that was edited no longer fits its own digest, and one that was
//! removed or put in leaves a neighbour that does not fit.
//!
//! Numbers are consecutive, so entries that were cut off show as soon as another one follows. Until
//! then the chain cannot show it: a store keeps the digest of its newest entry elsewhere
//! ([`KeyStore::newest_change`](crate::store::KeyStore::newest_change)), and so may any other
//! system.

mod mark;
mod verb;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::digest::Digest;
use crate::once::Once;
use crate::time::UnixMillis;

pub use mark::Mark;
pub use verb::Verb;

/// Most characters by which a person is known in the trail.
pub const PERSON_CHARS_MAX: usize = 200;

/// Who made a change.
///
/// ```
/// use keyward::audit::Actor;
///
/// assert_eq!(Actor::Person("ada".to_owned()).as_text(), "oidc:ada");
/// assert_eq!(Actor::Program.as_text(), "program");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of the admin key.
    AdminKey,
    /// A person whom an identity provider vouched for, by their name or id there.
    Person(String),
    /// GitHub, which found a key in public.
    GitHub,
    /// A reporter that presented the text of a key in order to have it revoked.
    LeakReport,
    /// The program that embeds this library, on its own account.
    Program,
}

impl Actor {
    /// The word by which the store and the audit trail know the actor: `admin-key`, `oidc:` and
    /// the person, `github`, `leak-report` or `program`.
    #[must_use]
    pub fn as_text(&self) -> Cow<'static, str> {
        match self {
            Self::AdminKey => "admin-key".into(),
            Self::Person(person) => {
                let person: String = person.chars().take(PERSON_CHARS_MAX).collect();
                format!("oidc:{person}").into()
            }
            Self::GitHub => "github".into(),
            Self::LeakReport => "leak-report".into(),
            Self::Program => "program".into(),
        }
    }
}

/// The actor that asked for a change, and when: its audit entry has both in addition to the change.
///
/// ```
/// use keyward::audit::{Actor, Audit};
/// use keyward::time::UnixMillis;
///
/// let audit = Audit {
///     actor: Actor::Person("ada".to_owned()),
///     address: Some([192, 0, 2, 1].into()),
///     request_id: Some("req-7".to_owned()),
///     ..Audit::program(UnixMillis(1_767_225_600_000))
/// };
/// assert_eq!(audit.once, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Who made the change.
    pub actor: Actor,
    /// When it was asked for.
    pub at: UnixMillis,
    /// The address that it was asked for from, if it came over a network.
    pub address: Option<IpAddr>,
    /// The id of the request that asked for it, if it came in a request.
    pub request_id: Option<String>,
    /// The request itself, if it is to change something once. No entry contains it; only issuing
    /// and changing a key take it into account.
    pub once: Option<Once>,
    /// The newest entry that the trail is known to have had: it is to be there still, or nothing is
    /// changed. No entry contains this; a gate that shares its store sets it.
    pub after: Option<Mark>,
}

impl Audit {
    /// A change that the program makes on its own account.
    ///
    /// ```
    /// use keyward::audit::{Actor, Audit};
    /// use keyward::time::UnixMillis;
    ///
    /// let audit = Audit::program(UnixMillis(1_767_225_600_000));
    /// assert_eq!((audit.actor, audit.address), (Actor::Program, None));
    /// ```
    #[must_use]
    pub fn program(at: UnixMillis) -> Self {
        Self { actor: Actor::Program, at, address: None, request_id: None, once: None, after: None }
    }
}

/// The number of a change, which is that of its audit entry. Later changes have higher ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u64);

/// One entry of the audit trail. Its fields are as stored, even if a later version would reject
/// them or an operator edited them by hand, so that a trail can always be read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number.
    pub id: ChangeId,
    /// When the change was asked for. A time before 1970, which nothing here writes, is one of the
    /// upper half: that of the same 64 bits.
    pub at: UnixMillis,
    /// [`Actor::as_text`] of who made it.
    pub actor: String,
    /// The address that it was asked for from.
    pub address: Option<String>,
    /// [`Verb::as_str`] of the change.
    pub verb: String,
    /// The key that it was done to, if it was a key.
    pub key_id: Option<u64>,
    /// The tier that it was done to, if it was a tier.
    pub tier: Option<String>,
    /// The owner to whom it was done, if it was an owner.
    pub owner: Option<String>,
    /// The id of the request that asked for it.
    pub request_id: Option<String>,
    /// The details of the change, as compact JSON; its fields depend on the verb. Never a secret or
    /// a digest.
    pub details: Option<String>,
    /// The digest of the entry before it.
    pub previous: ChainDigest,
    /// [`AuditEntry::seal`] of all the above.
    pub digest: ChainDigest,
}

/// A link of the chain: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainDigest(pub [u8; 32]);

impl ChainDigest {
    /// The previous digest of the first entry.
    pub const START: Self = Self([0; 32]);

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        Digest::from_hex(text).map(|digest| Self(*digest.as_bytes()))
    }
}

impl fmt::Display for ChainDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainDigest({self})")
    }
}

impl AuditEntry {
    /// The digest that fits this entry's fields: SHA-256 over each of them in the order above,
    /// `digest` aside. A number is 8 bytes, most significant first; a text is its length as such a
    /// number and its bytes; a field that may be absent begins with one byte, 0 or 1. So no two
    /// different entries spell the same bytes.
    #[must_use]
    pub fn seal(&self) -> ChainDigest {
        let mut hash = Sha256::new();
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        let maybe = |hash: &mut Sha256, member: Option<&str>| {
            hash.update([u8::from(member.is_some())]);
            if let Some(member) = member {
                text(hash, member);
            }
        };
        hash.update(self.id.0.to_be_bytes());
        hash.update(self.at.0.to_be_bytes());
        text(&mut hash, &self.actor);
        maybe(&mut hash, self.address.as_deref());
        text(&mut hash, &self.verb);
        hash.update([u8::from(self.key_id.is_some())]);
        if let Some(id) = self.key_id {
            hash.update(id.to_be_bytes());
        }
        maybe(&mut hash, self.tier.as_deref());
        maybe(&mut hash, self.owner.as_deref());
        maybe(&mut hash, self.request_id.as_deref());
        maybe(&mut hash, self.details.as_deref());
        hash.update(self.previous.0);
        ChainDigest(hash.finalize().into())
    }
}

/// Walks a trail from its beginning, entry by entry, and stops at the first break.
///
/// Numbers are consecutive from 1, except before an entry of [`Verb::AcceptRestore`], by which an
/// operator accepted that a store lacks changes, or of [`Verb::Diverged`], which a node of a
/// cluster writes that knew such changes: the numbers of those are not given again.
///
/// ```
/// # use keyward::audit::Chain;
/// let chain = Chain::default();
/// assert_eq!(chain.entries(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    entries: u64,
    last: Option<ChangeId>,
    head: ChainDigest,
}

/// The first inconsistency of a trail.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ChainError {
    /// The entry was altered after it was written.
    #[error("entry {} was altered", .0.0)]
    Altered(ChangeId),
    /// The preceding entry was removed or replaced, or this entry was inserted.
    #[error("entry {} does not follow the one before it: something was removed or put in", .0.0)]
    Unlinked(ChangeId),
    /// The entry's number is not above the one before it.
    #[error("entry {} is out of order", .0.0)]
    OutOfOrder(ChangeId),
    /// Numbers before the entry are missing, and it is none that tells of such a loss.
    #[error("entries up to {} are missing", .0.0.saturating_sub(1))]
    Missing(ChangeId),
}

impl Default for Chain {
    fn default() -> Self {
        Self { entries: 0, last: None, head: ChainDigest::START }
    }
}

impl Chain {
    /// Takes the next entry.
    ///
    /// ```
    /// use keyward::audit::{AuditEntry, Chain, ChainDigest, ChainError, ChangeId};
    /// use keyward::time::UnixMillis;
    ///
    /// let mut entry = AuditEntry {
    ///     id: ChangeId(1),
    ///     at: UnixMillis(1_767_225_600_000),
    ///     actor: "program".to_owned(),
    ///     address: None,
    ///     verb: "issue".to_owned(),
    ///     key_id: Some(1),
    ///     tier: None,
    ///     owner: None,
    ///     request_id: None,
    ///     details: None,
    ///     previous: ChainDigest::START,
    ///     digest: ChainDigest::START,
    /// };
    /// entry.digest = entry.seal();
    /// assert_eq!(Chain::default().follow(&entry), Ok(()));
    /// // It was altered after it was written.
    /// entry.key_id = Some(2);
    /// assert_eq!(Chain::default().follow(&entry), Err(ChainError::Altered(ChangeId(1))));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChainError`] if it does not fit; then the chain is broken here.
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), ChainError> {
        if self.last.is_some_and(|last| entry.id <= last) {
            return Err(ChainError::OutOfOrder(entry.id));
        }
        if entry.previous != self.head {
            return Err(ChainError::Unlinked(entry.id));
        }
        if entry.seal() != entry.digest {
            return Err(ChainError::Altered(entry.id));
        }
        let last = self.last.map_or(0, |last| last.0);
        let tells_of_a_loss =
            [Verb::AcceptRestore, Verb::Diverged].iter().any(|verb| entry.verb == verb.as_str());
        if entry.id.0.checked_sub(1) != Some(last) && !tells_of_a_loss {
            return Err(ChainError::Missing(entry.id));
        }
        *self = Self { entries: self.entries + 1, last: Some(entry.id), head: entry.digest };
        Ok(())
    }

    /// How many entries there were so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The digest of the last entry.
    #[must_use]
    pub fn head(&self) -> ChainDigest {
        self.head
    }
}

#[cfg(test)]
mod tests;
