//! The form of a rejection that a client asks for.

use http::header::{ACCEPT, HeaderMap};

/// Which form of a rejection the client reads.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use keyward_http::{Form, Rejection};
///
/// let response: Response<Bytes> = Rejection::not_found().respond(Form::Plain);
/// assert_eq!(response.body(), r#"{"detail":"Not Found"}"#);
/// let response: Response<Bytes> = Rejection::not_found().respond(Form::Problem);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Plain,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

impl Form {
    /// The form that the `Accept` lines ask for; anything unclear is plain.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::Form;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("accept", HeaderValue::from_static("application/problem+json"));
    /// assert_eq!(Form::of(&headers), Form::Problem);
    /// headers.insert("accept", HeaderValue::from_static("*/*"));
    /// assert_eq!(Form::of(&headers), Form::Plain);
    /// ```
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let mut ranges = lines.flat_map(|line| line.split(','));
        if ranges.any(asks_for_problem) { Self::Problem } else { Self::Plain }
    }
}

fn asks_for_problem(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case("application/problem+json"));
    let refused = |part: &str| {
        let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.parse() == Ok(0.0))
    };
    named && !parts.any(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Form::of(&headers)
    }

    #[test]
    fn a_problem_document_is_for_those_who_ask() {
        assert_eq!(form("application/problem+json"), Form::Problem);
        assert_eq!(form("text/html, Application/Problem+JSON;q=0.5"), Form::Problem);
        assert_eq!(form("application/problem+json;q=0"), Form::Plain);
        assert_eq!(form("application/json"), Form::Plain);
        assert_eq!(form("*/*"), Form::Plain);
        assert_eq!(Form::of(&HeaderMap::new()), Form::Plain);
    }
}
