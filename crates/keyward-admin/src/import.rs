//! Taking keys in that came from elsewhere, with the digests of their secrets.

mod object;
mod read;

use axum::Json;
use axum::extract::{Request, State};
use keyward::KeyId;
use keyward::json;
use keyward::rules::Imported;
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::body::read_whole;
use crate::change::audit;
use crate::failure::broken;
use crate::role::Role;
use crate::routes::{Access, Routes, route};
use crate::shared::Shared;
use keyward_api::export::ImportQuery;
use keyward_api::shapes::KeyNumber;
use keyward_api::transfer::BATCH_KEYS_MAX;

use self::object::Object;
use self::read::ImportKeyBody;

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
    let places: Vec<_> = read.map(|read| read.map(|copy| copies.push(copy))).collect();
    let imported = guard.import(copies, dry_run, audit).await.map_err(broken)?;
    let mut imported = imported.iter();
    let mut report = ImportReport::default();
    for place in places {
        report.add(match place {
            Err(reason) => Row::refused(reason),
            Ok(()) => imported.next().map_or_else(Row::without_result, Row::of),
        });
    }
    Ok(Json(report))
}

/// Keys that came from elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    #[schema(value_type = Vec<ImportKeyBody>, min_items = 1, max_items = 1_000)]
    keys: Vec<Box<RawValue>>,
}

impl ImportBody {
    fn read(body: &[u8]) -> Result<Self, Rejection> {
        let rejected = |fault| Rejection::unprocessable(vec![fault]);
        let place = || vec!["body".into(), "keys".into()];
        let read: Self = match json::from_slice(body) {
            Ok(Object(read)) => read,
            // Read again, for the words that clients know: an import of keys that fits is long,
            // and one that does not is rare.
            Err(error) => return Err(explain(body, &error).masked()),
        };
        match read.keys.len() {
            0 => {
                let message = "List should have at least 1 item after validation, not 0";
                Err(rejected(Fault::new("too_short", place(), message).input(Value::Array(vec![]))))
            }
            count if BATCH_KEYS_MAX < count => {
                let message = format!(
                    "List should have at most {BATCH_KEYS_MAX} items after validation, not {count}"
                );
                // The list itself is too long to be sent back.
                Err(rejected(Fault::new("too_long", place(), message)))
            }
            _ => Ok(read),
        }
    }
}

/// Explains the fault of a body; the response leaves out the body itself, which is long and may
/// hold secrets.
fn explain(body: &[u8], error: &serde_json::Error) -> Rejection {
    use keyward_axum::input::{Fields, json_object};
    let fields = match json_object(body) {
        Ok(fields) => fields,
        Err(rejection) => return rejection,
    };
    let mut fields = Fields::new(vec!["body".into()], fields);
    if let Some(keys) = fields.take_required("keys")
        && !keys.is_array()
    {
        let fault =
            Fault::new("list_type", fields.location("keys"), "Input should be a valid list");
        fields.fault(fault);
    }
    let mut faults = fields.finish();
    if faults.is_empty() {
        faults.push(Fault::value_error(vec!["body".into()], Value::Null, &error.to_string()));
    }
    Rejection::unprocessable(faults)
}

/// What became of an import.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ImportReport {
    /// Keys that were added.
    added: usize,
    /// Keys that were there already.
    skipped: usize,
    /// Keys that were not added.
    refused: usize,
    /// One for each key, in their order.
    #[schema(max_items = 1_000)]
    keys: Vec<Row>,
}

impl ImportReport {
    fn add(&mut self, row: Row) {
        match row.status {
            ImportStatus::Added => self.added += 1,
            ImportStatus::Skipped => self.skipped += 1,
            ImportStatus::Refused => self.refused += 1,
        }
        self.keys.push(row);
    }
}

/// What became of one key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedKey)]
pub(crate) struct Row {
    status: ImportStatus,
    /// The key's id here, if it is here; of a dry run, what it would be.
    #[schema(required, value_type = Option<KeyNumber>)]
    key_id: Option<u64>,
    /// Why it was rejected.
    #[schema(required)]
    reason: Option<String>,
}

/// Whether a key was added.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ImportStatus {
    /// It was added.
    Added,
    /// It was there: a key with the same secrets.
    Skipped,
    /// It was not added.
    Refused,
}

impl Row {
    fn of(key: &Imported) -> Self {
        let row =
            |status, id: Option<KeyId>| Self { status, key_id: id.map(KeyId::get), reason: None };
        match key {
            Imported::Added(key) => row(ImportStatus::Added, Some(key.id)),
            Imported::Skipped(id) => row(ImportStatus::Skipped, Some(*id)),
            Imported::Rejected(rejection) => Self::refused(rejection.to_string()),
        }
    }

    fn refused(reason: String) -> Self {
        Self { status: ImportStatus::Refused, key_id: None, reason: Some(reason) }
    }

    fn without_result() -> Self {
        Self::refused("the store said nothing about it".to_owned())
    }
}
