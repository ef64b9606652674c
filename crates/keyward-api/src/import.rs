//! Keys that came from elsewhere, with the digests of their secrets, and the report on them.

mod object;
mod read;

use std::fmt;

use keyward::rules::Imported;
use keyward::{KeyId, json};
use keyward_http::Rejection;
use keyward_http::fault::Fault;
use keyward_http::input::{self, Fields};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::shapes::KeyNumber;
use crate::transfer::BATCH_KEYS_MAX;

use self::object::Object;
pub use self::read::ImportKeyBody;

/// Keys that came from elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    #[schema(value_type = Vec<ImportKeyBody>, min_items = 1, max_items = 1_000)]
    pub keys: Vec<Box<RawValue>>,
}

impl fmt::Debug for ImportBody {
    /// A field of a key may hold a secret, where none belongs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportBody").field("keys", &self.keys.len()).finish()
    }
}

impl ImportBody {
    /// Reads a body, and no key of it yet.
    ///
    /// # Errors
    ///
    /// Returns 422 for a body of another form, and for no keys or more than 1 000.
    pub fn read(body: &[u8]) -> Result<Self, Rejection> {
        let rejected = |fault| Rejection::unprocessable(vec![fault]);
        let location = || vec!["body".into(), "keys".into()];
        let read: Self = match json::from_slice(body) {
            Ok(Object(read)) => read,
            // Read again, for the words that clients know: an import of keys that fits is long,
            // and one that does not is rare.
            Err(error) => return Err(explain(body, &error).masked()),
        };
        match read.keys.len() {
            0 => {
                let message = "List should have at least 1 item after validation, not 0";
                Err(rejected(
                    Fault::new("too_short", location(), message).input(Value::Array(vec![])),
                ))
            }
            count if BATCH_KEYS_MAX < count => {
                let message = format!(
                    "List should have at most {BATCH_KEYS_MAX} items after validation, not {count}"
                );
                // The list itself is too long to be sent back.
                Err(rejected(Fault::new("too_long", location(), message)))
            }
            _ => Ok(read),
        }
    }
}

/// Explains the fault of a body; the response leaves out the body itself, which is long and may
/// hold secrets.
fn explain(body: &[u8], error: &serde_json::Error) -> Rejection {
    let fields = match input::json_object(body) {
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
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Keys that were added.
    #[serde(default)]
    #[schema(required)]
    pub added: usize,
    /// Keys that were there already.
    #[serde(default)]
    #[schema(required)]
    pub skipped: usize,
    /// Keys that were not added.
    #[serde(default)]
    #[schema(required)]
    pub refused: usize,
    /// One for each key, in their order.
    #[schema(max_items = 1_000)]
    pub keys: Vec<ImportedKey>,
    /// Where several nodes share a database: whether all of them know these keys. A node that does
    /// not may deny them for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub everywhere: Option<bool>,
}

impl ImportReport {
    /// Adds the outcome of one more key.
    pub fn add(&mut self, key: ImportedKey) {
        match key.status {
            ImportStatus::Added => self.added += 1,
            ImportStatus::Skipped => self.skipped += 1,
            ImportStatus::Refused => self.refused += 1,
        }
        self.keys.push(key);
    }
}

/// What became of one key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedKey {
    pub status: ImportStatus,
    /// The key's id here, if it is here; of a dry run, what it would be.
    #[schema(required, value_type = Option<KeyNumber>)]
    pub key_id: Option<u64>,
    /// Why it was rejected.
    #[schema(required)]
    pub reason: Option<String>,
}

/// Whether a key was added.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// It was added.
    Added,
    /// It was there: a key with the same secrets.
    Skipped,
    /// It was not added.
    Refused,
}

impl ImportedKey {
    /// The outcome that the store reports.
    #[must_use]
    pub fn of(key: &Imported) -> Self {
        let row =
            |status, id: Option<KeyId>| Self { status, key_id: id.map(KeyId::get), reason: None };
        match key {
            Imported::Added(key) => row(ImportStatus::Added, Some(key.id)),
            Imported::Skipped(id) => row(ImportStatus::Skipped, Some(*id)),
            Imported::Rejected(rejection) => Self::refused(rejection.to_string()),
        }
    }

    /// The outcome of a key that is not added, for this reason.
    #[must_use]
    pub fn refused(reason: String) -> Self {
        Self { status: ImportStatus::Refused, key_id: None, reason: Some(reason) }
    }

    /// The outcome of a key about which the store reports nothing.
    #[must_use]
    pub fn without_result() -> Self {
        Self::refused("the store said nothing about it".to_owned())
    }
}
