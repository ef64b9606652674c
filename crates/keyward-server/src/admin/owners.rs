//! Owners on the admin API: suspending one suspends all of its keys, and resuming restores those;
//! all of its keys share its limits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderMap;
use http::request::Parts;
use http::{StatusCode, Uri};
use keyward::details::OwnerVersion;
use keyward::gate::EditOwnerError;
use keyward::limit::Limits;
use keyward::record::{Owner, ParseOwnerError};
use keyward::store::Reports;
use keyward::stored::OwnerRow;
use keyward_axum::fault::Fault;
use keyward_axum::input::Query;
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{LimitView, read_limits};
use super::members::nullable;
use super::precondition::{self, Named, Preconditions, stale, tag_of};
use super::query::Parameters;
use super::{audit, etag, misplaced, read_body};
use crate::failure::broken;
use keyward_api::shapes::{IfMatchHeader, IfNoneMatchHeader, OwnerText};

/// Owners on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 100;
/// Most owners on one page.
pub(crate) const PAGE_MAX: u64 = 1_000;

/// Lists the owners that are suspended, in the order of their ids. The others are known by their
/// keys alone.
#[utoipa::path(get, path = "/admin/owners", tag = "owners", params(ListOwnersQuery), responses(
    (status = 200, description = "A page", body = OwnerPage),
))]
pub(crate) async fn list_owners(
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<OwnerPage>, Refusal> {
    let (after, max) = ListOwnersQuery::read(uri.query())?;
    let owners = reports.suspended_owners(after, max).await.map_err(broken)?;
    let owners: Vec<_> = owners.iter().map(|owner| owner.as_str().to_owned()).collect();
    let full = usize::try_from(max).is_ok_and(|max| owners.len() == max);
    let next_after = owners.last().filter(|_| full).cloned();
    Ok(Json(OwnerPage { count: owners.len(), suspended_owners: owners, next_after }))
}

/// Shows an owner.
#[utoipa::path(
    get, path = "/admin/owners/{owner}", tag = "owners",
    params(OwnerPath, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 200, description = "The owner", body = OwnerView, headers(
            ("ETag" = String, description = "What is shown, for `If-Match`"),
        )),
        (status = 304, description = "The owner is as the request says that it was seen"),
        (status = 404, description = "Owner not found"),
        (status = 412, description = "The owner has changed since; read it again"),
    ),
)]
pub(crate) async fn show_owner(
    State(reports): State<Arc<dyn Reports>>,
    Path(owner): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let found = reports.find_owner(read_owner(&owner)?).await.map_err(broken)?;
    let found = found
        .filter(OwnerRow::is_known)
        .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Owner not found"))?;
    let view = OwnerView::of(&found);
    let tag = tag_of(&view).ok_or_else(Refusal::unavailable)?;
    precondition::shown(&headers, "owner", &tag, Json(view))
}

