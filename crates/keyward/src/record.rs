//! The record of a key, secrets aside: its id, name, owner, restrictions and state.

mod short;
mod state;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use compact_str::CompactString;
use thiserror::Error;

use crate::text::{self, TextError};

use self::short::ShortText;

pub use self::state::{KeyState, Stage};

/// Highest id of a key: 2^53 - 1. Programs that keep numbers as doubles, as JavaScript does,
/// represent all up to it exactly.
pub const KEY_ID_MAX: u64 = (1 << 53) - 1;
/// Most characters of a key's name.
pub const NAME_CHARS_MAX: usize = 100;
/// Most scopes that one key carries.
pub const SCOPES_MAX: usize = 32;
/// Most characters of one scope.
pub const SCOPE_LEN_MAX: usize = 128;

/// The lasting identity of a key. It is given by the store, counts up from 1 to [`KEY_ID_MAX`], and
/// is never given twice.
///
/// ```
/// use keyward::record::{KEY_ID_MAX, KeyId};
///
/// assert_eq!(KeyId::new(7).map(|id| id.to_string()).as_deref(), Some("7"));
/// assert!(KeyId::new(0).is_none() && KeyId::new(KEY_ID_MAX + 1).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU64);

impl KeyId {
    /// Accepts 1 to [`KEY_ID_MAX`]; anything else names no key.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).filter(|id| id.get() <= KEY_ID_MAX).map(Self)
    }

    /// The id as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What people call a key: 1 to [`NAME_CHARS_MAX`] characters, all of which can be seen as they
/// are; see [`text::check`]. Names need not be unique.
///
/// ```
/// use keyward::record::KeyName;
///
/// assert!("Wetter für Köln".parse::<KeyName>().is_ok());
/// // Readers of a list could not see what this is.
/// assert!("a\u{200b}b".parse::<KeyName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(ShortText);

/// The error of a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseNameError {
    /// The name is empty.
    #[error("a name has at least 1 character")]
    TooShort,
    /// The name has more than [`NAME_CHARS_MAX`] characters.
    #[error("a name has at most 100 characters")]
    TooLong,
    /// The name cannot be seen as it is.
    #[error("a name has to be legible: {0}")]
    Text(#[from] TextError),
}

impl FromStr for KeyName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseNameError::TooShort);
        }
        if NAME_CHARS_MAX < text.chars().count() {
            return Err(ParseNameError::TooLong);
        }
        text::check(text)?;
        Ok(Self(text.into()))
    }
}

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Most characters of an owner's id.
pub const OWNER_LEN_MAX: usize = 100;

/// The id of the customer to whom a key belongs: 1 to [`OWNER_LEN_MAX`] visible ASCII characters.
///
/// It means nothing to Keyward, which has no table of users; it only groups keys.
///
/// ```
/// use keyward::record::Owner;
///
/// assert!("org_2f9".parse::<Owner>().is_ok());
/// assert!("two words".parse::<Owner>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(ShortText);

/// The error of a text that cannot be an owner's id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an owner has 1 to 100 visible ASCII characters, without spaces")]
pub struct ParseOwnerError;

impl FromStr for Owner {
    type Err = ParseOwnerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=OWNER_LEN_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ParseOwnerError);
        }
        Ok(Self(text.into()))
    }
}

impl Owner {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Something that a key may do: `resource:action`, `resource:*`, or `*` for everything.
///
/// Resource and action consist of `a-z`, `0-9`, `_`, `.` and `-`.
///
/// ```
/// use keyward::record::Scope;
///
/// let scope: Scope = "articles:*".parse()?;
/// assert!(scope.grants("articles:read"));
/// assert!(!scope.grants("keys:read"));
/// # Ok::<(), keyward::record::ParseScopeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(CompactString);

/// The error of a text that is no scope.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a scope is `resource:action`, `resource:*` or `*`, in a-z, 0-9, `_`, `.` and `-`")]
pub struct ParseScopeError;

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word_fits = |word: &str| {
            let fits = |b: u8| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-')
            };
            !word.is_empty() && word.bytes().all(fits)
        };
        let parts_fit = match text.split_once(':') {
            Some((resource, action)) => word_fits(resource) && (action == "*" || word_fits(action)),
            None => text == "*",
        };
        if SCOPE_LEN_MAX < text.len() || !parts_fit {
            return Err(ParseScopeError);
        }
        Ok(Self(text.into()))
    }
}

