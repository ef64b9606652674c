//! Tiers on the admin API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::HeaderMap;
use http::{Extensions, StatusCode};
use keyward::gate::{DeleteTierError, PutTierError, TierBefore};
use keyward::limit::Limits;
use keyward::store::Reports;
use keyward::stored::TierRow;
use keyward::tier::{ParseTierNameError, TierName};
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{LimitView, read_limits};
use super::members::required;
use super::precondition::{self, Named, Preconditions, stale, tag_of};
use super::{audit, etag, read_body};
use crate::failure::broken;
use keyward_api::shapes::{IfMatchHeader, IfNoneMatchHeader, TierText};

/// Lists all tiers, in the order in which they were made.
#[utoipa::path(get, path = "/admin/tiers", tag = "tiers", responses(
    (status = 200, description = "All tiers", body = TierList),
))]
pub(crate) async fn list_tiers(
    State(reports): State<Arc<dyn Reports>>,
) -> Result<Json<TierList>, Refusal> {
    let tiers = reports.tiers().await.map_err(broken)?;
    let listed = |tier: &TierRow| ListedTier {
        keys: tier.keys,
        tier: TierView::of(&tier.name, &tier.limits),
    };
    let tiers: Vec<_> = tiers.iter().map(listed).collect();
    Ok(Json(TierList { count: tiers.len(), tiers }))
}

/// Shows a tier.
#[utoipa::path(
    get, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 200, description = "The tier", body = TierView, headers(
            ("ETag" = String, description = "What the tier sets, for `If-Match`"),
        )),
        (status = 304, description = "The tier is as the request says that it was seen"),
        (status = 404, description = "Tier not found"),
        (status = 412, description = "The tier has changed since; read it again"),
    ),
)]
pub(crate) async fn show_tier(
    State(reports): State<Arc<dyn Reports>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let tier = find(&*reports, &read_name(&name)?).await?.ok_or_else(no_such_tier)?;
    let view = TierView::of(&tier.name, &tier.limits);
    let tag = tag_of(&view).ok_or_else(Refusal::unavailable)?;
    precondition::shown(&headers, "tier", &tag, Json(view))
}

async fn find(reports: &dyn Reports, name: &TierName) -> Result<Option<TierRow>, Refusal> {
    let tiers = reports.tiers().await.map_err(broken)?;
    Ok(tiers.into_iter().find(|tier| tier.name == *name))
}

fn no_such_tier() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Tier not found")
}

/// What a change expects of the tier, as the request says.
///
/// # Errors
///
/// Returns 412 if it is not so, and 400 if a header cannot be read.
async fn expected(
    reports: &dyn Reports,
    name: &TierName,
    headers: &HeaderMap,
) -> Result<TierBefore, Refusal> {
    let preconditions = Preconditions::read(headers)?;
    if preconditions.are_none() {
        return Ok(TierBefore::Any);
    }
    let before = find(reports, name).await?;
    let tag = before.as_ref().and_then(|tier| tag_of(&TierView::of(&tier.name, &tier.limits)));
    let named = match (&before, &tag) {
        (None, _) => Named::Missing,
        (Some(_), None) => Named::Untagged,
        (Some(_), Some(tag)) => Named::Tagged(tag),
    };
    preconditions.check_change("tier", named)?;
    Ok(TierBefore::Exactly(before.map(|tier| tier.limits)))
}

/// Deletes a tier that no key has but those that are revoked. These go on showing its name, and a
/// new tier of that name is not theirs.
#[utoipa::path(
    delete, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, IfMatchHeader, IfNoneMatchHeader),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "Tier not found"),
        (status = 409, description = "Tier is used by 12 keys"),
        (status = 412, description = "The tier has changed since; read it again; \
            The tier has not changed; The tier is there already"),
    ),
)]
pub(crate) async fn delete_tier(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(name): Path<String>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let name = read_name(&name)?;
    let before = expected(&*reports, &name, &headers).await?;
    let deleting = guard.delete_tier(name, before, audit(&guard, &extensions));
    deleting.await.map_err(reject_delete)?;
    Ok(StatusCode::NO_CONTENT)
}

