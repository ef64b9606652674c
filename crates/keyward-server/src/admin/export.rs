//! Carrying everything but the texts of secrets to another place, page by page.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use keyward::KeyId;
use keyward::record::{KEY_ID_MAX, KeyState, Owner, Scope};
use keyward::store::Reports;
use keyward::stored::{OwnerRow, StoredSecret, Unkept};
use keyward_axum::Refusal;
use keyward_axum::input::Query;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::limits::LimitView;
use super::tiers::TierView;
use crate::failure::broken;
use keyward_api::shapes::{
    DigestText, KeyNameText, KeyNumber, NetworkText, OwnerText, ScopeText, TierText, Time,
};

/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 100;
/// Most keys on one page.
pub(crate) const PAGE_MAX: u64 = 1_000;
/// Suspended owners asked for at once; all of them go on the first page.
const OWNERS_PAGE: u32 = 1_000;

/// Shows keys whole, with the digests of their secrets but not the secrets, which are kept
/// nowhere. What this answers, `POST /admin/import` takes.
///
/// The first page, which is asked for without `after` or with 0, has the tiers and the suspended
/// owners too, and each page the limits of the owners of its keys.
#[utoipa::path(get, path = "/admin/export", tag = "moving", params(ExportQuery), responses(
    (status = 200, description = "A page", body = ExportPage, headers(
        ("Cache-Control" = String, description = "`no-store`: the answer holds digests"),
    )),
))]
pub(crate) async fn export_keys(
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<(HeaderMap, Json<ExportPage>), Refusal> {
    let ExportQuery { after, limit } = ExportQuery::read(uri.query())?;
    let keys = reports.export_keys(after, limit).await.map_err(broken)?;
    let full = usize::try_from(limit).is_ok_and(|limit| keys.len() == limit);
    let next_after = keys.last().and_then(|last| last.id).filter(|_| full).map(KeyId::get);
    let mut owner_limits = limits_of_owners(&*reports, &keys).await?;
    let keys = keys.iter().map(ExportedKey::of).collect();
    let (tiers, suspended_owners) = (None, None);
    let mut page = ExportPage { tiers, suspended_owners, owner_limits: None, keys, next_after };
    if after.is_none() {
        owner_limits.extend(limits_without_keys(&*reports).await?);
        let tiers = reports.tiers().await.map_err(broken)?;
        page.tiers =
            Some(tiers.iter().map(|tier| TierView::of(&tier.name, &tier.limits)).collect());
        page.suspended_owners = Some(all_suspended(&*reports).await?);
    }
    owner_limits.sort_by(|a, b| a.owner.cmp(&b.owner));
    page.owner_limits = Some(owner_limits).filter(|owners| !owners.is_empty());
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((HeaderMap::from_iter([no_store]), Json(page)))
}

async fn all_suspended(reports: &dyn Reports) -> Result<Vec<String>, Refusal> {
    let mut owners: Vec<Owner> = Vec::new();
    loop {
        let after = owners.last().cloned();
        let page = reports.suspended_owners(after, OWNERS_PAGE).await.map_err(broken)?;
        let more = usize::try_from(OWNERS_PAGE).is_ok_and(|full| page.len() == full);
        owners.extend(page);
        if !more {
            return Ok(owners.iter().map(|owner| owner.as_str().to_owned()).collect());
        }
    }
}

/// The limits of the owners of these keys.
async fn limits_of_owners(
    reports: &dyn Reports,
    keys: &[Unkept],
) -> Result<Vec<OwnerLimits>, Refusal> {
    let owners: BTreeSet<_> = keys.iter().filter_map(|key| key.owner.clone()).collect();
    let found = reports.limited_owners(owners.into_iter().collect()).await.map_err(broken)?;
    Ok(found.iter().map(OwnerLimits::of).collect())
}

/// The limits of the owners that have no key yet.
async fn limits_without_keys(reports: &dyn Reports) -> Result<Vec<OwnerLimits>, Refusal> {
    let (mut limits, mut after) = (Vec::new(), None);
    loop {
        let page = reports.limited_owners_without_keys(after, OWNERS_PAGE).await.map_err(broken)?;
        limits.extend(page.iter().map(OwnerLimits::of));
        after = page.last().map(|last| last.owner.clone());
        if page.len() < OWNERS_PAGE as usize {
            return Ok(limits);
        }
    }
}

/// A page of keys, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportPage {
    /// All tiers; on the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    tiers: Option<Vec<TierView>>,
    /// The owners that are suspended; on the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<OwnerText>>)]
    suspended_owners: Option<Vec<String>>,
    /// The owners of these keys that have limits, and on the first page those without keys; left
    /// out if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_limits: Option<Vec<OwnerLimits>>,
    #[schema(max_items = 1_000)]
    keys: Vec<ExportedKey>,
    /// What to ask for as `after` to get the next page; `null` if there is none.
    #[schema(required, value_type = Option<KeyNumber>)]
    next_after: Option<u64>,
}

