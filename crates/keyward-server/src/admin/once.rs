//! `Idempotency-Key`: a request that issues or rotates a key is made once, however often it is
//! sent.

use axum::body::Bytes;
use http::StatusCode;
use http::header::HeaderName;
use http::request::Parts;
use keyward::audit::Audit;
use keyward::once::{Earlier, Once, OnceName};
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Refusal};
use sha2::{Digest as _, Sha256};

use super::misplaced;
use crate::failure::broken;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the client calls a request, with the digest of its method, path and body.
///
/// # Errors
///
/// Returns 400 if the header cannot be read, is there twice, or has one of our keys in it.
fn of(parts: &Parts, body: &Bytes) -> Result<Option<Once>, Refusal> {
    let mut lines = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let refused = |detail: &'static str| Refusal::new(StatusCode::BAD_REQUEST, detail);
    let rule = "Idempotency-Key has 1 to 64 visible characters, and is sent once";
    let text = line.to_str().ok().filter(|_| lines.next().is_none()).ok_or(rule);
    let text = text.map_err(refused)?;
    if misplaced::holds_key(text) {
        return Err(refused("A whole API key is in the Idempotency-Key, which is kept"));
    }
    let name: OnceName = text.parse().map_err(|_| refused(rule))?;
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(Some(Once { name, request: hash.finalize().into() }))
}

/// Marks a change as one that is made once, if the client says so.
///
/// # Errors
///
/// Returns the refusal of a request that was made before. It comes before all that might speak
/// against the request by now, such as that a time has passed or a version has changed. Of two at
/// once, the store finds the later.
pub(super) async fn mark(
    guard: &Guard,
    parts: &Parts,
    body: &Bytes,
    audit: Audit,
) -> Result<Audit, Refusal> {
    let audit = Audit { once: of(parts, body)?, ..audit };
    if audit.once.is_some() {
        let earlier = guard.gate().store().earlier(audit.clone()).await.map_err(broken)?;
        if let Some(earlier) = earlier {
            return Err(refuse(earlier));
        }
    }
    Ok(audit)
}

/// The refusal of a request that was made before, or of another one of its name.
pub(super) fn refuse(earlier: Earlier) -> Refusal {
    match earlier {
        Earlier::Same(id) => {
            let detail = "The request was made before, and the secret was shown then";
            Refusal::with_field(StatusCode::CONFLICT, detail, "key_id", id.get())
        }
        Earlier::Other => {
            let place = vec!["header".into(), "Idempotency-Key".into()];
            let rule = "another request was made under this Idempotency-Key; choose a new one";
            Refusal::unprocessable(vec![Fault::value_error(place, serde_json::Value::Null, rule)])
        }
    }
}
