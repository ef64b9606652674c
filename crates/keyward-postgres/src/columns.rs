//! Numbers and bytes of columns, in both directions.

use std::fmt;
use std::str::FromStr;

use keyward::digest::Digest;
use keyward::{KeyId, UnixMillis};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::pg_error::PgError;

/// A number as a column holds it.
pub(crate) fn number(number: u64) -> Result<i64, PgError> {
    i64::try_from(number).map_err(|_| PgError::Inconsistent("a number is too large".to_owned()))
}

/// A time as a column holds it.
pub(crate) fn millis(at: UnixMillis) -> Result<i64, PgError> {
    number(at.0)
}

/// An optional time as a column holds it.
pub(crate) fn optional_millis(at: Option<UnixMillis>) -> Result<Option<i64>, PgError> {
    at.map(millis).transpose()
}

/// A number to compare a column with; one that fits no column is above all that do.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value of a row. One of another type is no fault of this program's statements, so the schema
/// was changed by hand.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, PgError> {
    row.try_get(at).map_err(|error| {
        let column = row.columns().get(at).map_or("a column", |column| column.name());
        PgError::in_column(column, error)
    })
}

/// A number of a row.
pub(crate) fn get_number(row: &Row, at: usize) -> Result<u64, PgError> {
    unsigned(row, at, get(row, at)?)
}

/// An optional number of a row.
pub(crate) fn get_optional(row: &Row, at: usize) -> Result<Option<u64>, PgError> {
    get::<Option<i64>>(row, at)?.map(|number| unsigned(row, at, number)).transpose()
}

fn unsigned(row: &Row, at: usize, number: i64) -> Result<u64, PgError> {
    u64::try_from(number).map_err(|_| {
        let column = row.columns().get(at).map_or("a column", |column| column.name());
        PgError::in_column(column, "is negative")
    })
}

/// The id of a key.
pub(crate) fn get_key_id(row: &Row, at: usize) -> Result<KeyId, PgError> {
    key_id(get_number(row, at)?)
}

/// The id of a key, of its number.
pub(crate) fn key_id(number: u64) -> Result<KeyId, PgError> {
    KeyId::new(number).ok_or_else(|| PgError::in_column("keys.id", "not an id"))
}

/// A digest of a row: 32 bytes.
pub(crate) fn get_digest(row: &Row, at: usize) -> Result<Digest, PgError> {
    digest(get(row, at)?)
}

/// A digest of 32 bytes.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, PgError> {
    let bytes = bytes.try_into().map_err(|_| PgError::in_column("digest", "not 32 bytes"))?;
    Ok(Digest::from_stored(bytes))
}

/// A text of a row as the type that it is of.
pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(column: &str, text: &str) -> Result<T, PgError> {
    text.parse().map_err(|error| PgError::in_column(column, error))
}
