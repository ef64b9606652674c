//! The identity of a caller, as header fields that a proxy hands to the service behind it.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use keyward::KeyRef;

const FIELDS_LEN: usize = 5;

/// Fields of a response that lets a request in: these, those of limits and of caches, and others.
pub(crate) const RESPONSE_FIELDS: usize = FIELDS_LEN + 11;

/// The fields, in the order of [`write()`]. A proxy overwrites all of them, since a client may send
/// fields of these names.
pub(crate) const FIELDS: [HeaderName; FIELDS_LEN] = [
    HeaderName::from_static("x-keyward-key-id"),
    HeaderName::from_static("x-keyward-name"),
    HeaderName::from_static("x-keyward-tier"),
    HeaderName::from_static("x-keyward-owner"),
    HeaderName::from_static("x-keyward-scopes"),
];

/// Writes all of the fields; one of which the key has nothing is empty.
///
/// In a value, all but visible ASCII is percent-encoded, and so is `%`. Scopes are separated by
/// spaces.
pub(crate) fn write(headers: &mut HeaderMap, key: &KeyRef) {
    let mut text = String::with_capacity(160);
    let mut ends = [0; FIELDS_LEN];
    for (at, end) in ends.iter_mut().enumerate() {
        match at {
            0 => text.push_str(itoa::Buffer::new().format(key.key_id().get())),
            1 => encode(&mut text, key.name()),
            2 => encode(&mut text, key.tier()),
            3 => encode(&mut text, key.owner().unwrap_or_default()),
            _ => encode_all(&mut text, key.scopes()),
        }
        *end = text.len();
    }
    // The fields share one piece of memory.
    let (text, mut begin) = (Bytes::from(text), 0);
    for (name, end) in FIELDS.into_iter().zip(ends) {
        // All of it is visible ASCII and spaces, which any header takes.
        if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(begin..end)) {
            headers.insert(name, value);
        }
        begin = end;
    }
}

fn encode_all<'a>(text: &mut String, values: impl Iterator<Item = &'a str>) {
    for (at, value) in values.enumerate() {
        if 0 < at {
            text.push(' ');
        }
        encode(text, value);
    }
}

/// Percent-encodes all but visible ASCII, and `%` (RFC 3986, section 2.1).
fn encode(text: &mut String, value: &str) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    // As nearly all values are.
    if value.bytes().all(is_plain) {
        text.push_str(value);
        return;
    }
    for byte in value.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            push_escape(text, byte);
        }
    }
}

/// Percent-encodes what a quoted text in a proxy's configuration cannot hold: `"`, `\`, control
/// characters, and all but ASCII.
pub(crate) fn quotable(detail: &str) -> String {
    let mut text = String::with_capacity(detail.len());
    for byte in detail.bytes() {
        let is_plain = (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\');
        if is_plain {
            text.push(char::from(byte));
        } else {
            push_escape(&mut text, byte);
        }
    }
    text
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase();
    text.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_visible_ascii_is_escaped() {
        let check = |value: &str, expected: &str| {
            let mut text = String::new();
            encode(&mut text, value);
            assert_eq!(text, expected);
        };
        check("weather-bot", "weather-bot");
        check("50% ü", "50%25%20%C3%BC");
        check("a\r\nb: c", "a%0D%0Ab:%20c");
        check("\u{7f}~!", "%7F~!");
    }

    #[test]
    fn a_detail_fits_between_quotes() {
        assert_eq!(quotable("Rate limit exceeded"), "Rate limit exceeded");
        assert_eq!(quotable("a \"b\" \\c\n"), "a %22b%22 %5Cc%0A");
        assert_eq!(quotable("ü"), "%C3%BC");
    }
}