/// Suspends an owner: the next request of each of its keys is refused. No key can be issued to it
/// meanwhile. Suspending it again is fine.
#[utoipa::path(
    post, path = "/admin/owners/{owner}/suspend", tag = "owners",
    params(OwnerPath, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 200, description = "Suspended", body = OwnerView, headers(
            ("ETag" = String, description = "What is shown"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn suspend_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(owner): Path<String>,
    parts: Parts,
) -> Result<Response, Refusal> {
    set_suspended(&guard, &*reports, &owner, true, &parts).await
}

/// Resumes an owner: its keys are again what they were, so that those that were suspended
/// themselves stay so. Resuming it again is fine.
#[utoipa::path(
    post, path = "/admin/owners/{owner}/resume", tag = "owners",
    params(OwnerPath, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 200, description = "Resumed", body = OwnerView, headers(
            ("ETag" = String, description = "What is shown"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn resume_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(owner): Path<String>,
    parts: Parts,
) -> Result<Response, Refusal> {
    set_suspended(&guard, &*reports, &owner, false, &parts).await
}

/// Changes fields of an owner, and leaves alone those that the body does not name. The next request
/// of each of its keys is judged by it. An owner may have no key yet.
///
/// Its limits are shared by all of its keys, on top of the limits of each: a request takes from all
/// of them or from none.
#[utoipa::path(
    patch, path = "/admin/owners/{owner}", tag = "owners",
    params(OwnerPath, IfMatchHeader, IfNoneMatchHeader), request_body = EditOwnerBody,
    responses(
        (status = 200, description = "The owner as it is now", body = OwnerView, headers(
            ("ETag" = String, description = "What is shown"),
        )),
        (status = 412, description = "The owner has changed since; read it again; \
            The owner has not changed; The owner is there already"),
    ),
)]
pub(crate) async fn edit_owner(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(owner): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let owner = read_owner(&owner)?;
    let body = read_body(body).await?;
    let EditOwnerBody { limits } = EditOwnerBody::read(&body)?;
    let expected = check(&*reports, &owner, &parts.headers).await?;
    let row = match limits {
        None => reports.find_owner(owner.clone()).await.map_err(broken)?,
        Some(limits) => {
            let audit = audit(&guard, &parts.extensions);
            let editing = guard.edit_owner(owner.clone(), limits, expected, audit);
            Some(editing.await.map_err(refuse_edit)?)
        }
    };
    shown(&row.unwrap_or_else(|| OwnerRow::new(owner)))
}

fn refuse_edit(error: EditOwnerError) -> Refusal {
    match error {
        EditOwnerError::Stale => stale("owner"),
        EditOwnerError::Store(error) => broken(error),
    }
}

/// An owner after a change.
fn shown(row: &OwnerRow) -> Result<Response, Refusal> {
    let view = OwnerView::of(row);
    let tag = tag_of(&view).map(|tag| etag(&tag)).unwrap_or_default();
    Ok((tag, Json(view)).into_response())
}

async fn set_suspended(
    guard: &Guard,
    reports: &dyn Reports,
    owner: &str,
    suspended: bool,
    parts: &Parts,
) -> Result<Response, Refusal> {
    let owner = read_owner(owner)?;
    check(reports, &owner, &parts.headers).await?;
    let audit = audit(guard, &parts.extensions);
    // An owner that has no key and is not suspended is none: that is what was asked for.
    let row = guard.set_owner_suspended(owner, suspended, audit).await.map_err(broken)?;
    shown(&row)
}

/// Checks what the request expects of the owner, and returns the version that it has then; `None`
/// if any will do. Its keys may change until it is changed itself, which is harmless: that reaches
/// whatever keys it has by then.
async fn check(
    reports: &dyn Reports,
    owner: &Owner,
    headers: &HeaderMap,
) -> Result<Option<OwnerVersion>, Refusal> {
    let preconditions = Preconditions::read(headers)?;
    if preconditions.are_none() {
        return Ok(None);
    }
    let found = reports.find_owner(owner.clone()).await.map_err(broken)?;
    let known = found.as_ref().filter(|row| row.is_known());
    let tag = known.and_then(|row| tag_of(&OwnerView::of(row)));
    preconditions.check_change("owner", tag.as_deref().map_or(Named::Missing, Named::Tagged))?;
    Ok(Some(found.map_or_else(OwnerVersion::default, |row| row.version)))
}

fn read_owner(text: &str) -> Result<Owner, Refusal> {
    let place = vec!["path".into(), "owner".into()];
    if misplaced::holds_key(text) {
        return Err(Refusal::unprocessable(vec![misplaced::fault(place)]));
    }
    text.parse().map_err(|error: ParseOwnerError| {
        Refusal::unprocessable(vec![Fault::value_error(place, text.into(), &error.to_string())])
    })
}

/// Which page of the owners that are suspended.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `read` reads it")]
pub(crate) struct ListOwnersQuery {
    /// Only owners behind this one.
    #[param(value_type = Option<OwnerText>)]
    after: Option<String>,
    /// Most owners on the page.
    #[param(minimum = 1, maximum = 1_000, default = 100, required = false)]
    limit: u32,
}

impl ListOwnersQuery {
    fn read(query: Option<&str>) -> Result<(Option<Owner>, u32), Refusal> {
        let query = Query::parse(query);
        let mut parameters = Parameters::new(&query, &["after", "limit"]);
        let after = parameters.parsed("after");
        let limit = parameters.integer("limit", &(1..=PAGE_MAX)).unwrap_or(PAGE_DEFAULT);
        parameters.finish()?;
        Ok((after, u32::try_from(limit).unwrap_or(u32::MAX)))
    }
}

/// A page of the owners that are suspended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerPage {
    /// Owners on this page.
    count: usize,
    #[schema(value_type = Vec<OwnerText>, max_items = 1_000)]
    suspended_owners: Vec<String>,
    /// What to ask for as `after` to get the next page; `null` if there is none.
    #[schema(required, value_type = Option<OwnerText>)]
    next_after: Option<String>,
}

/// Which owner.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is a description; `read_owner` reads it")]
pub(crate) struct OwnerPath {
    /// The owner's id.
    #[param(value_type = OwnerText)]
    owner: String,
}

/// What is to be different about an owner.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "limits": [{ "name": "requests", "amount": 1000, "per": "60s", "burst": 1000 }],
}))]
pub(crate) struct EditOwnerBody {
    /// What all of its keys share, on top of the limits of each, in place of what they share now;
    /// `[]` and `null` are no limit. They begin full.
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    limits: Option<Limits>,
}

impl EditOwnerBody {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut members = misplaced::members_of(body)?;
        let limits = nullable(&mut members, "limits", read_limits);
        let faults = members.finish();
        if !faults.is_empty() {
            return Err(Refusal::unprocessable(faults));
        }
        Ok(Self { limits: limits.map(|limits| limits.unwrap_or_else(|| Limits::of(None))) })
    }
}

/// A customer to whom keys belong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerView {
    #[schema(value_type = OwnerText)]
    owner: String,
    state: OwnerState,
    /// How many keys it has, revoked ones too.
    keys: u64,
    /// What all of its keys share, on top of the limits of each. None is no limit.
    #[schema(max_items = 8)]
    limits: Vec<LimitView>,
    /// How often it was suspended, resumed or edited.
    version: u64,
}

/// Whether an owner's keys work.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OwnerState {
    /// They work, as far as they do themselves.
    Active,
    /// They are refused until somebody resumes the owner.
    Suspended,
}

impl OwnerView {
    fn of(row: &OwnerRow) -> Self {
        let state = if row.is_suspended() { OwnerState::Suspended } else { OwnerState::Active };
        Self {
            owner: row.owner.as_str().to_owned(),
            state,
            keys: row.keys,
            limits: row.limits.list().iter().map(LimitView::of).collect(),
            version: row.version.0,
        }
    }
}
