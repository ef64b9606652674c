//! Showing a key, and the prefixes of the secrets of keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderMap;
use keyward::record::Stage;
use keyward::store::Reports;
use keyward_api::key::{KeyView, PrefixList};
use keyward_axum::{Guard, Rejection};

use super::common::{KeyPath, existing, shown};
use crate::failure::broken;
use crate::precondition::{self, Named, Preconditions};

/// Shows a key.
#[utoipa::path(
    get, path = "/admin/api-keys/{key_id}", tag = "keys",
    params(KeyPath, Preconditions),
    responses(
        (status = 200, description = "The key", body = KeyView, headers(
            ("ETag" = String, description = "The key's version and its owner's, for `If-Match`"),
        )),
        (status = 304, description = "The key is as the request says that it was seen"),
        (status = 404, description = "API key not found"),
        (status = 412, description = "The key has changed since; read it again"),
    ),
)]
pub(crate) async fn find_key(
    State(guard): State<Guard>,
    KeyPath { key_id }: KeyPath,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let key = existing(&guard, key_id).await?;
    let tag = key.versions().to_string();
    // It expired by itself, so its versions have not changed since it worked.
    if key.stage(guard.now().unix) == Stage::Expired {
        Preconditions::read(&headers)?.is_known("key", Named::Tagged(&tag))?;
        return Ok(shown(&guard, &key).into_response());
    }
    precondition::shown(&headers, "key", &tag, shown(&guard, &key))
}

/// Lists what the secrets of keys begin with, and those of keys to come: what a scanner looks for.
#[utoipa::path(get, path = "/admin/prefixes", tag = "keys", responses(
    (status = 200, description = "All prefixes, in order", body = PrefixList),
))]
pub(crate) async fn list_prefixes(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
) -> Result<Json<PrefixList>, Rejection> {
    let used = reports.prefixes().await.map_err(broken)?;
    let own = guard.gate().prefix().as_str().to_owned();
    let prefixes: BTreeSet<_> = used.into_iter().chain([own]).collect();
    Ok(Json(PrefixList { prefixes: prefixes.into_iter().collect() }))
}
