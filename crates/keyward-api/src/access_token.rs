//! The access token of a person, as a client sends it.

use std::fmt;

use zeroize::Zeroizing;

/// Most bytes of a token: no server takes a longer request head.
const LEN_MAX: usize = 16 * 1_024;
/// The scheme before a token in a header, which is not a part of the token.
const SCHEME: &str = "Bearer";

/// An access token of an OpenID Connect issuer.
///
/// Holding one proves 1 to 16 384 visible ASCII characters. Only the server can say whether it is
/// valid. Its memory is wiped when it is dropped, and a header is the only way to the text.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Takes the text of a token; line ends after it are left out.
    ///
    /// # Errors
    ///
    /// Returns the fault and the remedy, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err("is empty; sign in, and put the access token there".to_owned());
        }
        if LEN_MAX < text.len() {
            return Err(format!("is longer than {LEN_MAX} bytes, which no server takes"));
        }
        let scheme = text.get(..SCHEME.len()).unwrap_or_default();
        let has_scheme = scheme.eq_ignore_ascii_case(SCHEME)
            && text.get(SCHEME.len()..).is_some_and(|rest| rest.starts_with([' ', '\t', ':']));
        if has_scheme {
            return Err("begins with the word `Bearer`; leave it out, the token alone belongs \
                        there"
                .to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has a space, a line break, a control character or a letter outside \
                        ASCII, as no token has; copy it anew"
                .to_owned());
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The value of a request's header field.
    #[must_use]
    pub fn authorization(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{SCHEME} {}", self.0.as_str()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_visible_ascii_up_to_16_kib() {
        for good in ["x".to_owned(), "eyJh.e30.c2ln".to_owned(), "x".repeat(LEN_MAX)] {
            for end in ["", "\n", "\r\n", "\n\n"] {
                let token = AccessToken::parse(&format!("{good}{end}")).unwrap();
                assert_eq!(*token.authorization(), format!("Bearer {good}"));
            }
        }
        for bad in [
            String::new(),
            "\n".to_owned(),
            "x".repeat(LEN_MAX + 1),
            "eyJh .e30".to_owned(),
            " eyJh".to_owned(),
            "eyJh\ne30".to_owned(),
            "schlüssel".to_owned(),
            "\u{201c}eyJh\u{201d}".to_owned(),
        ] {
            let problem = AccessToken::parse(&bad).unwrap_err();
            let text = bad.trim();
            assert!(text.is_empty() || !problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn the_word_of_the_header_is_pointed_out() {
        for bad in ["Bearer eyJh.e30.c2ln", "bearer eyJh", "BEARER: eyJh", "Bearer\teyJh"] {
            let problem = AccessToken::parse(bad).unwrap_err();
            assert!(problem.contains("`Bearer`") && !problem.contains("eyJh"), "{problem}");
        }
        assert!(AccessToken::parse("bearerjh.e30.c2ln").is_ok());
    }

    #[test]
    fn debug_hides_the_token() {
        assert_eq!(format!("{:?}", AccessToken::parse("eyJh").unwrap()), "AccessToken(…)");
    }
}
