//! Finding the key in a request: the header fields that may contain it, and the ambiguous cases.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The other header field for a key, in addition to `Authorization: Bearer`.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Why no single key could be found.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::credentials::{CredentialsError, find};
///
/// let of = |line: &'static str| {
///     let mut headers = HeaderMap::new();
///     headers.insert("authorization", HeaderValue::from_static(line));
///     find(&mut headers).map(|key| key.is_some())
/// };
/// assert_eq!(of("Bearer kw_abc"), Ok(true));
/// assert_eq!(of("Basic YTpi"), Err(CredentialsError::BadFormat));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// There are several, so that two readers of the request might see two callers.
    Several,
    /// The `Authorization` line is not `Bearer <key>`.
    BadFormat,
}

/// Finds the key that a request presents; `None` if there is no key at all.
///
/// Marks every header line that may contain a key as sensitive, so that code that prints the
/// headers afterwards hides it.
///
/// The key is in `Authorization: Bearer <key>` (RFC 6750; the scheme in any case, RFC 9110) or in
/// `X-API-Key: <key>`. A key in the URL is never read. A line without a value is ignored. Next to
/// an `X-API-Key`, an `Authorization` of another scheme is ignored: a proxy in front may have asked
/// for it.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::credentials::{self, CredentialsError};
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(credentials::find(&mut headers), Ok(None));
///
/// headers.insert("authorization", HeaderValue::from_static("Bearer kw_abc"));
/// assert_eq!(credentials::find(&mut headers), Ok(Some("kw_abc")));
/// assert!(!format!("{headers:?}").contains("kw_abc"));
///
/// headers.insert("x-api-key", HeaderValue::from_static("kw_def"));
/// assert_eq!(credentials::find(&mut headers), Err(CredentialsError::Several));
/// ```
///
/// # Errors
///
/// Returns [`CredentialsError`] if there are several keys or the line is malformed.
pub fn find(headers: &mut HeaderMap) -> Result<Option<&str>, CredentialsError> {
    let (mut authorization, mut api_key, mut several) = (None, None, false);
    // One walk along the few headers of a request costs less than looking up two names.
    for (name, value) in headers {
        let place = match name {
            name if name == AUTHORIZATION => &mut authorization,
            name if name == X_API_KEY => &mut api_key,
            _ => continue,
        };
        value.set_sensitive(true);
        let value: &HeaderValue = value;
        if !value.as_bytes().trim_ascii().is_empty() {
            several |= place.replace(value).is_some();
        }
    }
    if several {
        return Err(CredentialsError::Several);
    }
    match (authorization, api_key) {
        (None, None) => Ok(None),
        (None, Some(key)) => Ok(Some(text(key))),
        (Some(line), None) => bearer(line).map(Some).ok_or(CredentialsError::BadFormat),
        (Some(line), Some(_)) if bearer(line).is_some() => Err(CredentialsError::Several),
        (Some(line), Some(key)) if has_another_scheme(line) => Ok(Some(text(key))),
        (Some(_), Some(_)) => Err(CredentialsError::BadFormat),
    }
}

/// Hides the keys of a request from code that prints its headers.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::credentials::mark_sensitive;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-api-key", HeaderValue::from_static("kw_abc"));
/// headers.insert("accept", HeaderValue::from_static("text/html"));
/// mark_sensitive(&mut headers);
/// let printed = format!("{headers:?}");
/// assert!(!printed.contains("kw_abc") && printed.contains("text/html"));
/// ```
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers {
        if name == AUTHORIZATION || name == X_API_KEY {
            value.set_sensitive(true);
        }
    }
}

/// A value that is not text is treated as an unknown key.
fn text(value: &HeaderValue) -> &str {
    std::str::from_utf8(value.as_bytes()).unwrap_or_default()
}

fn bearer(line: &HeaderValue) -> Option<&str> {
    let (scheme, key) = text(line).split_once(' ')?;
    let key = key.trim_matches(' ');
    let is_key = !key.is_empty() && is_visible(key);
    (scheme.eq_ignore_ascii_case("bearer") && is_key).then_some(key)
}

