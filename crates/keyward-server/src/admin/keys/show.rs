//! Showing a key, and what the secrets of keys begin with.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::KeyView;
use super::{KeyPath, Shown, read_id, shown_again};
use crate::failure::broken;
use crate::shapes::PrefixText;

/// Shows a key.
#[utoipa::path(get, path = "/admin/api-keys/{key_id}", tag = "keys", params(KeyPath), responses(
    (status = 200, description = "The key", body = KeyView, headers(
        ("ETag" = String, description = "The key's version, for `If-Match`"),
    )),
    (status = 404, description = "API key not found"),
))]
pub(crate) async fn find_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
) -> Result<Shown, Refusal> {
    shown_again(&guard, read_id(&key_id)?).await
}

/// Lists what the secrets of keys begin with, and those of keys to come: what a scanner looks for.
#[utoipa::path(get, path = "/admin/prefixes", tag = "keys", responses(
    (status = 200, description = "All prefixes, in order", body = PrefixList),
))]
pub(crate) async fn list_prefixes(State(guard): State<Guard>) -> Result<Json<PrefixList>, Refusal> {
    let used = guard.gate().store().prefixes().await.map_err(broken)?;
    let own = guard.gate().prefix().as_str().to_owned();
    let prefixes: BTreeSet<_> = used.into_iter().chain([own]).collect();
    Ok(Json(PrefixList { prefixes: prefixes.into_iter().collect() }))
}

/// What the secrets of keys begin with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrefixList {
    #[schema(value_type = Vec<PrefixText>)]
    prefixes: Vec<String>,
}
