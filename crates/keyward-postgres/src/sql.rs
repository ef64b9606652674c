//! Statements that are sent once, with their values.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::pg_error::PgError;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    OptionalNumber(Option<i64>),
    Text(String),
    OptionalText(Option<String>),
    Bytes(Vec<u8>),
    Flag(bool),
    Numbers(Vec<i64>),
    Texts(Vec<String>),
    Digests(Vec<Vec<u8>>),
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Number(value) => (value, Type::INT8),
            Self::OptionalNumber(value) => (value, Type::INT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::OptionalText(value) => (value, Type::TEXT),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::Flag(value) => (value, Type::BOOL),
            Self::Numbers(value) => (value, Type::INT8_ARRAY),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
            Self::Digests(value) => (value, Type::BYTEA_ARRAY),
        }
    }
}

/// The rows of a statement, which is planned for these very values, unless the session plans once.
pub(crate) async fn query(
    client: &Client,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Row>, PgError> {
    let values: Vec<_> = values.iter().map(Value::typed).collect();
    Ok(client.query_typed(sql, &values).await?)
}

/// The only row of a statement.
pub(crate) async fn query_one(
    client: &Client,
    sql: &str,
    values: &[Value],
) -> Result<Row, PgError> {
    let values: Vec<_> = values.iter().map(Value::typed).collect();
    Ok(client.query_typed_one(sql, &values).await?)
}

/// Runs a statement, and returns how many rows it changed.
pub(crate) async fn execute(client: &Client, sql: &str, values: &[Value]) -> Result<u64, PgError> {
    let values: Vec<_> = values.iter().map(Value::typed).collect();
    Ok(client.execute_typed(sql, &values).await?)
}

/// Values in the order in which a statement that is being written refers to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(pub(crate) Vec<Value>);

impl Values {
    /// Adds one, and returns the text that refers to it.
    pub(crate) fn add(&mut self, value: Value) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }
}
