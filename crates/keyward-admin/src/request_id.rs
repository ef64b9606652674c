//! The id of a request, by which its response, its log lines and its entries in the audit trail are
//! found.

use std::fmt;
use std::io::Write as _;

use keyward::scan::holds_key;

/// Most bytes of the id of a request.
pub const REQUEST_ID_LEN_MAX: usize = 64;

/// The id of a request. It is as long as it may be, so that no request takes memory for it.
///
/// An app that gives its requests ids puts one into the extensions of each request, and the control
/// plane writes it into the audit trail. A request without an id is recorded without one.
///
/// ```
/// use keyward_admin::RequestId;
///
/// let id = RequestId::parse("5f3759df-00000001").expect("letters, digits, `-`, `_` and `.`");
/// assert_eq!(id.as_str(), "5f3759df-00000001");
/// assert_eq!(RequestId::parse("two words"), None);
/// assert_eq!(RequestId::parse(&"a".repeat(65)), None);
/// assert_eq!(RequestId::of_number(0x5f37_59df_0000_0001).as_str(), "5f3759df00000001");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; REQUEST_ID_LEN_MAX],
    len: usize,
}

impl RequestId {
    /// A number as 16 hexadecimal digits.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        let mut digits = [0; 16];
        // It has room for every number, so this does not fail.
        drop(write!(&mut digits[..], "{number:016x}"));
        Self::of(&digits)
    }

    /// The id that a client chose: 1 to 64 letters, digits, `-`, `_` and `.`, in ASCII. `None` for
    /// any other text, and for one with an API key in it: ids are logged, stored and shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_decent = (1..=REQUEST_ID_LEN_MAX).contains(&text.len()) && text.bytes().all(fits);
        (is_decent && !holds_key(text)).then(|| Self::of(text.as_bytes()))
    }

    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; REQUEST_ID_LEN_MAX];
        bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Self { bytes, len: text.len().min(REQUEST_ID_LEN_MAX) }
    }

    /// The id as text, which is visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use keyward::Secret;
    use keyward::key::Prefix;

    use super::*;

    #[test]
    fn a_number_is_an_id_of_16_digits() {
        assert_eq!(RequestId::of_number(0x5f37_59df_0000_0001).as_str(), "5f3759df00000001");
        assert_eq!(RequestId::of_number(u64::MAX).as_str(), "f".repeat(16));
    }

    #[test]
    fn an_id_has_1_to_64_characters_and_no_key() {
        let parsed = |text: &str| RequestId::parse(text).map(|id| id.as_str().to_owned());
        for id in ["a", "A-1_b.c", &"a".repeat(64)] {
            assert_eq!(parsed(id).as_deref(), Some(id));
        }
        let secret = Secret::generate(&Prefix::default()).unwrap();
        for text in ["", "a b", "ü", "a/b", &"a".repeat(65), secret.expose()] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
