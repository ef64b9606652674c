//! The view of a caller's own key.

mod usage_cache;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use keyward::UnixMillis;
use keyward::count::Counts;
use keyward::store::Reports;
use keyward_admin::broken;
use keyward_api::limit::LimitState;
use keyward_api::shapes::{KeyNameText, KeyNumber, OwnerText, ScopeText, TierText, Time};
use keyward_api::usage::CountsView;
use keyward_axum::{Caller, Guard, Rejection};
use serde::Serialize;
use utoipa::ToSchema;

use self::usage_cache::Stored;
pub(crate) use self::usage_cache::UsageCache;

/// Shows a caller its own key: its scopes, the state of its limits, and its usage today and this
/// month, in UTC, up to and including this request.
#[utoipa::path(
    get, path = "/key", tag = "caller",
    responses((status = 200, description = "The key", body = OwnKey, headers(
        ("Cache-Control" = String, description = "`no-store`: it is for this caller alone"),
    ))),
)]
pub(crate) async fn show_own_key(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    State(usage_cache): State<UsageCache>,
    caller: Caller,
) -> Result<([(HeaderName, HeaderValue); 1], Json<OwnKey>), Rejection> {
    let now = guard.now().unix;
    // Counts that are not in the store yet are taken from memory, so that no caller can make the
    // server write by asking.
    let pending = guard.gate().counted(&caller, now);
    let asked = usage_cache.of(guard.gate(), &*reports, caller.key_id(), now);
    let stored = asked.await.map_err(broken)?;
    let usage = OwnUsage::of(stored, pending);
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(OwnKey::of(&caller, usage, now))))
}

/// A key, as its caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnKey {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[schema(value_type = TierText)]
    tier: String,
    /// Its owner.
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<String>,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<String>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// The state of the limit of which least is left; `null` is no limit.
    #[schema(required)]
    limit: Option<LimitState>,
    /// The state of each limit: its own limits or those of its tier, in their order, and then the
    /// limits that all keys of its owner share.
    #[schema(max_items = 16)]
    limits: Vec<LimitState>,
    usage: OwnUsage,
}

impl OwnKey {
    fn of(caller: &Caller, usage: OwnUsage, now: UnixMillis) -> Self {
        Self {
            key_id: caller.key_id().get(),
            name: caller.name().to_owned(),
            tier: caller.tier().to_owned(),
            owner: caller.owner().map(str::to_owned),
            scopes: caller.scopes().map(str::to_owned).collect(),
            expires_at: caller.expires_at().map(Time),
            limit: caller.standing().map(|standing| LimitState::of(&standing, now)),
            limits: caller.standings().iter().map(|one| LimitState::of(&one, now)).collect(),
            usage,
        }
    }
}

/// The usage of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnUsage {
    /// Since midnight, in UTC.
    today: CountsView,
    /// Since the first of the month, in UTC.
    month: CountsView,
}

impl OwnUsage {
    /// Adds the counts that are not in the store yet, which are of today.
    fn of(stored: Stored, pending: Counts) -> Self {
        let [today, month] = [stored.today, stored.month].map(|mut counts| {
            counts.add(&pending);
            CountsView::of(&counts)
        });
        Self { today, month }
    }
}
