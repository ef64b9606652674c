//! The admin API: its routes, and the common parts of its resources. Who may use it is decided in
//! `access`.

pub(crate) mod audit;
pub(crate) mod backup;
mod change;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod keys;
mod once;
pub(crate) mod owners;
mod precondition;
pub(crate) mod tiers;
pub(crate) mod unread;

use http::header::{ETAG, HeaderMap, HeaderValue};

use crate::edge::BACKUP_PATH;
use crate::routes::{Access, Routes};
use keyward_admin::Role;

pub(crate) use self::backup::Backups;

/// Every admin route, one line each.
pub(crate) fn add_routes(routes: Routes) -> Routes {
    let (viewer, issuer) = (Access::Admin(Role::Viewer), Access::Admin(Role::Issuer));
    let admin = Access::Admin(Role::Admin);
    routes
        .get("/admin/api-keys", viewer, keys::list::list_keys)
        .post("/admin/api-keys", issuer, keys::issue::issue_key)
        .post("/admin/api-keys/identify", viewer, keys::identify::identify_keys)
        .get("/admin/api-keys/{key_id}", viewer, keys::show::find_key)
        .patch("/admin/api-keys/{key_id}", issuer, keys::edit::edit_key)
        .delete("/admin/api-keys/{key_id}", issuer, keys::life::revoke_key)
        .post("/admin/api-keys/{key_id}/suspend", issuer, keys::life::suspend_key)
        .post("/admin/api-keys/{key_id}/resume", issuer, keys::life::resume_key)
        .post("/admin/api-keys/{key_id}/rotate", issuer, keys::rotate::rotate_key)
        .get("/admin/api-keys/{key_id}/usage", viewer, keys::usage::show_usage)
        .get("/admin/usage", viewer, keys::usage::show_top)
        .get("/admin/prefixes", viewer, keys::show::list_prefixes)
        .get("/admin/owners", viewer, owners::list_owners)
        .get("/admin/owners/{owner}", viewer, owners::show_owner)
        .patch("/admin/owners/{owner}", issuer, owners::edit_owner)
        .post("/admin/owners/{owner}/suspend", issuer, owners::suspend_owner)
        .post("/admin/owners/{owner}/resume", issuer, owners::resume_owner)
        .get("/admin/tiers", viewer, tiers::list_tiers)
        .get("/admin/tiers/{name}", viewer, tiers::show_tier)
        .put("/admin/tiers/{name}", admin, tiers::put_tier)
        .delete("/admin/tiers/{name}", admin, tiers::delete_tier)
        .get("/admin/audit", viewer, audit::list_audit)
        .post("/admin/import", admin, import::import_keys)
        .get("/admin/export", admin, export::export_keys)
        .get(BACKUP_PATH, admin, backup::back_up)
}

/// The `ETag` header with this tag, which holds visible characters alone.
fn etag(tag: &str) -> HeaderMap {
    let tag = HeaderValue::try_from(format!("\"{tag}\""));
    HeaderMap::from_iter(tag.map(|tag| (ETAG, tag)))
}
