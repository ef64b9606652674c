//! The audit trail on the admin API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use keyward::store::Reports;
use keyward_api::audit::{AuditPageView, ListAuditQuery};
use keyward_axum::{Guard, Rejection};

use crate::failure::broken;
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// The route of the audit trail.
pub(crate) fn routes() -> Routes<Shared> {
    Routes::new().add(Access::Admin(Role::Viewer), route!(list_audit))
}

/// Lists the changes, by whom and when: the oldest first, unless told otherwise.
///
/// Each entry carries the digest of the one before it. A client that walks the whole trail in
/// ascending order and without filters can check that nothing was altered, as
/// `keyward audit verify` does.
#[utoipa::path(get, path = "/admin/audit", tag = "audit", params(ListAuditQuery), responses(
    (status = 200, description = "A page", body = AuditPageView),
))]
pub(crate) async fn list_audit(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<AuditPageView>, Rejection> {
    let query = ListAuditQuery::read(uri.query())?;
    // Before the page: entries recorded later may be newer, and must not be older.
    let newest = guard.gate().store().newest_change();
    let page = reports.audit_entries(query.into()).await.map_err(broken)?;
    Ok(Json(AuditPageView::of(page, newest)))
}
