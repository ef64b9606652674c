//! Rejections as HTTP responses, in one place: statuses, bodies and headers of the contract.

#[cfg(feature = "axum-core")]
mod axum;
mod denied;
mod parts;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use keyward::{Denied, UnixMillis};
use serde_json::{Value, json};

use crate::cache;
use crate::fault::Fault;
use crate::form::Form;
use crate::rate_limit::retry_secs;
use crate::verdicts::Decision;

pub(crate) use self::denied::DeniedAs;

/// A response that rejects a request: a status, a `detail`, and headers.
///
/// As a response it is `{"detail":…}`, or for a client that accepts `application/problem+json` the
/// same `detail` in a problem document (RFC 9457); see [`Rejection::respond`].
///
/// With the feature `axum-core`, axum takes it for a response (`IntoResponse`).
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use keyward_http::{Form, Rejection};
///
/// let rejection = Rejection::new(StatusCode::CONFLICT, "The key was changed meanwhile");
/// let response: Response<Bytes> = rejection.respond(Form::Plain);
/// assert_eq!(response.status(), StatusCode::CONFLICT);
/// assert_eq!(response.body(), r#"{"detail":"The key was changed meanwhile"}"#);
/// ```
#[derive(Clone, Debug)]
pub struct Rejection {
    status: StatusCode,
    detail: Detail,
    headers: HeaderMap,
    /// The verdict that it is the response to, if it is one, and its time.
    denied: Option<Box<(Denied, UnixMillis)>>,
    decision: Option<Decision>,
}

#[derive(Clone, Debug)]
enum Detail {
    Text(Cow<'static, str>),
    /// With one more field. Boxed, for it is rare.
    More(Box<(Cow<'static, str>, &'static str, Value)>),
    Faults(Vec<Fault>),
}

impl Rejection {
    /// Rejects with a sentence.
    ///
    /// ```
    /// use http::StatusCode;
    /// use keyward_http::Rejection;
    ///
    /// let name = "weather-bot";
    /// let rejection = Rejection::new(StatusCode::GONE, format!("{name} is not served any more"));
    /// assert_eq!(rejection.status(), StatusCode::GONE);
    /// ```
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = Detail::Text(detail.into());
        Self { status, detail, headers: HeaderMap::new(), denied: None, decision: None }
    }

