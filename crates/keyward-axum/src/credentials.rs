//! Finding the key in a request: where it may stand, and what makes it ambiguous.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The other place for a key, beside `Authorization: Bearer`.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Why no single key could be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// There are several, so that two readers of the request might see two callers.
    Several,
    /// The `Authorization` line is not `Bearer <key>`.
    BadFormat,
}

/// Finds the key that a request presents; `None` if there is none at all.
///
/// It stands in `Authorization: Bearer <key>` (RFC 6750; the scheme in any case, RFC 9110) or in
/// `X-API-Key: <key>`. A key in the URL is never read.
///
/// # Errors
///
/// Returns [`CredentialsError`] if there are several keys or the line is malformed.
pub fn find(headers: &HeaderMap) -> Result<Option<&str>, CredentialsError> {
    let (mut authorization, mut api_key) = (None, None);
    // One walk along the few headers of a request costs less than looking up two names.
    for (name, value) in headers {
        let place = match name {
            name if name == AUTHORIZATION => &mut authorization,
            name if name == X_API_KEY => &mut api_key,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(CredentialsError::Several);
        }
    }
    match (authorization, api_key) {
        (None, None) => Ok(None),
        (None, Some(key)) => Ok(Some(text(key))),
        (Some(line), None) => bearer(line).map(Some).ok_or(CredentialsError::BadFormat),
        (Some(line), Some(_)) => match bearer(line) {
            Some(_) => Err(CredentialsError::Several),
            None => Err(CredentialsError::BadFormat),
        },
    }
}

/// Hides the keys of a request from whatever prints its headers.
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers {
        if name == AUTHORIZATION || name == X_API_KEY {
            value.set_sensitive(true);
        }
    }
}

/// A value that is not text is a key that nobody has.
fn text(value: &HeaderValue) -> &str {
    std::str::from_utf8(value.as_bytes()).unwrap_or_default()
}

fn bearer(line: &HeaderValue) -> Option<&str> {
    let (scheme, key) = text(line).split_once(' ')?;
    let key = key.trim_matches(' ');
    let is_key = !key.is_empty() && is_visible(key);
    (scheme.eq_ignore_ascii_case("bearer") && is_key).then_some(key)
}

/// Looks at every byte rather than stopping at the first bad one, which goes 16 bytes at a time.
fn is_visible(text: &str) -> bool {
    text.bytes().fold(true, |visible, byte| visible & byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    #[track_caller]
    fn check(lines: &[(&'static str, &[u8])], expected: Result<Option<&str>, CredentialsError>) {
        assert_eq!(find(&headers(lines)), expected, "{lines:?}");
    }

    #[test]
    fn a_key_stands_in_one_of_two_places() {
        check(&[], Ok(None));
        check(&[("authorization", b"Bearer abc")], Ok(Some("abc")));
        check(&[("authorization", b"bEARER  abc ")], Ok(Some("abc")));
        check(&[("x-api-key", b"abc")], Ok(Some("abc")));
    }

    #[test]
    fn anything_else_in_authorization_is_malformed() {
        for line in [&b"Bearer"[..], b"Bearer ", b"Basic abc", b"abc", b"", b"Bearer a b"] {
            check(&[("authorization", line)], Err(CredentialsError::BadFormat));
        }
        check(&[("authorization", b"Bearer a\xffb")], Err(CredentialsError::BadFormat));
        check(&[("authorization", b"Bearer a\tb")], Err(CredentialsError::BadFormat));
        let both: [(_, &[u8]); 2] = [("authorization", b"Basic abc"), ("x-api-key", b"abc")];
        check(&both, Err(CredentialsError::BadFormat));
    }

    #[test]
    fn several_keys_are_ambiguous_even_if_they_are_equal() {
        let twice = |name| [(name, &b"Bearer abc"[..]), (name, b"Bearer abc")];
        check(&twice("authorization"), Err(CredentialsError::Several));
        check(&twice("x-api-key"), Err(CredentialsError::Several));
        let both: [(_, &[u8]); 2] = [("authorization", b"Bearer abc"), ("x-api-key", b"abc")];
        check(&both, Err(CredentialsError::Several));
    }

    #[test]
    fn an_unreadable_api_key_is_nobodys() {
        check(&[("x-api-key", b"a\xffb")], Ok(Some("")));
    }

    #[test]
    fn marked_headers_are_not_printed() {
        let mut headers = headers(&[("authorization", b"Bearer abc"), ("x-api-key", b"def")]);
        mark_sensitive(&mut headers);
        let printed = format!("{headers:?}");
        assert!(!printed.contains("abc") && !printed.contains("def"), "{printed}");
    }
}
