//! Tiers, and their limits as JSON.

use std::num::NonZeroU32;
use std::time::Duration;

use keyward::limit::{Limit, LimitError};
use keyward::store::{Audit, TierRecord, TierWritten};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::{self, Change};
use crate::fault::Fault;

/// A limit as the column keeps it. A member that it does not know was written by a newer version:
/// to leave it out might be to allow too much.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LimitRow {
    name: String,
    amount: NonZeroU32,
    per_secs: u64,
    burst: NonZeroU32,
}

impl From<&Limit> for LimitRow {
    fn from(limit: &Limit) -> Self {
        Self {
            name: limit.name().to_owned(),
            amount: limit.amount(),
            per_secs: limit.per().as_secs(),
            burst: limit.burst(),
        }
    }
}

impl TryFrom<LimitRow> for Limit {
    type Error = LimitError;

    fn try_from(row: LimitRow) -> Result<Self, Self::Error> {
        Self::new(&row.name, row.amount, Duration::from_secs(row.per_secs), row.burst)
    }
}

/// All tiers, in the order in which they were made.
pub(crate) fn list(connection: &Connection) -> Result<Vec<TierRecord>, Fault> {
    // Served by the primary key. A gate bounds the number of tiers.
    const LIST: &str = "SELECT name, limits FROM tiers ORDER BY id";
    let mut list = connection.prepare_cached(LIST)?;
    list.query_and_then([], tier)?.collect()
}

/// Writes a tier, new or not, and its audit entry with the limits before and after.
pub(crate) fn put(
    connection: &Connection,
    tier: &TierRecord,
    audit: &Audit,
) -> Result<TierWritten, Fault> {
    // Both served by the index of the unique name. A tier that is there keeps its place.
    const FIND: &str = "SELECT limits FROM tiers WHERE name = ?1";
    const PUT: &str = "INSERT INTO tiers (name, limits) VALUES (?1, ?2) \
                       ON CONFLICT (name) DO UPDATE SET limits = excluded.limits";
    let name = tier.name.as_str();
    let before: Option<String> =
        connection.prepare_cached(FIND)?.query_row([name], |row| row.get(0)).optional()?;
    let rows: Vec<_> = tier.limits.iter().map(LimitRow::from).collect();
    let after = json!(rows);
    connection.prepare_cached(PUT)?.execute((name, after.to_string()))?;
    let created = before.is_none();
    // What was there before may be damaged; writing the tier anew is the way to mend it.
    let before = before.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    let change = Change {
        verb: "put-tier",
        key_id: None,
        tier: Some(&tier.name),
        details: Some(json!({ "before": before, "after": after })),
    };
    Ok(TierWritten { change: audit::record(connection, audit, &change)?, created })
}

fn tier(row: &Row<'_>) -> Result<TierRecord, Fault> {
    let name = row.get_ref(0)?.as_str()?;
    let limits = row.get_ref(1)?.as_str()?;
    let limits: Vec<LimitRow> =
        serde_json::from_str(limits).map_err(|error| Fault::in_column("tiers.limits", error))?;
    let limits = limits.into_iter().map(Limit::try_from).collect::<Result<_, _>>();
    Ok(TierRecord {
        name: name.parse().map_err(|error| Fault::in_column("tiers.name", error))?,
        limits: limits.map_err(|error| Fault::in_column("tiers.limits", error))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<TierRecord>, Fault> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE tiers (id INTEGER PRIMARY KEY, name, limits)")
            .unwrap();
        connection
            .execute("INSERT INTO tiers (name, limits) VALUES ('basic', ?1)", [text])
            .unwrap();
        list(&connection)
    }

    #[test]
    fn limits_that_this_version_does_not_understand_are_refused() {
        let limit = r#"{"name":"requests","amount":100,"per_secs":60,"burst":100}"#;
        assert_eq!(parse(&format!("[{limit}]")).unwrap()[0].limits.len(), 1);
        assert_eq!(parse("[]").unwrap()[0].limits.len(), 0);
        for refused in [
            "",
            "{}",
            r#"[{"name":"requests","amount":0,"per_secs":60,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":0,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100,"calendar":"day"}]"#,
        ] {
            assert!(matches!(parse(refused), Err(Fault::Inconsistent(_))), "{refused}");
        }
    }
}