    /// Rejects an invalid input, with 422 and every fault that was found.
    ///
    /// ```
    /// use keyward_http::fault::Fault;
    /// use keyward_http::input::Query;
    /// use keyward_http::Rejection;
    ///
    /// let query = Query::parse(Some("limit=0&lmit=20"));
    /// let mut faults = query.unknown(&["limit"]);
    /// faults.extend(query.integer("limit", 1..=100, 50).err());
    /// // Both of them, so that the client mends its request once.
    /// assert_eq!(faults.iter().map(Fault::kind).collect::<Vec<_>>(), [
    ///     "extra_forbidden",
    ///     "greater_than_equal",
    /// ]);
    /// assert_eq!(Rejection::unprocessable(faults).status(), 422);
    /// ```
    #[must_use]
    pub fn unprocessable(faults: Vec<Fault>) -> Self {
        let detail = Detail::Faults(faults);
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            detail,
            headers: HeaderMap::new(),
            denied: None,
            decision: None,
        }
    }

    /// Rejects with a sentence and one more field, such as `key_id`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Response, StatusCode};
    /// use keyward_http::{Form, Rejection};
    ///
    /// let rejection = Rejection::with_field(StatusCode::CONFLICT, "Issued before", "key_id", 7);
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert_eq!(response.body(), r#"{"detail":"Issued before","key_id":7}"#);
    /// ```
    #[must_use]
    pub fn with_field(
        status: StatusCode,
        detail: impl Into<Cow<'static, str>>,
        name: &'static str,
        value: impl Into<Value>,
    ) -> Self {
        let detail = Detail::More(Box::new((detail.into(), name, value.into())));
        Self { status, detail, headers: HeaderMap::new(), denied: None, decision: None }
    }

    /// The rejection without any part of the input; see [`Fault::masked`].
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::fault::Fault;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let location = vec!["body".into(), "text".into()];
    /// let fault = Fault::too_long(location, "my password".into(), 5);
    /// let rejection = Rejection::unprocessable(vec![fault]).masked();
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert!(!response.body().windows(8).any(|text| text == b"password"));
    /// ```
    #[must_use]
    pub fn masked(mut self) -> Self {
        if let Detail::Faults(faults) = &mut self.detail {
            *faults = std::mem::take(faults).into_iter().map(Fault::masked).collect();
        }
        self
    }

    /// 404 `Not Found`.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// assert_eq!(Rejection::not_found().status(), 404);
    /// ```
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    /// 405 `Method Not Allowed`.
    ///
    /// ```
    /// use keyward_http::Rejection;
    ///
    /// assert_eq!(Rejection::method_not_allowed().status(), 405);
    /// ```
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    /// 503: it cannot be known whether the request may or did succeed.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let response: Response<Bytes> = Rejection::unavailable().respond(Form::Plain);
    /// assert_eq!(response.status(), 503);
    /// assert_eq!(response.headers()["retry-after"], "1");
    /// ```
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            .retry_after(Duration::ZERO)
    }

    /// 400: the request has more than one key.
    pub(crate) fn several_keys() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "More than one API key in the request")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_request""#))
            .private()
    }

    /// 401: the request has no key.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let response: Response<Bytes> = Rejection::no_key().respond(Form::Plain);
    /// assert_eq!(response.status(), 401);
    /// assert_eq!(response.headers()["www-authenticate"], "Bearer");
    /// assert_eq!(response.body(), r#"{"detail":"Missing Authorization header"}"#);
    /// ```
    #[must_use]
    pub fn no_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Missing Authorization header")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            .private()
    }

    /// 401: the `Authorization` line is not `Bearer <key>`.
    pub(crate) fn bad_format() -> Self {
        let detail = "Invalid Authorization format. Use: Bearer YOUR_API_KEY";
        Self::new(StatusCode::UNAUTHORIZED, detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_request""#))
            .private()
    }

    /// 429: too many requests, of one key or of one address with wrong ones.
    pub(crate) fn limited(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded").retry_after(retry_after)
    }

    /// 403: the key works and lacks this scope.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let rejection = Rejection::out_of_scope("articles:read");
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert_eq!(response.status(), 403);
    /// let challenge = r#"Bearer error="insufficient_scope", scope="articles:read""#;
    /// assert_eq!(response.headers()["www-authenticate"], challenge);
    /// ```
    #[must_use]
    pub fn out_of_scope(scope: &str) -> Self {
        let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
        let rejection = Self::new(StatusCode::FORBIDDEN, "Insufficient scope");
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => rejection.header(WWW_AUTHENTICATE, challenge),
            // A scope that is not valid in a header is a mistake of the program; the response keeps
            // its status.
            Err(_) => rejection,
        }
    }

    /// The rejection as one that depends on the key: no cache may hand it to another caller, or to
    /// this one once the key works.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Response, StatusCode};
    /// use keyward_http::{Form, Rejection};
    ///
    /// let rejection = Rejection::new(StatusCode::CONFLICT, "Another report is running").private();
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert_eq!(response.headers()["cache-control"], "private, no-cache");
    /// ```
    #[must_use]
    pub fn private(mut self) -> Self {
        cache::keep_private(&mut self.headers);
        self
    }

    /// Adds a header, or replaces it.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::header::{ALLOW, HeaderValue};
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let allow = HeaderValue::from_static("GET, HEAD");
    /// let rejection = Rejection::method_not_allowed().header(ALLOW, allow);
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert_eq!(response.headers()["allow"], "GET, HEAD");
    /// ```
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Says when to try again, in whole seconds, at least 1.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// let rejection = Rejection::unavailable().retry_after(Duration::from_millis(1_200));
    /// let response: Response<Bytes> = rejection.respond(Form::Plain);
    /// assert_eq!(response.headers()["retry-after"], "2");
    /// ```
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(retry_secs(after)))
    }

    /// The status of the response.
    ///
    /// ```
    /// use http::StatusCode;
    /// use keyward_http::Rejection;
    ///
    /// assert_eq!(Rejection::no_key().status(), StatusCode::UNAUTHORIZED);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The response, in the form that the client reads.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use keyward_http::{Form, Rejection};
    ///
    /// // Of any body that is made of bytes; in the form that the request asked for.
    /// let response: Response<Vec<u8>> = Rejection::not_found().respond(Form::Plain);
    /// assert_eq!(response.body(), br#"{"detail":"Not Found"}"#);
    /// let response: Response<Bytes> = Rejection::not_found().respond(Form::Problem);
    /// let body: serde_json::Value = serde_json::from_slice(response.body())?;
    /// assert_eq!((&body["status"], &body["detail"]), (&404.into(), &"Not Found".into()));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn respond<B: From<Bytes>>(self, form: Form) -> http::Response<B> {
        let (detail, more) = match self.detail {
            Detail::Text(text) => (Value::from(text), None),
            Detail::More(more) => {
                let (text, name, value) = *more;
                (Value::from(text), Some((name, value)))
            }
            Detail::Faults(faults) => (faults.into_iter().map(Fault::into_json).collect(), None),
        };
        let (media_type, mut body) = match form {
            Form::Plain => ("application/json", json!({ "detail": detail })),
            Form::Problem => {
                let title = self.status.canonical_reason();
                let status = self.status.as_u16();
                let body = json!({
                    "type": "about:blank", "title": title, "status": status, "detail": detail
                });
                ("application/problem+json", body)
            }
        };
        if let (Some((name, value)), Some(fields)) = (more, body.as_object_mut()) {
            fields.insert(name.to_owned(), value);
        }
        let mut response = http::Response::new(B::from(Bytes::from(body.to_string())));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_may_have_one_more_field_in_either_form() {
        let rejection = Rejection::with_field(StatusCode::CONFLICT, "made before", "key_id", 7);
        for form in [Form::Plain, Form::Problem] {
            let answer = rejection.clone().respond::<Bytes>(form);
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!((&body["detail"], &body["key_id"]), (&json!("made before"), &json!(7)));
        }
    }

    #[test]
    fn waiting_is_told_in_whole_seconds_and_never_too_short() {
        let told = |nanos| {
            let rejection = Rejection::limited(Duration::from_nanos(nanos));
            rejection.headers[RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!(told(0), "1");
        assert_eq!(told(1_000_000_000), "1");
        assert_eq!(told(1_000_000_001), "2");
    }
}