fn reject_delete(error: DeleteTierError) -> Refusal {
    let used = |keys: String| Refusal::new(StatusCode::CONFLICT, format!("Tier is used by {keys}"));
    match error {
        DeleteTierError::Unknown => no_such_tier(),
        DeleteTierError::Used(1) => used("1 key".to_owned()),
        DeleteTierError::Used(keys) => used(format!("{keys} keys")),
        DeleteTierError::Stale => stale("tier"),
        DeleteTierError::Store(error) => broken(error),
    }
}

fn read_name(name: &str) -> Result<TierName, Refusal> {
    name.parse().map_err(|error: ParseTierNameError| {
        let place = vec!["path".into(), "name".into()];
        Refusal::unprocessable(vec![Fault::value_error(place, name.into(), &error.to_string())])
    })
}

/// Writes a tier, new or not. The next request of every key in it is judged by the new limits.
#[utoipa::path(
    put, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, IfMatchHeader, IfNoneMatchHeader), request_body = PutTierBody,
    responses(
        (status = 200, description = "Changed", body = TierView, headers(
            ("ETag" = String, description = "What the tier sets"),
        )),
        (status = 201, description = "Made", body = TierView, headers(
            ("ETag" = String, description = "What the tier sets"),
        )),
        (status = 409, description = "There are as many tiers as there can be"),
        (status = 412, description = "The tier has changed since; read it again; \
            The tier has not changed; The tier is there already"),
    ),
)]
pub(crate) async fn put_tier(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, HeaderMap, Json<TierView>), Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let name = read_name(&name)?;
    let PutTierBody { limits } = PutTierBody::read(&body)?;
    let before = expected(&*reports, &name, &parts.headers).await?;
    let view = TierView::of(&name, &limits);
    let putting = guard.put_tier(name, limits, before, audit(&guard, &parts.extensions));
    let created = putting.await.map_err(refuse_put)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let tag = tag_of(&view).map(|tag| etag(&tag)).unwrap_or_default();
    Ok((status, tag, Json(view)))
}

fn refuse_put(error: PutTierError) -> Refusal {
    match error {
        PutTierError::Store(error) => broken(error),
        PutTierError::Stale => stale("tier"),
        PutTierError::TooManyTiers => Refusal::new(StatusCode::CONFLICT, error.to_string()),
    }
}

/// All tiers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierList {
    /// How many there are.
    count: usize,
    tiers: Vec<ListedTier>,
}

/// A tier, and how much it is used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedTier {
    #[serde(flatten)]
    tier: TierView,
    /// How many keys have it that are not revoked.
    keys: u64,
}

/// A tier: a named plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierView {
    #[schema(value_type = TierText)]
    name: String,
    /// None is no limit.
    #[schema(max_items = 8)]
    limits: Vec<LimitView>,
}

impl TierView {
    pub(super) fn of(name: &TierName, limits: &Limits) -> Self {
        let limits = limits.list().iter().map(LimitView::of).collect();
        Self { name: name.as_str().to_owned(), limits }
    }
}

/// Which tier.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is a description")]
pub(crate) struct TierPath {
    /// The tier's name.
    #[param(value_type = TierText)]
    name: String,
}

/// What a tier consists of.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutTierBody {
    /// None is no limit.
    #[schema(value_type = Vec<LimitView>, max_items = 8)]
    limits: Limits,
}

impl PutTierBody {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
        let limits = required(&mut members, "limits", read_limits);
        let faults = members.finish();
        match limits {
            Some(limits) if faults.is_empty() => Ok(Self { limits }),
            _ => Err(Refusal::unprocessable(faults)),
        }
    }
}
