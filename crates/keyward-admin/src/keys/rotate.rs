//! Rotating a key: a new secret for the same key, and a grace for the one before.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keyward_api::key::{RotateKeyBody, RotatedKey};
use keyward_axum::{Guard, Rejection};

use super::common::{KeyPath, expected, reject_change, shown_once, tagged};
use crate::change::{Change, Whole};
use crate::once::IdempotencyKey;
use crate::precondition::Preconditions;

/// Gives a key another secret, and shows it for the only time. Its id, limits, usage and expiry
/// stay. The secret before works for a grace, but no longer than the key; the grace of earlier
/// ones ends at once.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/rotate", tag = "keys",
    params(KeyPath, Preconditions, IdempotencyKey),
    request_body(content = Option<RotateKeyBody>),
    responses(
        (status = 200, description = "Rotated", body = RotatedKey, headers(
            ("Cache-Control" = String, description = "`no-store`: the response holds a secret"),
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked; API key has expired"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn rotate_key(
    State(guard): State<Guard>,
    KeyPath { key_id: id }: KeyPath,
    change: Change,
    body: Whole,
) -> Result<Response, Rejection> {
    let audit = change.audit_once(&body).await?;
    let grace = body.read::<RotateKeyBody>(&guard, guard.now())?.grace.0;
    let expected = expected(&guard, id, &change).await?;
    let rotating = guard.rotate(id, grace, expected, audit);
    let rotated = rotating.await.map_err(|error| reject_change(&guard, error))?;
    let headers = tagged(rotated.key.versions());
    shown_once(StatusCode::OK, headers, &RotatedKey::from(&rotated))
}
