//! Issuing a key, and showing it for the only time.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use keyward::audit::Audit;
use keyward::gate::IssueError;
use keyward_api::key::{IssuedKey, NewKeyBody};
use keyward_axum::{Guard, Rejection};
use serde_json::Value;

use super::common::{no_such_tier, shown_once, tagged};
use crate::change::{Change, Whole};
use crate::failure::broken;
use crate::once::{self, IdempotencyKey};

/// Issues a key, and shows it for the only time.
#[utoipa::path(
    post, path = "/admin/api-keys", tag = "keys", params(IdempotencyKey),
    request_body = NewKeyBody, responses(
    (status = 201, description = "Issued", body = IssuedKey, headers(
        ("Cache-Control" = String, description = "`no-store`: the response holds a secret"),
        ("ETag" = String, description = "The key's version, and its owner's"),
        ("Location" = String, description = "Where the key is shown, relative to this"),
    )),
    (status = 409, description = "Owner is suspended; \
        The request was made before, and the secret was shown then"),
)
)]
pub(crate) async fn issue_key(
    State(guard): State<Guard>,
    change: Change,
    body: Whole,
) -> Result<Response, Rejection> {
    let now = guard.now();
    let audit = Audit { at: now.unix, ..change.audit_once(&body).await? };
    let key = body.read::<NewKeyBody>(&guard, now)?.into_key(now)?;
    let issued = guard.issue(key, audit).await.map_err(|error| reject(&guard, error))?;
    let mut headers = tagged(issued.versions);
    // Relative, so that it is true under the path of a proxy as well.
    let location = HeaderValue::try_from(format!("api-keys/{}", issued.key_id));
    headers.extend(location.ok().map(|location| (LOCATION, location)));
    shown_once(StatusCode::CREATED, headers, &IssuedKey::from(&issued))
}

fn reject(guard: &Guard, error: IssueError) -> Rejection {
    match error {
        IssueError::UnknownTier { .. } => no_such_tier(guard, Value::Null),
        IssueError::Earlier(earlier) => once::reject(earlier),
        IssueError::OwnerSuspended => Rejection::new(StatusCode::CONFLICT, "Owner is suspended"),
        IssueError::Store(error) => broken(error),
        error @ IssueError::Random(_) => {
            tracing::error!(%error, "No key could be issued");
            Rejection::unavailable()
        }
    }
}
