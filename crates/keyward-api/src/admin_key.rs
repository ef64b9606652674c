//! The admin key, as its operator and its clients have it.

use std::fmt;

use zeroize::Zeroizing;

/// Most characters of an admin key.
const LEN_MAX: usize = 512;

/// The key of the admin routes.
///
/// Holding one proves 1 to 512 visible ASCII characters (`!` to `~`). The server decides whether
/// that is strong enough for a listener that other machines can reach. Its memory is wiped when it
/// is dropped, and [`AdminKey::expose`] is the only way to the text.
#[derive(Clone)]
pub struct AdminKey(Zeroizing<String>);

impl AdminKey {
    /// Takes the text of a key.
    ///
    /// # Errors
    ///
    /// Returns the fault and the remedy, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
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

    /// The text itself, for the header that a client sends.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        let key = AdminKey::parse("correct-horse").unwrap();
        assert_eq!(format!("{key:?}"), "AdminKey(…)");
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
