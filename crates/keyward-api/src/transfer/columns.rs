//! The header of a CSV file.

use super::ReadError;
use super::names::explain_unknown;

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
