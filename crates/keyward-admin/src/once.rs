//! `Idempotency-Key`: a request that issues or rotates a key is made once, however often it is
//! sent.

use axum::body::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use keyward::audit::Audit;
use keyward::once::{Earlier, Once, OnceName};
use keyward::scan::holds_key;
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection};
use sha2::{Digest as _, Sha256};

use crate::failure::broken;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is made once, however often it is sent.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKey {
    /// What the client calls the request. The same request under the same name changes nothing
    /// more within 24 hours: its response is 409 and names the key, whose secret was shown with
    /// the first response alone. Another request under that name is 422.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]+$", min_length = 1, max_length = 64)]
    #[param(example = "8e03978e-40d5-43dd-bc93-6894a57f9324", value_type = String)]
    #[param(required = false)]
    name: Option<OnceName>,
}

impl IdempotencyKey {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// Returns 400 if it cannot be read, is there twice, or has one of our keys in it.
    fn read(headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(line) = lines.next() else { return Ok(Self { name: None }) };
        let rejected = |detail: &'static str| Rejection::new(StatusCode::BAD_REQUEST, detail);
        let rule = "Idempotency-Key has 1 to 64 visible characters, and is sent once";
        let text = line.to_str().ok().filter(|_| lines.next().is_none()).ok_or(rule);
        let text = text.map_err(rejected)?;
        if holds_key(text) {
            return Err(rejected("A whole API key is in the Idempotency-Key, which is kept"));
        }
        let name = text.parse().map_err(|_| rejected(rule))?;
        Ok(Self { name: Some(name) })
    }
}

/// The idempotency key of a request, with the digest of its method, path and body.
///
/// # Errors
///
/// Returns 400 if the header cannot be read.
fn of(parts: &Parts, body: &Bytes) -> Result<Option<Once>, Rejection> {
    let Some(name) = IdempotencyKey::read(&parts.headers)?.name else { return Ok(None) };
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(Some(Once { name, request: hash.finalize().into() }))
}

/// Marks a change as one that is made once, if the client asks for it.
///
/// # Errors
///
/// Returns the rejection of a request that was made before. It comes before all other reasons to
/// reject the request by now, such as that a time has passed or a version has changed. Of two at
/// once, the store finds the later.
pub(crate) async fn mark(
    guard: &Guard,
    parts: &Parts,
    body: &Bytes,
    audit: Audit,
) -> Result<Audit, Rejection> {
    let audit = Audit { once: of(parts, body)?, ..audit };
    if audit.once.is_some() {
        let earlier = guard.gate().store().earlier(audit.clone()).await.map_err(broken)?;
        if let Some(earlier) = earlier {
            return Err(reject(earlier));
        }
    }
    Ok(audit)
}

/// The rejection of a request that was made before, or of another one under its idempotency key.
pub(crate) fn reject(earlier: Earlier) -> Rejection {
    match earlier {
        Earlier::Same(id) => {
            let detail = "The request was made before, and the secret was shown then";
            Rejection::with_field(StatusCode::CONFLICT, detail, "key_id", id.get())
        }
        Earlier::Other => {
            let location = vec!["header".into(), "Idempotency-Key".into()];
            let rule = "another request was made under this Idempotency-Key; choose a new one";
            Rejection::unprocessable(vec![Fault::value_error(
                location,
                serde_json::Value::Null,
                rule,
            )])
        }
    }
}
