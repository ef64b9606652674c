//! Tiers on the admin API.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{Extensions, StatusCode};
use keyward::gate::PutTierError;
use keyward::limit::Limit;
use keyward::store::{TierDeleted, TierRecord};
use keyward::tier::{ParseTierNameError, TierName};
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::{LimitView, read_limits};
use super::members::required;
use super::{audit, read_body};
use crate::failure::broken;
use crate::shapes::TierText;

/// Lists all tiers, in the order in which they were made.
#[utoipa::path(get, path = "/admin/tiers", tag = "tiers", responses(
    (status = 200, description = "All tiers", body = TierList),
))]
pub(crate) async fn list_tiers(State(guard): State<Guard>) -> Result<Json<TierList>, Refusal> {
    let store = guard.gate().store();
    let tiers = store.tiers().await.map_err(broken)?;
    let uses: HashMap<_, _> = store.tier_uses().await.map_err(broken)?.into_iter().collect();
    let used = |tier: &TierRecord| uses.get(&tier.name).copied().unwrap_or_default();
    let listed = |tier| ListedTier { keys: used(tier), tier: TierView::of(tier) };
    let tiers: Vec<_> = tiers.iter().map(listed).collect();
    Ok(Json(TierList { count: tiers.len(), tiers }))
}

/// Deletes a tier that no key has, revoked ones included.
#[utoipa::path(delete, path = "/admin/tiers/{name}", tag = "tiers", params(TierPath), responses(
    (status = 204, description = "Deleted"),
    (status = 404, description = "Tier not found"),
    (status = 409, description = "Tier is used by 12 keys"),
))]
pub(crate) async fn delete_tier(
    State(guard): State<Guard>,
    Path(name): Path<String>,
    extensions: Extensions,
) -> Result<StatusCode, Refusal> {
    let deleting = guard.delete_tier(read_name(&name)?, audit(&guard, &extensions));
    match deleting.await.map_err(broken)? {
        TierDeleted::Done => Ok(StatusCode::NO_CONTENT),
        TierDeleted::Unknown => Err(Refusal::new(StatusCode::NOT_FOUND, "Tier not found")),
        TierDeleted::Used(1) => Err(Refusal::new(StatusCode::CONFLICT, "Tier is used by 1 key")),
        TierDeleted::Used(keys) => {
            Err(Refusal::new(StatusCode::CONFLICT, format!("Tier is used by {keys} keys")))
        }
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
    put, path = "/admin/tiers/{name}", tag = "tiers", params(TierPath), request_body = PutTierBody,
    responses(
        (status = 200, description = "Changed", body = TierView),
        (status = 201, description = "Made", body = TierView),
        (status = 409, description = "There are as many tiers as there can be"),
    ),
)]
pub(crate) async fn put_tier(
    State(guard): State<Guard>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<TierView>), Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let name = read_name(&name)?;
    let PutTierBody { limits } = PutTierBody::read(&body)?;
    let tier = TierRecord { name, limits };
    let view = TierView::of(&tier);
    let created =
        guard.put_tier(tier, audit(&guard, &parts.extensions)).await.map_err(refuse_put)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)))
}

fn refuse_put(error: PutTierError) -> Refusal {
    match error {
        PutTierError::Store(error) => broken(error),
        other => Refusal::new(StatusCode::CONFLICT, other.to_string()),
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
    /// How many keys have it, revoked ones too.
    keys: u64,
}

/// A tier: a named plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierView {
    #[schema(value_type = TierText)]
    name: String,
    /// None is no limit.
    #[schema(max_items = 1)]
    limits: Vec<LimitView>,
}

impl TierView {
    pub(super) fn of(tier: &TierRecord) -> Self {
        let limits = tier.limits.iter().map(LimitView::of).collect();
        Self { name: tier.name.as_str().to_owned(), limits }
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
    #[schema(value_type = Vec<LimitView>, max_items = 1)]
    limits: Vec<Limit>,
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
