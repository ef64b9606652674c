//! Owners on the admin API: suspending one suspends all of its keys, and resuming restores those;
//! all of its keys share its limits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderMap;
use http::request::Parts;
use http::{StatusCode, Uri};
use keyward::details::OwnerVersion;
use keyward::gate::EditOwnerError;
use keyward::limit::Limits;
use keyward::record::{Owner, ParseOwnerError};
use keyward::rules::{self, OwnerChange};
use keyward::scan::holds_key;
use keyward::store::Reports;
use keyward::stored::OwnerRow;
use keyward_api::MISPLACED;
use keyward_api::owner::{EditOwnerBody, ListOwnersQuery, OwnerPage, OwnerView};
use keyward_api::shapes::OwnerText;
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection};
use serde_json::Value;

use crate::change::{Change, Sent, only_parameter};
use crate::failure::broken;
use crate::precondition::{self, Named, Preconditions, etag, stale, tag_of};
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// Owners on one page, unless the request says otherwise.
const PAGE_DEFAULT: u32 = 100;

/// The routes of owners.
pub(crate) fn routes() -> Routes<Shared> {
    let (viewer, issuer) = (Access::Admin(Role::Viewer), Access::Admin(Role::Issuer));
    Routes::new()
        .add(viewer, route!(list_owners))
        .add(viewer, route!(show_owner))
        .add(issuer, route!(edit_owner))
        .add(issuer, route!(suspend_owner))
        .add(issuer, route!(resume_owner))
}

/// Lists the owners that are suspended, in the order of their ids. The others are known by their
/// keys alone.
#[utoipa::path(get, path = "/admin/owners", tag = "owners", params(ListOwnersQuery), responses(
    (status = 200, description = "A page", body = OwnerPage),
))]
pub(crate) async fn list_owners(
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<OwnerPage>, Rejection> {
    let ListOwnersQuery { after, limit } = ListOwnersQuery::read(uri.query())?;
    let max = limit.map_or(PAGE_DEFAULT, |limit| limit.0);
    let owners = reports.suspended_owners(after.map(|after| after.0), max).await.map_err(broken)?;
    Ok(Json(OwnerPage::of(owners, max)))
}

/// Shows an owner.
#[utoipa::path(
    get, path = "/admin/owners/{owner}", tag = "owners",
    params(OwnerPath, Preconditions),
    responses(
        (status = 200, description = "The owner", body = OwnerView, headers(
            ("ETag" = String, description = "The tag of this view, for `If-Match`"),
        )),
        (status = 304, description = "The owner is as the request says that it was seen"),
        (status = 404, description = "Owner not found"),
        (status = 412, description = "The owner has changed since; read it again"),
    ),
)]
pub(crate) async fn show_owner(
    State(reports): State<Arc<dyn Reports>>,
    OwnerPath { owner }: OwnerPath,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let found = reports.find_owner(owner).await.map_err(broken)?;
    let found = found
        .filter(OwnerRow::is_known)
        .ok_or_else(|| Rejection::new(StatusCode::NOT_FOUND, "Owner not found"))?;
    let view = OwnerView::of(&found);
    let tag = tag_of(&view).ok_or_else(Rejection::unavailable)?;
    precondition::shown(&headers, "owner", &tag, Json(view))
}

