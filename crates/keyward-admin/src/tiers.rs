//! Tiers on the admin API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::HeaderMap;
use http::request::Parts;
use keyward::gate::{DeleteTierError, PutTierError, TierBefore};
use keyward::store::Reports;
use keyward::stored::TierRow;
use keyward::tier::{ParseTierNameError, TierName};
use keyward_api::shapes::TierText;
use keyward_api::tier::{PutTierBody, TierList, TierView};
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection};

use crate::change::{Change, Sent, only_parameter};
use crate::failure::broken;
use crate::precondition::{self, Named, Preconditions, etag, stale, tag_of};
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// The routes of tiers.
pub(crate) fn routes() -> Routes<Shared> {
    let (viewer, admin) = (Access::Admin(Role::Viewer), Access::Admin(Role::Admin));
    Routes::new()
        .add(viewer, route!(list_tiers))
        .add(viewer, route!(show_tier))
        .add(admin, route!(put_tier))
        .add(admin, route!(delete_tier))
}

/// Lists all tiers, in the order in which they were made.
#[utoipa::path(get, path = "/admin/tiers", tag = "tiers", responses(
    (status = 200, description = "All tiers", body = TierList),
))]
pub(crate) async fn list_tiers(
    State(reports): State<Arc<dyn Reports>>,
) -> Result<Json<TierList>, Rejection> {
    let tiers = reports.tiers().await.map_err(broken)?;
    Ok(Json(TierList::of(&tiers)))
}

/// Shows a tier.
#[utoipa::path(
    get, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, Preconditions),
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
    TierPath { name }: TierPath,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let tier = find(&*reports, &name).await?.ok_or_else(no_such_tier)?;
    let view = TierView::of(&tier.name, &tier.limits);
    let tag = tag_of(&view).ok_or_else(Rejection::unavailable)?;
    precondition::shown(&headers, "tier", &tag, Json(view))
}

async fn find(reports: &dyn Reports, name: &TierName) -> Result<Option<TierRow>, Rejection> {
    let tiers = reports.tiers().await.map_err(broken)?;
    Ok(tiers.into_iter().find(|tier| tier.name == *name))
}

fn no_such_tier() -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, "Tier not found")
}

/// The precondition of a change of the tier.
///
/// # Errors
///
/// Returns 412 if it is not so, and 400 if a header cannot be read.
async fn expected(
    reports: &dyn Reports,
    name: &TierName,
    change: &Change,
) -> Result<TierBefore, Rejection> {
    let preconditions = change.preconditions()?;
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

/// Deletes a tier that no key has but revoked ones. These go on showing its name, and a
/// new tier of that name is not theirs.
#[utoipa::path(
    delete, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, Preconditions),
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
    TierPath { name }: TierPath,
    change: Change,
) -> Result<StatusCode, Rejection> {
    let before = expected(&*reports, &name, &change).await?;
    let deleting = guard.delete_tier(name, before, change.audit());
    deleting.await.map_err(reject_delete)?;
    Ok(StatusCode::NO_CONTENT)
}

fn reject_delete(error: DeleteTierError) -> Rejection {
    let used =
        |keys: String| Rejection::new(StatusCode::CONFLICT, format!("Tier is used by {keys}"));
    match error {
        DeleteTierError::Unknown => no_such_tier(),
        DeleteTierError::Used(1) => used("1 key".to_owned()),
        DeleteTierError::Used(keys) => used(format!("{keys} keys")),
        DeleteTierError::Stale => stale("tier"),
        DeleteTierError::Store(error) => broken(error),
    }
}

/// Writes a tier, new or not. The next request of every key in it is judged by the new limits.
#[utoipa::path(
    put, path = "/admin/tiers/{name}", tag = "tiers",
    params(TierPath, Preconditions), request_body = PutTierBody,
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
    TierPath { name }: TierPath,
    change: Change,
    Sent(PutTierBody { limits }): Sent<PutTierBody>,
) -> Result<(StatusCode, HeaderMap, Json<TierView>), Rejection> {
    let before = expected(&*reports, &name, &change).await?;
    let view = TierView::of(&name, &limits);
    let putting = guard.put_tier(name, limits, before, change.audit());
    let created = putting.await.map_err(reject_put)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let tag = tag_of(&view).map(|tag| etag(&tag)).unwrap_or_default();
    Ok((status, tag, Json(view)))
}

fn reject_put(error: PutTierError) -> Rejection {
    match error {
        PutTierError::Store(error) => broken(error),
        PutTierError::Stale => stale("tier"),
        PutTierError::TooManyTiers => Rejection::new(StatusCode::CONFLICT, error.to_string()),
    }
}

/// Which tier.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TierPath {
    /// The tier's name.
    #[param(value_type = TierText)]
    name: TierName,
}

impl<S: Send + Sync> FromRequestParts<S> for TierPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let text = only_parameter(parts, state).await?;
        let name = text.parse().map_err(|error: ParseTierNameError| {
            let location = vec!["path".into(), "name".into()];
            let fault = Fault::value_error(location, text.into(), &error.to_string());
            Rejection::unprocessable(vec![fault]).into_response()
        })?;
        Ok(Self { name })
    }
}