/// What all keys of an owner share.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerLimits {
    #[schema(value_type = OwnerText)]
    owner: String,
    #[schema(min_items = 1, max_items = 8)]
    limits: Vec<LimitView>,
}

impl OwnerLimits {
    fn of(row: &OwnerRow) -> Self {
        let limits = row.limits.list().iter().map(LimitView::of).collect();
        Self { owner: row.owner.as_str().to_owned(), limits }
    }
}

/// A key, whole: everything but the texts of its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedKey {
    #[schema(value_type = KeyNumber)]
    key_id: Option<u64>,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[schema(value_type = TierText)]
    tier: String,
    /// That its tier is gone; left out if it is not. It is so for revoked keys alone.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    tier_gone: bool,
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<String>,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<String>,
    #[schema(value_type = Vec<NetworkText>, max_items = 32)]
    networks: Vec<String>,
    /// Its own limits in place of its tier's.
    #[schema(required, max_items = 8)]
    limits: Option<Vec<LimitView>>,
    #[schema(value_type = Object)]
    metadata: Value,
    state: ExportedState,
    created_at: Time,
    #[schema(required)]
    expires_at: Option<Time>,
    #[schema(required)]
    last_used_at: Option<Time>,
    #[schema(required)]
    revoked_at: Option<Time>,
    #[schema(required)]
    revoked_reason: Option<String>,
    /// What is kept of its secrets, oldest first; the last one is its present one.
    #[schema(min_items = 1, max_items = 100)]
    secrets: Vec<ExportedSecret>,
}

/// What was decided about a key itself.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ExportedState {
    Active,
    Suspended,
    Revoked,
}

/// What is kept of a secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedSecret {
    #[schema(value_type = DigestText)]
    digest: String,
    /// The first characters of its text; empty if they were never known.
    #[schema(example = "kw_Ab3d")]
    hint: String,
    created_at: Time,
    /// When its grace ends; `null` for the key's present secret.
    #[schema(required)]
    ends_at: Option<Time>,
}

impl ExportedKey {
    fn of(key: &Unkept) -> Self {
        let (state, revoked_at) = match key.state {
            KeyState::Revoked { at } => (ExportedState::Revoked, Some(Time(at))),
            KeyState::Active => (ExportedState::Active, None),
            KeyState::Suspended => (ExportedState::Suspended, None),
        };
        let limits = key.limits.as_ref();
        let former = key.former.iter();
        let former = former.map(|it| ExportedSecret::of(&it.secret, Some(it.ends_at)));
        let reason = key.revoked_reason.as_ref();
        Self {
            key_id: key.id.map(KeyId::get),
            name: key.name.as_str().to_owned(),
            tier: key.tier.as_str().to_owned(),
            tier_gone: key.tier_gone,
            owner: key.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            scopes: key.scopes.iter().map(Scope::as_str).map(str::to_owned).collect(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            limits: limits.map(|limits| limits.list().iter().map(LimitView::of).collect()),
            metadata: key.metadata.to_json(),
            state,
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            revoked_at,
            revoked_reason: reason.map(|reason| reason.as_str().to_owned()),
            secrets: former.chain([ExportedSecret::of(&key.secret, None)]).collect(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl ExportedSecret {
    fn of(secret: &StoredSecret, ends_at: Option<keyward::UnixMillis>) -> Self {
        Self {
            digest: secret.digest.to_hex(),
            hint: secret.hint.clone(),
            created_at: Time(secret.created_at),
            ends_at: ends_at.map(Time),
        }
    }
}

/// Which page.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// Only keys with a higher id; 0 is the beginning.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    after: Option<KeyId>,
    /// Most keys on the page.
    #[param(minimum = 1, maximum = 1_000, default = 100, required = false)]
    limit: u32,
}

impl ExportQuery {
    fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let query = Query::parse(query);
        let mut faults = query.unknown(&["after", "limit"]);
        let limit = query.integer("limit", 1..=PAGE_MAX, PAGE_DEFAULT);
        let after = query.integer("after", 0..=KEY_ID_MAX, 0);
        match (limit, after) {
            (Ok(limit), Ok(after)) if faults.is_empty() => {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                Ok(Self { after: KeyId::new(after), limit })
            }
            (limit, after) => {
                faults.extend([after.err(), limit.err()].into_iter().flatten());
                Err(Refusal::unprocessable(faults))
            }
        }
    }
}
