//! The credentials of a request: one key, or none, or an error, in whatever lines.
//!
//! Each line of an input is a field: `A` and the value of `Authorization`, `K` and that of
//! `X-API-Key`, anything else is a field that does not matter.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use keyward_axum::credentials::{X_API_KEY, find, mark_sensitive};

pub(super) const WORDS: &[&[u8]] =
    &[b"\nABearer ", b"\nKkw_Ab3d", b"\nABasic dTpw", b"\nA", b"\nK", b"\nX", b"bEARER", b"Bearer"];

pub(super) fn run(bytes: &[u8]) -> String {
    let fields: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(field).collect();
    let mut headers = headers(&fields);
    let found = find(&mut headers).map(|key| key.map(str::to_owned));
    if let Ok(Some(key)) = &found {
        let stands = |(name, value): &&(HeaderName, HeaderValue)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let is_bearer = || text.split_once(' ').is_some_and(|(_, rest)| rest.trim() == key);
            (name == X_API_KEY && (key.is_empty() || text == *key))
                || (name == AUTHORIZATION && is_bearer())
        };
        let count = fields.iter().filter(stands).count();
        assert_ne!(count, 0, "the key stands in a field, whole");
        let lines = fields.iter().filter(|(name, value)| *name == X_API_KEY && !is_blank(value));
        assert!(lines.count() < 2, "two keys are ambiguous");
    }
    check_printing(&fields, headers);
    check_order(&fields, &found);
    check_what_does_not_matter(&fields, &found);
    format!("{:?}, {} fields", found.map(|key| key.map(|_| ())), fields.len().min(4))
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (kind, value) = line.split_first()?;
    let name = match kind {
        b'A' => AUTHORIZATION,
        b'K' => X_API_KEY,
        _ => HeaderName::from_static("x-other"),
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

fn headers(fields: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value.clone());
    }
    headers
}

fn is_blank(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().is_empty()
}

/// Fields that were looked at, or marked, are printed no more.
fn check_printing(fields: &[(HeaderName, HeaderValue)], looked_at: HeaderMap) {
    let mut marked = headers(fields);
    mark_sensitive(&mut marked);
    for headers in [looked_at, marked] {
        let secret = |name: &HeaderName| name == AUTHORIZATION || name == X_API_KEY;
        let shows = headers
            .iter()
            .any(|(name, value)| secret(name) && !is_blank(value) && !value.is_sensitive());
        assert!(!shows, "a field that may hold a key is sensitive");
    }
}

/// Which of the two fields stands first says nothing.
fn check_order(fields: &[(HeaderName, HeaderValue)], found: &Found) {
    let mut turned = fields.to_vec();
    turned.sort_by_key(|(name, _)| name.as_str().len());
    assert_eq!(&again(&turned), found, "X-API-Key first");
    turned.sort_by_key(|(name, _)| usize::MAX - name.as_str().len());
    assert_eq!(&again(&turned), found, "Authorization first");
}

/// Empty lines and other fields say nothing.
fn check_what_does_not_matter(fields: &[(HeaderName, HeaderValue)], found: &Found) {
    for name in [AUTHORIZATION, X_API_KEY, HeaderName::from_static("x-other")] {
        let mut more = fields.to_vec();
        more.push((name.clone(), HeaderValue::from_static(" ")));
        assert_eq!(&again(&more), found, "an empty {name} in addition");
    }
}

type Found = Result<Option<String>, keyward_axum::credentials::CredentialsError>;

fn again(fields: &[(HeaderName, HeaderValue)]) -> Found {
    find(&mut headers(fields)).map(|key| key.map(str::to_owned))
}
