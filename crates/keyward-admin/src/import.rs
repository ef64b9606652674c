//! Taking keys in that came from elsewhere, with the digests of their secrets.

use axum::Json;
use axum::extract::{Request, State};
use keyward::rules::Change;
use keyward_api::export::ImportQuery;
use keyward_api::import::{ImportBody, ImportKeyBody, ImportReport, ImportedKey};
use keyward_axum::{Guard, Rejection};

use crate::body::read_whole;
use crate::change::audit;
use crate::failure::broken;
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;

/// Most bytes of a body that brings keys.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The route of the import.
pub(crate) fn routes() -> Routes<Shared> {
    Routes::new().add(Access::Admin(Role::Admin), route!(import_keys))
}

/// Adds keys that came from elsewhere. Their secrets go on working, whatever their form was.
///
/// Each key is added, skipped because it is there already, or `refused`, and none because of
/// another; so it is safe to repeat. With `dry_run=true` the response is the same and nothing is
/// added.
#[utoipa::path(
    post, path = "/admin/import", tag = "moving", params(ImportQuery), request_body = ImportBody,
    responses((status = 200, description = "What became of each key", body = ImportReport)),
)]
pub(crate) async fn import_keys(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Json<ImportReport>, Rejection> {
    let (parts, body) = request.into_parts();
    let dry_run = ImportQuery::read(parts.uri.query())?.dry_run.unwrap_or_default();
    let body = read_whole(body, BODY_BYTES_MAX).await?;
    let ImportBody { keys } = ImportBody::read(&body)?;
    let audit = audit(&guard, &parts.extensions);
    let read = keys.into_iter().map(|key| ImportKeyBody::read(&key, audit.at));
    // The readable keys go to the store together; the others keep their positions in the report.
    let mut copies = Vec::new();
    let read: Vec<_> = read.map(|read| read.map(|copy| copies.push(copy))).collect();
    let change = Change::Import { keys: copies, dry_run };
    let made = guard.run(change, audit).await.map_err(|it| broken(it.into_store()))?;
    let everywhere = made.everywhere.filter(|_| !dry_run);
    let imported = made.into_imported().map_err(broken)?;
    let mut imported = imported.iter();
    let mut report = ImportReport { everywhere, ..ImportReport::default() };
    for key in read {
        report.add(match key {
            Err(reason) => ImportedKey::refused(reason),
            Ok(()) => imported.next().map_or_else(ImportedKey::without_result, ImportedKey::of),
        });
    }
    Ok(Json(report))
}
