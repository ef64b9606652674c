//! Exports everything but the texts of secrets, page by page.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use keyward::record::Owner;
use keyward::store::Reports;
use keyward::stored::Unkept;
use keyward_api::export::{ExportPage, ExportQuery, OwnerLimits};
use keyward_api::key::ExportedKey;
use keyward_api::shapes::OwnerText;
use keyward_api::tier::TierView;
use keyward_axum::Rejection;

use crate::failure::broken;
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u32 = 100;
/// Suspended owners asked for at once; all of them go on the first page.
const OWNERS_PAGE: u32 = 1_000;

/// The route of the export.
pub(crate) fn routes() -> Routes<Shared> {
    Routes::new().add(Access::Admin(Role::Admin), route!(export_keys))
}

/// Shows keys whole, with the digests of their secrets but not the secrets, which are kept
/// nowhere. `POST /admin/import` takes the same form.
///
/// The first page, which is asked for without `after` or with 0, has the tiers and the suspended
/// owners too, and each page the limits of the owners of its keys.
#[utoipa::path(get, path = "/admin/export", tag = "moving", params(ExportQuery), responses(
    (status = 200, description = "A page", body = ExportPage, headers(
        ("Cache-Control" = String, description = "`no-store`: the response holds digests"),
    )),
))]
pub(crate) async fn export_keys(
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<(HeaderMap, Json<ExportPage>), Rejection> {
    let ExportQuery { after, limit } = ExportQuery::read(uri.query())?;
    let after = after.and_then(|after| after.0);
    let limit = limit.map_or(PAGE_DEFAULT, |limit| limit.0);
    let keys = reports.export_keys(after, limit).await.map_err(broken)?;
    let full = usize::try_from(limit).is_ok_and(|limit| keys.len() == limit);
    let next_after = keys.last().and_then(|last| last.id).filter(|_| full).map(Into::into);
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
    owner_limits.sort_by(|a, b| a.owner.0.cmp(&b.owner.0));
    page.owner_limits = Some(owner_limits).filter(|owners| !owners.is_empty());
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((HeaderMap::from_iter([no_store]), Json(page)))
}

async fn all_suspended(reports: &dyn Reports) -> Result<Vec<OwnerText>, Rejection> {
    let mut owners: Vec<Owner> = Vec::new();
    loop {
        let after = owners.last().cloned();
        let page = reports.suspended_owners(after, OWNERS_PAGE).await.map_err(broken)?;
        let more = usize::try_from(OWNERS_PAGE).is_ok_and(|full| page.len() == full);
        owners.extend(page);
        if !more {
            return Ok(owners.into_iter().map(OwnerText).collect());
        }
    }
}

/// The limits of the owners of these keys.
async fn limits_of_owners(
    reports: &dyn Reports,
    keys: &[Unkept],
) -> Result<Vec<OwnerLimits>, Rejection> {
    let owners: BTreeSet<_> = keys.iter().filter_map(|key| key.owner.clone()).collect();
    let found = reports.limited_owners(owners.into_iter().collect()).await.map_err(broken)?;
    Ok(found.iter().map(OwnerLimits::of).collect())
}

/// The limits of the owners that have no key yet.
async fn limits_without_keys(reports: &dyn Reports) -> Result<Vec<OwnerLimits>, Rejection> {
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
