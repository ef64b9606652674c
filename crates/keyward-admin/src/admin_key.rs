//! The digests that a server keeps of admin keys, and their comparison with a presented key.

use std::fmt;

pub use keyward_api::admin_key::AdminKey;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// SHA-256 of an admin key, and its length: all that a server needs of it, and keeps.
#[derive(Clone)]
pub struct AdminKeyDigest {
    digest: [u8; 32],
    len: usize,
}

impl AdminKeyDigest {
    /// The digest that a server keeps of a key.
    pub fn of(key: &AdminKey) -> Self {
        Self::of_text(key.expose().as_bytes())
    }

    /// Whether a presented text is this key.
    ///
    /// Digests are compared, not texts, so that the time taken reveals neither where two texts
    /// differ nor how long the key is.
    pub fn equals(&self, presented: &[u8]) -> bool {
        self == &Self::of_text(presented)
    }

    /// The hasher stays where it is until its buffer is wiped.
    fn of_text(text: &[u8]) -> Self {
        let (mut hasher, mut digest) = (Sha256::new(), [0; 32]);
        hasher.update(text);
        hasher.finalize_into_reset((&mut digest).into());
        Self { digest, len: text.len() }
    }

    /// How many characters it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The same as [`AdminKeyDigest::equals`] without hashing a text of another length. Its time
    /// reveals how long the key is.
    pub fn is_as_long_and_equals(&self, text: &[u8]) -> bool {
        self.len == text.len() && self.equals(text)
    }
}

impl PartialEq for AdminKeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.digest.ct_eq(&other.digest).into()
    }
}

impl Eq for AdminKeyDigest {}

impl fmt::Debug for AdminKeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKeyDigest(…)")
    }
}

/// Which of the admin keys one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichKey {
    /// The only one.
    Only,
    /// The one that is being replaced.
    Replaced,
    /// The one that replaces it.
    Next,
}

/// The digests of the keys that open the control plane: that of the admin key and, while clients
/// move to another one, that of the next.
///
/// ```
/// use keyward_admin::admin_key::{AdminKey, AdminKeyDigest, AdminKeyDigests, WhichKey};
///
/// let digest = |text| AdminKey::parse(text).map(|key| AdminKeyDigest::of(&key));
/// let keys = AdminKeyDigests { first: digest("old-key").ok(), next: digest("new-key").ok() };
/// // While clients move to the next key, both open the control plane.
/// assert_eq!(keys.find(b"old-key"), Some(WhichKey::Replaced));
/// assert_eq!(keys.find(b"new-key"), Some(WhichKey::Next));
/// assert_eq!(keys.find(b"another"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminKeyDigests {
    /// That of the admin key.
    pub first: Option<AdminKeyDigest>,
    /// That of the next.
    pub next: Option<AdminKeyDigest>,
}

impl AdminKeyDigests {
    /// That of one key, which no other replaces.
    ///
    /// ```
    /// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests, WhichKey};
    ///
    /// let keys = AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?);
    /// assert_eq!(keys.find(b"an-admin-key-of-an-example"), Some(WhichKey::Only));
    /// assert_eq!(keys.find(b"another"), None);
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    pub fn only(key: &AdminKey) -> Self {
        Self { first: Some(AdminKeyDigest::of(key)), next: None }
    }

    /// Whether nothing opens it.
    ///
    /// ```
    /// use keyward_admin::admin_key::AdminKeyDigests;
    ///
    /// assert!(AdminKeyDigests::default().are_none());
    /// ```
    pub fn are_none(&self) -> bool {
        self.first.is_none() && self.next.is_none()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &AdminKeyDigest> {
        [&self.first, &self.next].into_iter().flatten()
    }

    /// Returns which of the keys a presented text is. Both are always compared.
    ///
    /// ```
    /// use keyward_admin::admin_key::AdminKeyDigests;
    ///
    /// // Without a key, every text is a wrong one.
    /// assert_eq!(AdminKeyDigests::default().find(b""), None);
    /// ```
    pub fn find(&self, presented: &[u8]) -> Option<WhichKey> {
        let presented = AdminKeyDigest::of_text(presented);
        let equals = |key: &Option<AdminKeyDigest>| {
            key.as_ref().map_or(Choice::from(0), |key| key.digest.ct_eq(&presented.digest))
        };
        let (is_first, is_next) = (equals(&self.first), equals(&self.next));
        match (bool::from(is_first), bool::from(is_next)) {
            // If they are the same, no client has to change its key.
            (_, true) => Some(WhichKey::Next),
            (true, false) if self.next.is_some() => Some(WhichKey::Replaced),
            (true, false) => Some(WhichKey::Only),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> AdminKeyDigest {
        AdminKeyDigest::of(&AdminKey::parse(text).unwrap())
    }

    #[test]
    fn only_the_very_same_text_equals() {
        let key = digest("correct-horse");
        assert!(key.equals(b"correct-horse"));
        for other in ["", "correct-hors", "correct-horse ", "Correct-horse"] {
            assert!(!key.equals(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn either_key_opens_and_no_other_text() {
        let digest = |text| Some(digest(text));
        let both = AdminKeyDigests { first: digest("old-key"), next: digest("new-key") };
        let found = |keys: &AdminKeyDigests| {
            [&b"old-key"[..], b"new-key", b"old-keynew-key", b""].map(|text| keys.find(text))
        };
        let (replaced, next) = (Some(WhichKey::Replaced), Some(WhichKey::Next));
        assert_eq!(found(&both), [replaced, next, None, None]);
        let first = AdminKeyDigests { next: None, ..both.clone() };
        assert_eq!(found(&first), [Some(WhichKey::Only), None, None, None]);
        let same = AdminKeyDigests { next: both.first.clone(), ..both.clone() };
        assert_eq!(found(&same), [next, None, None, None]);
        assert!(!first.are_none() && first != both);
        let none = AdminKeyDigests::default();
        assert!(none.are_none() && found(&none) == [None; 4]);
    }

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", digest("correct-horse")), "AdminKeyDigest(…)");
    }
}
