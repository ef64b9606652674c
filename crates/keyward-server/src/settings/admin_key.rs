//! The admin key, and comparing it with what somebody sent.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// Most characters of an admin key.
const LEN_MAX: usize = 512;

/// What is said of a key in quotation marks.
pub(crate) const QUOTED: &str = "it begins and ends with a quotation mark, which counts as part of \
                                 it: a shell takes such marks away, an env file may not";

/// Whether a key stands in quotation marks, as people write it into files where they are no syntax.
/// It may be meant, so it is pointed out, not refused.
pub(crate) fn is_quoted(key: &str) -> bool {
    let quotes = ['"', '\'', '`'];
    quotes
        .into_iter()
        .any(|quote| key.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).is_some())
}

/// What guards the admin routes.
///
/// Holding one proves 1 to 512 visible ASCII characters (`!` to `~`). Whether that is enough to
/// guard a listener that others can reach is `Settings::check_exposure`'s business. Its memory is
/// wiped when it is dropped, and [`AdminKey::expose`] is the only way to the text.
#[derive(Clone)]
pub(crate) struct AdminKey(Zeroizing<String>);

impl AdminKey {
    /// Takes the text of a key.
    ///
    /// # Errors
    ///
    /// Returns what is wrong and what to do, without the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; make a key with `openssl rand -hex 32`".to_owned());
        }
        if LEN_MAX < text.len() {
            return Err(format!("is longer than {LEN_MAX} characters; use a shorter one"));
        }
        if text.trim() != text {
            return Err(
                "begins or ends with a space, which belongs to no header; take it away".to_owned()
            );
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("has a space, a control character or a letter outside ASCII, which no \
                        header can carry safely; make a key with `openssl rand -hex 32`"
                .to_owned());
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// What a server keeps of it.
    pub(crate) fn digest(&self) -> AdminKeyDigest {
        AdminKeyDigest::of(self.0.as_bytes())
    }

    /// The text itself, for the header that a client sends.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(…)")
    }
}

/// SHA-256 of an admin key, and its length: all that a server needs of it, and keeps.
#[derive(Clone)]
pub(crate) struct AdminKeyDigest {
    digest: [u8; 32],
    len: usize,
}

impl AdminKeyDigest {
    /// Says whether a presented text is this key.
    ///
    /// Digests are compared, not texts, so that the time taken tells neither where two texts
    /// differ nor how long the key is.
    pub(crate) fn equals(&self, presented: &[u8]) -> bool {
        self == &Self::of(presented)
    }

    /// The hasher stays where it is until its buffer is wiped.
    fn of(text: &[u8]) -> Self {
        let (mut hasher, mut digest) = (Sha256::new(), [0; 32]);
        hasher.update(text);
        hasher.finalize_into_reset((&mut digest).into());
        Self { digest, len: text.len() }
    }

    /// How many characters it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The same as [`AdminKeyDigest::equals`] without hashing what cannot be the key. Its time
    /// tells how long the key is.
    pub(crate) fn is_as_long_and_equals(&self, text: &[u8]) -> bool {
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
pub(crate) enum WhichKey {
    /// The only one.
    Only,
    /// The one that is being replaced.
    Replaced,
    /// The one that replaces it.
    Next,
}

/// The digests of the keys that open the control plane: that of the admin key and, while clients
/// move to another one, that of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdminKeyDigests {
    /// That of the admin key.
    pub first: Option<AdminKeyDigest>,
    /// That of the next.
    pub next: Option<AdminKeyDigest>,
}

impl AdminKeyDigests {
    /// Whether nothing opens it.
    pub(crate) fn are_none(&self) -> bool {
        self.first.is_none() && self.next.is_none()
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &AdminKeyDigest> {
        [&self.first, &self.next].into_iter().flatten()
    }

    /// Says which of the keys a presented text is. Both are compared, whichever it is.
    pub(crate) fn find(&self, presented: &[u8]) -> Option<WhichKey> {
        let presented = AdminKeyDigest::of(presented);
        let equals = |key: &Option<AdminKeyDigest>| {
            key.as_ref().map_or(Choice::from(0), |key| key.digest.ct_eq(&presented.digest))
        };
        let (is_first, is_next) = (equals(&self.first), equals(&self.next));
        match (bool::from(is_first), bool::from(is_next)) {
            // If they are the same, nobody is left to move.
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

    #[test]
    fn only_the_very_same_text_equals() {
        let key = AdminKey::parse("correct-horse").unwrap().digest();
        assert!(key.equals(b"correct-horse"));
        for other in ["", "correct-hors", "correct-horse ", "Correct-horse"] {
            assert!(!key.equals(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn either_key_opens_and_no_other_text() {
        let digest = |text| Some(AdminKey::parse(text).unwrap().digest());
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
        let key = AdminKey::parse("correct-horse").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.digest()), "AdminKey(…) AdminKeyDigest(…)");
    }

    #[test]
    fn quotation_marks_around_a_key_are_seen() {
        for key in ["\"correct-horse\"", "'correct-horse'", "`correct-horse`"] {
            assert!(is_quoted(key), "{key}");
        }
        for key in ["correct-horse", "\"correct-horse", "correct\"-\"horse", "\"", "\"a'"] {
            assert!(!is_quoted(key), "{key}");
        }
    }

    #[test]
    fn key_is_1_to_512_visible_characters() {
        for good in ["x".to_owned(), "x".repeat(512)] {
            assert!(AdminKey::parse(&good).is_ok());
        }
        for bad in [
            String::new(),
            "x".repeat(513),
            "a b".to_owned(),
            "horse ".to_owned(),
            "schlüssel".to_owned(),
        ] {
            let problem = AdminKey::parse(&bad).unwrap_err();
            assert!(bad.is_empty() || !problem.contains(&bad), "{problem}");
        }
    }
}
