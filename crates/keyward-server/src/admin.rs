//! The admin API: its routes, and what its resources have in common. Who may use it is decided in
//! `access`.

pub(crate) mod keys;
pub(crate) mod tiers;

use std::error::Error as _;

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use http::{Extensions, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use keyward::store::{Actor, Audit, StoreError};
use keyward_axum::{Guard, Refusal};
use keyward_news::{IMPORT_BODY_MAX, import_articles};

use crate::access::{self, Who};
use crate::edge::RequestId;
use crate::role::Role;
use crate::routes::{Access, Routes};

/// Most bytes of a body on an admin route, imports aside.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Every admin route, one line each.
pub(crate) fn add_routes(routes: Routes) -> Routes {
    let (viewer, issuer) = (Access::Admin(Role::Viewer), Access::Admin(Role::Issuer));
    let admin = Access::Admin(Role::Admin);
    let import_articles = import_articles.layer(DefaultBodyLimit::max(IMPORT_BODY_MAX));
    routes
        .get("/admin/api-keys", viewer, keys::list_keys)
        .post("/admin/api-keys", issuer, keys::issue_key)
        .get("/admin/api-keys/{key_id}", viewer, keys::find_key)
        .delete("/admin/api-keys/{key_id}", issuer, keys::revoke_key)
        .get("/admin/api-keys/{key_id}/usage", viewer, keys::show_usage)
        .get("/admin/tiers", viewer, tiers::list_tiers)
        .put("/admin/tiers/{name}", admin, tiers::put_tier)
        .post("/admin/articles", admin, import_articles)
}

/// What the audit entry says of a change that this request asks for.
fn audit(guard: &Guard, extensions: &Extensions) -> Audit {
    let id = extensions.get::<RequestId>().map(|RequestId(id)| id.clone());
    let actor = match extensions.get::<Who>().map(|who| &who.actor) {
        // The store has no word for a person yet, and keeps the key's; the log has the name.
        Some(access::Actor::AdminKey | access::Actor::Person(_)) => Actor::AdminKey,
        // Nobody gets here without; what they did would be the program's own doing.
        None => Actor::Program,
    };
    guard.audit(actor, id)
}

/// Reads a whole body of at most 64 KiB.
async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large")
        } else {
            Refusal::new(StatusCode::BAD_REQUEST, "The body ended early or is malformed")
        }
    })
}

/// A store that breaks down: the log learns why, the client that trying later may help.
pub(crate) fn broken(error: StoreError) -> Refusal {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "The store failed");
    drop(error);
    Refusal::unavailable()
}
