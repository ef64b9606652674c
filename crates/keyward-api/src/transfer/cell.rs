//! The values of the cells of a CSV file, by the names of their columns.

use keyward::json::{self, first_inexact_number};
use serde_json::Value;

use crate::limit_text::LimitText;

use super::INEXACT;
use super::digest::ImportDigest;
use super::key::State;
use super::line::{Fields, Flag, Id, TierField, is_null};
use super::list::words;
use super::time::{End, Time};

/// The fault of a cell that is neither yes nor no: a key could be allowed by mistake.
const UNDECIDED: &str = "it is unknown whether the key works; write 1 or 0";
/// The fault of a cell with more than one limit.
const ONE_LIMIT: &str =
    "a cell holds one limit; import keys with several as JSON Lines, with `limits`";
const METADATA: &str = "metadata is a JSON object";
const PYTHON: &str = "metadata is a JSON object, and this is Python's text of one; write it with \
                      json.dumps";

/// Sets the value of a cell. A null of another system counts as an empty cell.
///
/// # Errors
///
/// Returns the fault and the remedy, without the cell.
pub(super) fn set(fields: &mut Fields, column: &str, cell: &str) -> Result<(), String> {
    if is_null(cell) {
        return match column {
            "state" | "is_active" => Err(UNDECIDED.to_owned()),
            "name" | "digest" => Err("it is missing; every key has one".to_owned()),
            _ => Ok(()),
        };
    }
    match column {
        "digest" => fields.digest = Some(ImportDigest::parse(cell)?),
        "hint" => fields.hint = Some(cell.to_owned()),
        "key_id" => fields.key_id = Some(Id::parse(cell)?),
        "name" => fields.name = Some(cell.to_owned()),
        "tier" => fields.tier = Some(TierField::Name(cell.to_owned())),
        "owner" => fields.owner = Some(cell.to_owned()),
        "scopes" => fields.scopes = Some(words(cell)?),
        "networks" => fields.networks = Some(words(cell)?),
        "limit" => fields.limits = Some(Value::Array(vec![limit(cell)?])),
        "metadata" => {
            if first_inexact_number(cell).is_some() {
                return Err(INEXACT.to_owned());
            }
            let problem = if cell.starts_with("{'") { PYTHON } else { METADATA };
            fields.metadata = Some(json::from_str(cell).map_err(|_| problem)?);
        }
        "state" => fields.state = Some(State::parse(cell)?),
        "is_active" => fields.is_active = Some(Flag::parse(cell)?),
        "expires_at" => fields.expires_at = Some(End::parse(cell)?),
        "created_at" => fields.created_at = Some(Time::parse(cell)?),
        "last_used_at" => fields.last_used_at = Some(Time::parse(cell)?),
        other => return Err(format!("no such column as {other}")),
    }
    Ok(())
}

/// A limit in words. One that is missing is the tier's.
fn limit(cell: &str) -> Result<Value, String> {
    let is_list = cell.contains([',', ';', '|', '\n']) || cell.starts_with(['[', '{']);
    if is_list || 1 < cell.split_whitespace().filter(|word| *word == "per").count() {
        return Err(ONE_LIMIT.to_owned());
    }
    Ok(LimitText::parse(cell)?.json())
}
