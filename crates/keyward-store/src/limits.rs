//! Limits as JSON, the way that columns and the audit trail hold them.

use std::num::NonZeroU32;
use std::time::Duration;

use keyward::limit::{Limit, LimitError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A limit as a column keeps it. A member that it does not know was written by a newer version:
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

/// A list of limits as JSON.
pub(crate) fn to_json(limits: &[Limit]) -> Value {
    let rows: Vec<_> = limits.iter().map(LimitRow::from).collect();
    json!(rows)
}

/// Reads a list of limits; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Limit>, String> {
    let rows: Vec<LimitRow> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let limits = rows.into_iter().map(Limit::try_from).collect::<Result<_, _>>();
    limits.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_this_version_does_not_understand_are_refused() {
        let limit = r#"{"name":"requests","amount":100,"per_secs":60,"burst":100}"#;
        assert_eq!(
            to_json(&parse(&format!("[{limit}]")).unwrap()).to_string(),
            format!("[{limit}]")
        );
        assert_eq!(parse("[]").unwrap(), []);
        for refused in [
            "",
            "{}",
            r#"[{"name":"requests","amount":0,"per_secs":60,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":0,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100,"calendar":"day"}]"#,
        ] {
            parse(refused).unwrap_err();
        }
    }
}
