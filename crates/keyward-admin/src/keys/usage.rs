//! Usage: the results of the requests of a key, and of all keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use keyward::store::Reports;
use keyward_api::usage::{BUCKETS_MAX, TopQuery, TopView, UsageQuery, UsageView};
use keyward_axum::{Guard, Rejection};

use super::common::{KeyPath, existing};
use crate::failure::broken;

/// Shows the outcomes of a key's requests, hour by hour or day by day, up to and including the
/// requests that had a response before this one came.
#[utoipa::path(
    get, path = "/admin/api-keys/{key_id}/usage", tag = "usage", params(KeyPath, UsageQuery),
    responses(
        (status = 200, description = "Whole hours or days around the requested span",
            body = UsageView),
        (status = 404, description = "API key not found"),
    ),
)]
pub(crate) async fn show_usage(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    KeyPath { key_id: id }: KeyPath,
    uri: Uri,
) -> Result<Json<UsageView>, Rejection> {
    let this_hour = guard.now().unix.hour();
    let (hours, bucket) = UsageQuery::read_hours(uri.query(), this_hour)?;
    existing(&guard, id).await?;
    guard.flush().await.map_err(broken)?;
    let rows = reports.usage(id, hours, bucket, BUCKETS_MAX).await.map_err(broken)?;
    Ok(Json(UsageView::of(id, hours, bucket, &rows)))
}

/// Shows the outcomes of the requests of all keys, and names the keys that had the most.
#[utoipa::path(get, path = "/admin/usage", tag = "usage", params(TopQuery), responses(
    (status = 200, description = "Whole hours around the requested span", body = TopView),
))]
pub(crate) async fn show_top(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<TopView>, Rejection> {
    let this_hour = guard.now().unix.hour();
    let (hours, by, top) = TopQuery::read_hours(uri.query(), this_hour)?;
    guard.flush().await.map_err(broken)?;
    let usage = reports.usage_top(hours, by, top).await.map_err(broken)?;
    Ok(Json(TopView::of(hours, &usage)))
}
