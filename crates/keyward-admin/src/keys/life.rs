//! Suspending, resuming and revoking a key.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keyward::KeyId;
use keyward::change::KeyChange;
use keyward::rules::Change;
use keyward_api::key::{KeyView, RevokeKeyQuery};
use keyward_axum::{Guard, Rejection};

use super::common::{KeyPath, Shown, expected, reject_change, shown_again};
use crate::change::Change as Asked;
use crate::precondition::Preconditions;

/// Suspends a key: the next request with it is denied, until it is resumed. Suspending it again is
/// fine.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/suspend", tag = "keys",
    params(KeyPath, Preconditions),
    responses(
        (status = 200, description = "The key as it is now", body = KeyView, headers(
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn suspend_key(
    State(guard): State<Guard>,
    KeyPath { key_id: id }: KeyPath,
    asked: Asked,
) -> Result<Shown, Rejection> {
    change(&guard, id, KeyChange::Suspend, &asked).await
}

/// Resumes a key that was suspended. It stays suspended as long as its owner is. Resuming it again
/// is fine.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/resume", tag = "keys",
    params(KeyPath, Preconditions),
    responses(
        (status = 200, description = "The key as it is now", body = KeyView, headers(
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn resume_key(
    State(guard): State<Guard>,
    KeyPath { key_id: id }: KeyPath,
    asked: Asked,
) -> Result<Shown, Rejection> {
    let expected = expected(&guard, id, &asked).await?;
    let change = Change::Key { id, change: KeyChange::Resume, expected };
    let made = guard.run(change, asked.audit()).await.and_then(|made| {
        let everywhere = made.everywhere;
        made.into_key().map(|_| everywhere)
    });
    let everywhere = made.map_err(|error| reject_change(&guard, error))?;
    let (tags, Json(key)) = shown_again(&guard, id).await?;
    Ok((tags, Json(KeyView { everywhere, ..key })))
}

async fn change(
    guard: &Guard,
    id: KeyId,
    change: KeyChange,
    asked: &Asked,
) -> Result<Shown, Rejection> {
    let expected = expected(guard, id, asked).await?;
    let changing = guard.change(id, change, expected, asked.audit());
    changing.await.map_err(|error| reject_change(guard, error))?;
    shown_again(guard, id).await
}

/// Revokes a key, for ever; when the response comes, it is dead. Revoking it again is fine, and
/// keeps the first reason.
#[utoipa::path(
    delete, path = "/admin/api-keys/{key_id}", tag = "keys",
    params(KeyPath, RevokeKeyQuery, Preconditions),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "API key not found"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn revoke_key(
    State(guard): State<Guard>,
    KeyPath { key_id: id }: KeyPath,
    asked: Asked,
) -> Result<StatusCode, Rejection> {
    let reason = RevokeKeyQuery::read(asked.query())?.reason.map(|reason| reason.0);
    let expected = expected(&guard, id, &asked).await?;
    let change = KeyChange::Revoke { reason };
    let changing = guard.change(id, change, expected, asked.audit());
    changing.await.map_err(|error| reject_change(&guard, error))?;
    Ok(StatusCode::NO_CONTENT)
}