impl Scope {
    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a key with this scope may do what `asked` names, a `resource:action`.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        // The likeliest first: this is asked with every request that needs a scope.
        if self.0 == asked || self.0 == "*" {
            return true;
        }
        // The rest of `resource:*` ends in the colon, which no resource holds.
        let resource = self.0.strip_suffix('*');
        resource.is_some_and(|resource| asked.starts_with(resource))
    }
}

/// The scopes of one key, at most [`SCOPES_MAX`]. No scopes grant nothing where one is asked for.
///
/// ```
/// use keyward::record::Scopes;
///
/// let scopes = Scopes::new(vec!["articles:read".parse()?, "feeds:*".parse()?])?;
/// assert!(scopes.grants("feeds:write"));
/// assert!(!scopes.grants("articles:write"));
/// assert!(!Scopes::default().grants("articles:read"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

/// The error of more than [`SCOPES_MAX`] scopes for a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key has at most 32 scopes")]
pub struct TooManyScopesError;

impl Scopes {
    /// Takes the scopes as they are, in their order.
    ///
    /// # Errors
    ///
    /// Returns [`TooManyScopesError`] if there are more than [`SCOPES_MAX`].
    pub fn new(scopes: Vec<Scope>) -> Result<Self, TooManyScopesError> {
        if SCOPES_MAX < scopes.len() {
            return Err(TooManyScopesError);
        }
        Ok(Self(scopes))
    }

    /// Whether any of them grants what `asked` names.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.0.iter().any(|scope| scope.grants(asked))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::new(texts.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
    }

    #[test]
    fn scopes_have_three_forms() {
        let check = |text: &str, fits| assert_eq!(text.parse::<Scope>().is_ok(), fits, "{text}");
        check("articles:read", true);
        check("articles:*", true);
        check("*", true);
        check(&format!("a:{}", "b".repeat(126)), true);
        check(&format!("a:{}", "b".repeat(127)), false);
        for text in ["", "articles", ":read", "articles:", "*:read", "a:b:c", "A:b", "a b:c"] {
            check(text, false);
        }
    }

    #[test]
    fn a_scope_grants_itself_and_its_wildcards_grant_below_them() {
        let check = |has: &str, asked, grants| {
            assert_eq!(has.parse::<Scope>().unwrap().grants(asked), grants, "{has} {asked}");
        };
        check("articles:read", "articles:read", true);
        check("articles:read", "articles:write", false);
        check("articles:*", "articles:write", true);
        check("articles:*", "articles2:write", false);
        check("article:*", "articles:write", false);
        check("*", "anything:goes", true);
        check("articles:*", "*", false);
        check("articles:read", "articles:*", false);
    }

    #[test]
    fn no_scopes_grant_nothing() {
        assert!(!scopes(&[]).grants("articles:read"));
        assert!(!scopes(&[]).grants(""));
        assert!(scopes(&["a:b", "c:d"]).grants("c:d"));
    }

    #[test]
    fn names_are_counted_in_characters_and_legible() {
        assert_eq!("".parse::<KeyName>(), Err(ParseNameError::TooShort));
        assert!("ü".repeat(100).parse::<KeyName>().is_ok());
        assert_eq!("ü".repeat(101).parse::<KeyName>(), Err(ParseNameError::TooLong));
        for name in [" ", "\u{a0}\u{3164}", "\u{200b}", "a\u{202e}b", "a\0b", "a\nb"] {
            assert!(matches!(name.parse::<KeyName>(), Err(ParseNameError::Text(_))));
        }
    }

    #[test]
    fn owners_are_ids_and_no_prose() {
        let check = |text: &str, fits| assert_eq!(text.parse::<Owner>().is_ok(), fits, "{text}");
        check("org_2f9", true);
        check("a@example.com", true);
        check(&"o".repeat(100), true);
        check(&"o".repeat(101), false);
        for text in ["", "two words", "line\nbreak", "ü"] {
            check(text, false);
        }
    }

    #[test]
    fn ids_fit_a_double() {
        assert!(KeyId::new(0).is_none());
        assert!(KeyId::new(9_007_199_254_740_991).is_some());
        assert!(KeyId::new(9_007_199_254_740_992).is_none());
    }
}
