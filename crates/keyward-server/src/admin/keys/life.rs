//! Suspending, resuming and revoking a key.

use axum::extract::{Path, State};
use http::request::Parts;
use http::{StatusCode, Uri};
use keyward::change::KeyChange;
use keyward::details::Reason;
use keyward_axum::input::Query;
use keyward_axum::{Guard, Refusal};

use super::view::KeyView;
use super::{KeyPath, Shown, expected, read_id, refuse_change, shown_again};
use crate::admin::query::Parameters;
use crate::admin::{audit, misplaced};
use keyward_api::shapes::{IfMatchHeader, IfNoneMatchHeader, ReasonText};

/// Suspends a key: the next request with it is refused, until it is resumed. Suspending it again is
/// fine.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/suspend", tag = "keys",
    params(KeyPath, IfMatchHeader, IfNoneMatchHeader),
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
    Path(key_id): Path<String>,
    parts: Parts,
) -> Result<Shown, Refusal> {
    change(&guard, &key_id, KeyChange::Suspend, &parts).await
}

/// Resumes a key that was suspended. It stays suspended as long as its owner is. Resuming it again
/// is fine.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/resume", tag = "keys",
    params(KeyPath, IfMatchHeader, IfNoneMatchHeader),
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
    Path(key_id): Path<String>,
    parts: Parts,
) -> Result<Shown, Refusal> {
    change(&guard, &key_id, KeyChange::Resume, &parts).await
}

async fn change(
    guard: &Guard,
    key_id: &str,
    change: KeyChange,
    parts: &Parts,
) -> Result<Shown, Refusal> {
    let id = read_id(key_id)?;
    let expected = expected(guard, id, &parts.headers).await?;
    let changing = guard.change(id, change, expected, audit(guard, &parts.extensions));
    changing.await.map_err(|error| refuse_change(guard, error))?;
    shown_again(guard, id).await
}

/// Revokes a key, for ever; when this is answered, it is dead. Revoking it again is fine, and
/// keeps the first reason.
#[utoipa::path(
    delete, path = "/admin/api-keys/{key_id}", tag = "keys",
    params(KeyPath, RevokeKeyQuery, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "API key not found"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn revoke_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
    uri: Uri,
    parts: Parts,
) -> Result<StatusCode, Refusal> {
    let id = read_id(&key_id)?;
    let reason = RevokeKeyQuery::read(uri.query())?;
    let expected = expected(&guard, id, &parts.headers).await?;
    let change = KeyChange::Revoke { reason };
    let changing = guard.change(id, change, expected, audit(&guard, &parts.extensions));
    changing.await.map_err(|error| refuse_change(&guard, error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why a key is revoked.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `read` makes a `Reason` of it")]
pub(crate) struct RevokeKeyQuery {
    /// Why, in somebody's words.
    #[param(value_type = Option<ReasonText>)]
    reason: Option<String>,
}

impl RevokeKeyQuery {
    fn read(query: Option<&str>) -> Result<Option<Reason>, Refusal> {
        let query = Query::parse(query);
        let mut parameters = Parameters::new(&query, &["reason"]);
        let reason = parameters.parsed("reason");
        if reason.as_ref().is_some_and(|reason: &Reason| misplaced::holds_key(reason.as_str())) {
            parameters.fault(misplaced::fault(vec!["query".into(), "reason".into()]));
        }
        parameters.finish()?;
        Ok(reason)
    }
}
