//! What caches on the way may do with a response for which a key was looked for.
//!
//! A shared cache knows that `Authorization` protects a response (RFC 9111, section 3.5), but knows
//! nothing of `X-API-Key`. Without the fields that this module adds, it would serve a response for
//! one key to clients without that key, even after the key was revoked.

use http::header::{AUTHORIZATION, CACHE_CONTROL, Entry, HeaderMap, HeaderName, HeaderValue, VARY};

use crate::credentials::X_API_KEY;

/// The header fields that may contain a key.
const KEY_FIELDS: [(HeaderName, &[u8]); 2] =
    [(AUTHORIZATION, b"Authorization"), (X_API_KEY, b"X-API-Key")];
const VARY_BY_KEY: HeaderValue = HeaderValue::from_static("Authorization, X-API-Key");
/// Only the caller may store the response, and has to revalidate it before each use.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Most fields that [`keep_private`] writes.
pub(crate) const FIELDS_MAX: usize = 2;

/// Says that the response depends on the key and is for its caller alone. A `Cache-Control` of the
/// handler is kept.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::cache;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("vary", HeaderValue::from_static("accept"));
/// cache::keep_private(&mut headers);
/// assert_eq!(headers["vary"], "accept, Authorization, X-API-Key");
/// assert_eq!(headers["cache-control"], "private, no-cache");
/// ```
pub fn keep_private(headers: &mut HeaderMap) {
    match headers.entry(VARY) {
        Entry::Vacant(place) => drop(place.insert_entry(VARY_BY_KEY)),
        Entry::Occupied(_) => vary_by_key_too(headers),
    }
    headers.entry(CACHE_CONTROL).or_insert(PRIVATE);
}

/// Adds the fields that a `Vary` does not name yet, all in one line: not every cache reads a second
/// one.
fn vary_by_key_too(headers: &mut HeaderMap) {
    let lines = headers.get_all(VARY).iter().map(HeaderValue::as_bytes);
    let members = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
    if members.contains(&&b"*"[..]) {
        return;
    }
    let named = members.len();
    for (name, text) in &KEY_FIELDS {
        let is_it = |member: &&[u8]| member.eq_ignore_ascii_case(name.as_str().as_bytes());
        if !members.iter().any(is_it) {
            members.push(text);
        }
    }
    if named < members.len()
        && let Ok(line) = HeaderValue::from_bytes(&members.join(&b", "[..]))
    {
        headers.insert(VARY, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &[&'static str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(VARY, HeaderValue::from_static(line));
        }
        // The second call changes nothing.
        for _ in 0..2 {
            keep_private(&mut headers);
            let after: Vec<_> = headers.get_all(VARY).iter().collect();
            assert_eq!(after, expected, "{before:?}");
        }
    }

    #[test]
    fn what_varies_stays_and_the_key_is_added_once() {
        check(&[], &["Authorization, X-API-Key"]);
        check(&["Accept-Encoding"], &["Accept-Encoding, Authorization, X-API-Key"]);
        check(&["origin", "accept"], &["origin, accept, Authorization, X-API-Key"]);
        check(&["x-api-KEY"], &["x-api-KEY, Authorization"]);
        check(&["authorization,x-api-key"], &["authorization,x-api-key"]);
        check(&["authorization", "x-api-key"], &["authorization", "x-api-key"]);
        check(&["X-API-Key-Id"], &["X-API-Key-Id, Authorization, X-API-Key"]);
        check(&[" , "], &["Authorization, X-API-Key"]);
    }

    #[test]
    fn everything_includes_the_key() {
        check(&["*"], &["*"]);
        check(&["accept, *"], &["accept, *"]);
    }

    #[test]
    fn what_a_handler_says_of_caches_stays() {
        let mut headers = HeaderMap::new();
        keep_private(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "private, no-cache");
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        keep_private(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=60");
    }
}