/// Whether a line begins with the name of a scheme (a token, RFC 9110, section 11.4) that is not
/// `Bearer`. A malformed scheme does not count as another one.
fn has_another_scheme(line: &HeaderValue) -> bool {
    let line = line.as_bytes().trim_ascii();
    let scheme = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    scheme.iter().all(in_token) && !scheme.eq_ignore_ascii_case(b"bearer")
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

    const BEARER: (&str, &[u8]) = ("authorization", b"Bearer abc");
    const BASIC: (&str, &[u8]) = ("authorization", b"Basic dTpw");
    const KEY: (&str, &[u8]) = ("x-api-key", b"def");

    #[track_caller]
    fn check(lines: &[(&'static str, &[u8])], expected: Result<Option<&str>, CredentialsError>) {
        assert_eq!(find(&mut headers(lines)), expected, "{lines:?}");
    }

    #[test]
    fn a_key_stands_in_one_of_two_places() {
        check(&[], Ok(None));
        check(&[BEARER], Ok(Some("abc")));
        check(&[("authorization", b"bEARER  abc ")], Ok(Some("abc")));
        check(&[KEY], Ok(Some("def")));
    }

    #[test]
    fn anything_else_in_authorization_is_malformed() {
        for line in [&b"Bearer"[..], b"Bearer ", b"Basic abc", b"abc", b"Bearer a b"] {
            check(&[("authorization", line)], Err(CredentialsError::BadFormat));
        }
        check(&[("authorization", b"Bearer a\xffb")], Err(CredentialsError::BadFormat));
        check(&[("authorization", b"Bearer a\tb")], Err(CredentialsError::BadFormat));
    }

    #[test]
    fn a_line_without_a_value_is_as_if_it_were_not_there() {
        for empty in [&b""[..], b" ", b"\t "] {
            let (authorization, api_key) = (("authorization", empty), ("x-api-key", empty));
            check(&[authorization], Ok(None));
            check(&[api_key], Ok(None));
            check(&[authorization, api_key, authorization, api_key], Ok(None));
            check(&[authorization, KEY], Ok(Some("def")));
            check(&[BEARER, api_key], Ok(Some("abc")));
            check(&[authorization, BEARER, authorization], Ok(Some("abc")));
            check(&[api_key, KEY], Ok(Some("def")));
            check(&[BASIC, api_key], Err(CredentialsError::BadFormat));
        }
    }

    #[test]
    fn an_api_key_counts_beside_the_credentials_of_another_scheme() {
        for line in [&b"Basic dTpw"[..], b"Negotiate YII=", b"negotiate", b"Digest a=\"b\", c=d"] {
            check(&[("authorization", line), KEY], Ok(Some("def")));
            check(&[KEY, ("authorization", line)], Ok(Some("def")));
        }
        // These may contain a key for this service.
        for line in [&b"Bearer"[..], b"bearer a b", b"Bearer\tabc", b"Bearer,abc", b"\xff abc"] {
            check(&[("authorization", line), KEY], Err(CredentialsError::BadFormat));
        }
    }

    #[test]
    fn several_keys_are_ambiguous_even_if_they_are_equal() {
        let equal: (_, &[u8]) = ("x-api-key", b"abc");
        for lines in [
            &[BEARER, BEARER][..],
            &[KEY, KEY],
            &[BEARER, equal],
            &[BASIC, BEARER],
            &[BASIC, BASIC, KEY],
            &[BASIC, KEY, KEY],
        ] {
            check(lines, Err(CredentialsError::Several));
        }
    }

    #[test]
    fn an_unreadable_api_key_is_nobodys() {
        check(&[("x-api-key", b"a\xffb")], Ok(Some("")));
    }

    #[test]
    fn a_line_that_may_hold_a_key_is_not_printed_once_it_was_looked_at() {
        let both = [BEARER, KEY, ("x-api-key", b"ghi")];
        let mut found = headers(&both);
        assert_eq!(find(&mut found), Err(CredentialsError::Several));
        let mut marked = headers(&both);
        mark_sensitive(&mut marked);
        for headers in [found, marked] {
            let printed = format!("{headers:?}");
            let holds = |key| printed.contains(key);
            assert!(!holds("abc") && !holds("def") && !holds("ghi"), "{printed}");
        }
    }
}
