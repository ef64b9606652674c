//! Limits as JSON, the way that columns hold them.

use keyward::columns::{limits_text, parse_limits};
use keyward::limit::Limits;

use crate::sql_error::SqlError;

/// A list of limits as a column keeps it.
pub(crate) fn text(limits: &Limits) -> Result<String, SqlError> {
    limits_text(limits).map_err(|error| SqlError::in_column("limits", error))
}

/// Reads what [`text`] wrote.
pub(crate) fn parse(column: &str, text: &str) -> Result<Limits, SqlError> {
    parse_limits(text).map_err(|error| SqlError::in_column(column, error))
}
