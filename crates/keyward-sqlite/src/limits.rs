//! Limits as JSON, the way that columns hold them.

use std::num::NonZeroU32;
use std::time::Duration;

use keyward::limit::{Limit, LimitError, Limits};
use serde::{Deserialize, Serialize};

use crate::sql_error::SqlError;

/// A limit as a column keeps it. An unknown field was written by a newer version: to leave it out
/// might be to allow too much.
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

/// A list of limits as a column keeps it.
pub(crate) fn text(limits: &Limits) -> Result<String, SqlError> {
    let rows: Vec<_> = limits.list().iter().map(LimitRow::from).collect();
    serde_json::to_string(&rows).map_err(|error| SqlError::in_column("limits", error))
}

/// Reads what [`text`] wrote.
pub(crate) fn parse(column: &str, text: &str) -> Result<Limits, SqlError> {
    let rows: Vec<LimitRow> =
        serde_json::from_str(text).map_err(|error| SqlError::in_column(column, error))?;
    let list = rows.into_iter().map(Limit::try_from).collect::<Result<_, _>>();
    let list = list.map_err(|error| SqlError::in_column(column, error))?;
    Limits::new(list).map_err(|error| SqlError::in_column(column, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_this_version_does_not_understand_are_refused() {
        let limit = r#"{"name":"requests","amount":100,"per_secs":60,"burst":100}"#;
        for kept in [format!("[{limit}]"), "[]".to_owned()] {
            assert_eq!(text(&parse("tiers.limits", &kept).unwrap()).unwrap(), kept);
        }
        for refused in [
            "",
            "{}",
            r#"[{"name":"requests","amount":0,"per_secs":60,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":0,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100,"calendar":"day"}]"#,
            &format!("[{limit},{limit}]"),
        ] {
            parse("tiers.limits", refused).unwrap_err();
        }
    }
}
