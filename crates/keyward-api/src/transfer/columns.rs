//! The columns of a CSV file: its header, and the values of cells by their columns.

use keyward::json::{self, first_inexact_number};
use serde_json::Value;

use crate::limit_text::LimitText;

use super::digest::ImportDigest;
use super::key::State;
use super::line::{Fields, Flag, Id, TierField, is_null};
use super::list::words;
use super::names::explain_unknown;
use super::time::{End, Time};
use super::{INEXACT, ReadError};

/// A column whose name is empty: pandas' index, or the padding of a spreadsheet.
pub(super) const NAMELESS: &str = "";
/// Every name that a column can have.
const COLUMNS: [&str; 18] = [
    "digest",
    "key_hash",
    "name",
    "tier",
    "rate_limit_tier",
    "owner",
    "scopes",
    "networks",
    "limit",
    "expires_at",
    "metadata",
    "state",
    "is_active",
    "created_at",
    "last_used_at",
    "hint",
    "key_id",
    "id",
];

/// The fault of a column with more than one limit for a key.
const LIMITS: &str = "a record has one limit, in a column `limit` such as `100 per 60s burst 200`; \
                      import keys with several as JSON Lines, with `limits`";

/// The fault of a cell that is neither yes nor no: a key could be allowed by mistake.
const UNDECIDED: &str = "it is unknown whether the key works; write 1 or 0";
/// The fault of a cell with more than one limit.
const ONE_LIMIT: &str =
    "a cell holds one limit; import keys with several as JSON Lines, with `limits`";
const METADATA: &str = "metadata is a JSON object";
const PYTHON: &str = "metadata is a JSON object, and this is Python's text of one; write it with \
                      json.dumps";

/// The names of the columns, in their order.
///
/// # Errors
///
/// Returns [`ReadError::Header`] if a column is unknown, missing or named twice.
pub(super) fn read_header(cells: &[&[u8]]) -> Result<Vec<&'static str>, ReadError> {
    let mut columns = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let written = String::from_utf8_lossy(cell).trim().to_owned();
        let name = written.to_lowercase().replace([' ', '-'], "_");
        // pandas gives its index this name when it has read and written it once more.
        if name.is_empty() || (at == 0 && name == "unnamed:_0") {
            columns.push(NAMELESS);
            continue;
        }
        if name == "limits" {
            return Err(ReadError::Header(LIMITS.to_owned()));
        }
        let known = COLUMNS.into_iter().find(|known| name == *known);
        let Some(known) = known else {
            return Err(ReadError::Header(explain_unknown("column", &written, &COLUMNS)));
        };
        columns.push(main_name(known));
    }
    check(&columns).map_or(Ok(columns), |problem| Err(ReadError::Header(problem)))
}

/// The fault of the columns together, each of which is known.
fn check(columns: &[&str]) -> Option<String> {
    for (at, name) in columns.iter().enumerate().filter(|(_, name)| **name != NAMELESS) {
        if columns.iter().take(at).any(|other| other == name) {
            return Some(format!("the column `{name}` is there twice"));
        }
    }
    if columns.contains(&"state") && columns.contains(&"is_active") {
        let text = "there are both columns `state` and `is_active`; leave one out";
        return Some(text.to_owned());
    }
    let missing = ["digest", "name"].into_iter().find(|needed| !columns.contains(needed));
    missing.map(|name| format!("there is no column `{name}`; the first line names the columns"))
}

/// Other systems' names are read as ours.
fn main_name(column: &'static str) -> &'static str {
    match column {
        "key_hash" => "digest",
        "rate_limit_tier" => "tier",
        "id" => "key_id",
        other => other,
    }
}

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