/// Suspends an owner: the next request of each of its keys is denied. No key can be issued to it
/// meanwhile. Suspending it again is fine.
#[utoipa::path(
    post, path = "/admin/owners/{owner}/suspend", tag = "owners",
    params(OwnerPath, Preconditions),
    responses(
        (status = 200, description = "Suspended", body = OwnerView, headers(
            ("ETag" = String, description = "The tag of this view"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn suspend_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    OwnerPath { owner }: OwnerPath,
    change: Change,
) -> Result<Response, Rejection> {
    check(&*reports, &owner, &change).await?;
    // An owner that has no key and is not suspended does not exist, as requested.
    let row = guard.set_owner_suspended(owner, true, change.audit()).await.map_err(broken)?;
    shown(&row, None)
}

/// Resumes an owner: its keys are again what they were, so that keys that were suspended
/// themselves stay so. Resuming it again is fine.
#[utoipa::path(
    post, path = "/admin/owners/{owner}/resume", tag = "owners",
    params(OwnerPath, Preconditions),
    responses(
        (status = 200, description = "Resumed", body = OwnerView, headers(
            ("ETag" = String, description = "The tag of this view"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn resume_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    OwnerPath { owner }: OwnerPath,
    change: Change,
) -> Result<Response, Rejection> {
    check(&*reports, &owner, &change).await?;
    let resume = rules::Change::Owner { owner, change: OwnerChange::Resume, expected: None };
    let made = guard.run(resume, change.audit()).await.map_err(|it| broken(it.into_store()))?;
    let everywhere = made.everywhere;
    shown(&made.into_owner().map_err(broken)?, everywhere)
}

/// Changes fields of an owner, and leaves alone the fields that the body does not name. The next
/// request of each of its keys is judged by it. An owner may have no key yet.
///
/// Its limits are shared by all of its keys, on top of the limits of each: a request takes from all
/// of them or from none.
#[utoipa::path(
    patch, path = "/admin/owners/{owner}", tag = "owners",
    params(OwnerPath, Preconditions), request_body = EditOwnerBody,
    responses(
        (status = 200, description = "The owner as it is now", body = OwnerView, headers(
            ("ETag" = String, description = "The tag of this view"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn edit_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    OwnerPath { owner }: OwnerPath,
    change: Change,
    Sent(EditOwnerBody { limits }): Sent<EditOwnerBody>,
) -> Result<Response, Rejection> {
    let expected = check(&*reports, &owner, &change).await?;
    let row = match limits.0 {
        None => reports.find_owner(owner.clone()).await.map_err(broken)?,
        Some(limits) => {
            let limits = limits.unwrap_or_else(|| Limits::of(None));
            let editing = guard.edit_owner(owner.clone(), limits, expected, change.audit());
            Some(editing.await.map_err(reject_edit)?)
        }
    };
    shown(&row.unwrap_or_else(|| OwnerRow::new(owner)), None)
}

fn reject_edit(error: EditOwnerError) -> Rejection {
    match error {
        EditOwnerError::Stale => stale("owner"),
        EditOwnerError::Store(error) => broken(error),
    }
}

/// An owner after a change. Its tag is that of the owner, wherever that is known.
fn shown(row: &OwnerRow, everywhere: Option<bool>) -> Result<Response, Rejection> {
    let view = OwnerView::of(row);
    let tag = tag_of(&view).map(|tag| etag(&tag)).unwrap_or_default();
    Ok((tag, Json(OwnerView { everywhere, ..view })).into_response())
}

/// Checks what the request expects of the owner, and returns the version that it has then; `None`
/// if any will do. Its keys may change until it is changed itself, which is harmless: the change
/// applies to the keys that it has by then.
async fn check(
    reports: &dyn Reports,
    owner: &Owner,
    change: &Change,
) -> Result<Option<OwnerVersion>, Rejection> {
    let preconditions = change.preconditions()?;
    if preconditions.are_none() {
        return Ok(None);
    }
    let found = reports.find_owner(owner.clone()).await.map_err(broken)?;
    let known = found.as_ref().filter(|row| row.is_known());
    let tag = known.and_then(|row| tag_of(&OwnerView::of(row)));
    preconditions.check_change("owner", tag.as_deref().map_or(Named::Missing, Named::Tagged))?;
    Ok(Some(found.map_or_else(OwnerVersion::default, |row| row.version)))
}

/// Which owner.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OwnerPath {
    /// The owner's id.
    #[param(value_type = OwnerText)]
    owner: Owner,
}

impl<S: Send + Sync> FromRequestParts<S> for OwnerPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let text = only_parameter(parts, state).await?;
        read_owner(&text)
            .map(|owner| Self { owner })
            .map_err(|fault| Rejection::unprocessable(vec![fault]).into_response())
    }
}

fn read_owner(text: &str) -> Result<Owner, Fault> {
    let location = vec!["path".into(), "owner".into()];
    if holds_key(text) {
        return Err(Fault::value_error(location, Value::Null, MISPLACED));
    }
    text.parse().map_err(|error: ParseOwnerError| {
        Fault::value_error(location, text.into(), &error.to_string())
    })
}
