//! Request heads of HTTP/2: what hyper leaves to judge.
//!
//! hyper resets streams whose head breaks the rules of HTTP/2 itself: fields that belong to a
//! connection, names that are not in lower case, pseudo-fields that are unknown, twice there or
//! late (RFC 9113, sections 8.2 and 8.3). Here is what two readers could still read in two ways.

use http::Request;
use http::header::HOST;

/// Why a request has no meaning that all readers would agree on, if it has none.
pub(crate) fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = request.headers().get(HOST).map(|host| host.as_bytes());
    match (authority, host) {
        (None, None) => return Some("Missing Host header"),
        // Names of users have no place in it (RFC 9113, section 8.3.1).
        (Some(authority), _) if authority.contains('@') => {
            return Some("Malformed :authority");
        }
        (Some(authority), Some(host)) if !authority.as_bytes().eq_ignore_ascii_case(host) => {
            return Some("Host is not the same as :authority");
        }
        (Some(_) | None, _) => {}
    }
    // HTTP/1 strips them, so a proxy that hands the field on changes its value (RFC 9113, section
    // 8.2.1).
    let is_padded = |value: &[u8]| {
        let ends = [value.first(), value.last()];
        ends.iter().any(|end| matches!(end, Some(b' ' | b'\t')))
    };
    let is_any_padded = request.headers().values().any(|value| is_padded(value.as_bytes()));
    is_any_padded.then_some("Malformed header field")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fault of a request for this URI, with these fields.
    fn fault_of(uri: &str, fields: &[(&str, &str)]) -> Option<&'static str> {
        let add = |request: http::request::Builder, field: &(&str, &str)| {
            request.header(field.0, field.1)
        };
        fault(&fields.iter().fold(Request::get(uri), add).body(()).unwrap())
    }

    #[test]
    fn a_request_names_one_host() {
        assert_eq!(fault_of("http://a/key", &[]), None);
        assert_eq!(fault_of("http://a:80/key", &[("host", "A:80")]), None);
        assert_eq!(fault_of("/key", &[("host", "a")]), None);
        assert_eq!(fault_of("/key", &[]), Some("Missing Host header"));
        let differs = Some("Host is not the same as :authority");
        assert_eq!(fault_of("http://a/key", &[("host", "b")]), differs);
        assert_eq!(fault_of("http://a/key", &[("host", "a:80")]), differs);
        assert_eq!(fault_of("http://a/key", &[("host", "")]), differs);
        assert_eq!(fault_of("http://me@a/key", &[]), Some("Malformed :authority"));
    }

    #[test]
    fn a_value_begins_and_ends_with_itself() {
        let fault_of = |value| fault_of("http://a/key", &[("x-api-key", value)]);
        assert_eq!([fault_of(""), fault_of("a b")], [None; 2]);
        for value in [" a", "a ", "\ta", "a\t", " "] {
            assert_eq!(fault_of(value), Some("Malformed header field"), "{value:?}");
        }
    }
}
