//! An admin key where it does not belong: in a URL, or in a header that is kept.
//!
//! Responses echo a query, the log has paths, and the store keeps the names of requests. Only the
//! digest of the admin key is kept, so each piece of such a text that is as long is compared with
//! it.

use http::header::{HeaderMap, HeaderName};
use http::{StatusCode, Uri};
use keyward_axum::Rejection;
use percent_encoding::percent_decode_str;

use crate::admin_key::{AdminKeyDigest, AdminKeyDigests};

/// Headers that are kept or echoed, in addition to the id of the request.
const KEPT: [HeaderName; 3] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("if-match"),
    HeaderName::from_static("if-none-match"),
];

/// The response to a client that sends one of these admin keys where it would be logged.
///
/// ```
/// use http::{HeaderMap, Uri};
/// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
/// use keyward_admin::misplaced_key::rejection;
///
/// let keys = AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?);
/// let check = |uri| rejection(&keys, &Uri::from_static(uri), &HeaderMap::new());
/// assert!(check("/admin/api-keys?limit=20").is_none());
/// let rejected = check("/admin/api-keys?key=an-admin-key-of-an-example").unwrap();
/// assert_eq!(rejected.status(), 400);
/// # Ok::<(), String>(())
/// ```
#[must_use]
pub fn rejection(keys: &AdminKeyDigests, uri: &Uri, headers: &HeaderMap) -> Option<Rejection> {
    let is_misplaced = keys.iter().any(|key| in_url(key, uri) || in_header(key, headers));
    let detail = "The admin key belongs into X-Admin-Key alone; it was not read here";
    is_misplaced.then(|| Rejection::new(StatusCode::BAD_REQUEST, detail))
}

fn in_url(key: &AdminKeyDigest, uri: &Uri) -> bool {
    [Some(uri.path()), uri.query()].into_iter().flatten().any(|text| in_text(key, text))
}

fn in_header(key: &AdminKeyDigest, headers: &HeaderMap) -> bool {
    let mut values = KEPT.into_iter().flat_map(|name| headers.get_all(name));
    values.any(|value| in_bytes(key, value.as_bytes()))
}

/// Whether the key is in a text, as it is or with escapes: the whole text, a part between `/` or
/// `&`, or a piece of such a part between other marks.
fn in_text(key: &AdminKeyDigest, text: &str) -> bool {
    if text.len() < key.len() {
        return false;
    }
    let is_part = |part: &str| {
        in_bytes(key, part.as_bytes())
            || (part.contains('%') && in_bytes(key, &percent_decode_str(part).collect::<Vec<_>>()))
    };
    text.split(['/', '&']).any(|part| {
        let value = part.split_once('=').map_or("", |(_, value)| value);
        is_part(part) || is_part(value)
    })
}

fn in_bytes(key: &AdminKeyDigest, bytes: &[u8]) -> bool {
    key.len() <= bytes.len()
        && (key.is_as_long_and_equals(bytes)
            || bytes.split(is_between).any(|piece| key.is_as_long_and_equals(piece)))
}

/// Whether it is one of ``/?&=;:,#"'<>()`` and the space: the characters between the pieces of a
/// path or a query, and around a pasted key.
fn is_between(character: &u8) -> bool {
    matches!(character, b' ' | b'"' | b'#' | b'&'..=b')' | b',' | b'/' | b':'..=b'?')
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_api::admin_key::AdminKey;

    #[track_caller]
    fn check(key: &str, uri: &str, expected: bool) {
        let key = AdminKeyDigest::of(&AdminKey::parse(key).unwrap());
        assert_eq!(in_url(&key, &uri.parse().unwrap()), expected, "{uri}");
    }

    #[test]
    fn pieces_end_at_marks() {
        let marks: Vec<u8> = (0..=u8::MAX).filter(is_between).collect();
        assert_eq!(marks, b" \"#&'(),/:;<=>?");
    }

    #[test]
    fn an_admin_key_is_found_in_a_url() {
        let key = "0f3c9a7be2d14c5f";
        for uri in [
            "/0f3c9a7be2d14c5f",
            "/admin/0f3c9a7be2d14c5f/x",
            "/admin/api-keys?key=0f3c9a7be2d14c5f",
            "/articles?0f3c9a7be2d14c5f",
            "/articles?a=b&limit=0f3c9a7be2d14c5f&c=d",
            "/articles?q=%220f3c9a7be2d14c5f%22",
            "/articles?q=x%20%30f3c9a7be2d14c5%66",
            "/articles?next=%2Fadmin%3Fkey%3D0f3c9a7be2d14c5f",
        ] {
            check(key, uri, true);
        }
        for uri in ["/", "/0f3c9a7be2d14c5", "/articles?key=0f3c9a7be2d14c5e", "/a?b=%zz"] {
            check(key, uri, false);
        }
        check("p/a+s&s=w%rd", "/articles?key=p%2Fa%2Bs%26s%3Dw%25rd", true);
        check("p/a+s&s=w%rd", "/p%2Fa%2Bs%26s%3Dw%25rd", true);
    }
}
