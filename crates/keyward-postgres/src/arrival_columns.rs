//! The columns of a table that is copied: each is given, or follows from the others.

use std::error::Error;
use std::time::SystemTime;

use bytes::BytesMut;
use keyward::columns::fold;
use keyward::store::Cell;
use tokio_postgres::Client;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::columns::get;
use crate::pg_error::PgError;
use crate::sql::{Value, query};

/// A column that is written.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Type,
    source: Source,
}

/// Where the values of a column come from.
#[derive(Clone, Copy)]
enum Source {
    /// The value of this number.
    Given(usize),
    /// The name that is the value of this number, in lower case.
    Folded(usize),
    /// No entry of this trail has changed these limits: all nodes begin with them.
    Zero,
    /// The present.
    Now,
}

/// A value on its way.
#[derive(Debug)]
pub(crate) enum Out<'a> {
    Given(&'a Cell),
    Text(String),
    Zero,
    At(SystemTime),
}

/// The columns of a table, in their order; `given` are the names of those whose values there are.
pub(crate) async fn columns(
    client: &Client,
    table: &str,
    given: &[&str],
) -> Result<Vec<Column>, PgError> {
    const COLUMNS: &str = "SELECT attname::text, atttypid FROM pg_attribute \
        WHERE attrelid = $1::text::regclass AND 0 < attnum AND NOT attisdropped \
        AND attgenerated = '' ORDER BY attnum";
    let odd = |name: &str| PgError::Inconsistent(format!("{table}.{name} is in one store only"));
    let at = |name: &str| given.iter().position(|column| *column == name);
    let rows = query(client, COLUMNS, &[Value::Text(table.to_owned())]).await?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        let name: String = get(row, 0)?;
        let kind = Type::from_oid(get(row, 1)?).ok_or_else(|| odd(&name))?;
        let source = match (at(&name), table, name.as_str()) {
            (Some(at), _, _) => Source::Given(at),
            (None, "keys", "name_folded") => Source::Folded(at("name").ok_or_else(|| odd("name"))?),
            (None, "tiers", "rev") | (None, "owners" | "keys", "limits_rev") => Source::Zero,
            (None, "usage_batches", "at") => Source::Now,
            (None, _, _) => return Err(odd(&name)),
        };
        columns.push(Column { name, kind, source });
    }
    let is_there = |name: &&&str| columns.iter().any(|column| column.name == **name);
    match given.iter().find(|name| !is_there(name)) {
        Some(name) => Err(odd(name)),
        None => Ok(columns),
    }
}

impl Column {
    /// The value of the column in a row.
    pub(crate) fn out<'a>(&self, cells: &'a [Cell], now: SystemTime) -> Out<'a> {
        let cell = |at: usize| cells.get(at).unwrap_or(&Cell::Absent);
        match self.source {
            Source::Given(at) => Out::Given(cell(at)),
            Source::Folded(at) => match cell(at) {
                Cell::Text(name) => Out::Text(fold(name)),
                other @ (Cell::Absent | Cell::Number(_) | Cell::Bytes(_)) => Out::Given(other),
            },
            Source::Zero => Out::Zero,
            Source::Now => Out::At(now),
        }
    }
}

impl ToSql for Out<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let number = |number: i64, out: &mut BytesMut| match *kind {
            Type::BOOL => (number != 0).to_sql(kind, out),
            Type::INT4 => i32::try_from(number)?.to_sql(kind, out),
            Type::INT8 => number.to_sql(kind, out),
            _ => Err("a number where there is none".into()),
        };
        match self {
            Self::Given(Cell::Absent) => Ok(IsNull::Yes),
            Self::Given(Cell::Number(given)) => number(*given, out),
            Self::Zero => number(0, out),
            Self::Given(Cell::Text(text)) if *kind == Type::TEXT => text.to_sql(kind, out),
            Self::Text(text) if *kind == Type::TEXT => text.to_sql(kind, out),
            Self::Given(Cell::Bytes(bytes)) if *kind == Type::BYTEA => bytes.to_sql(kind, out),
            Self::At(at) if *kind == Type::TIMESTAMPTZ => at.to_sql(kind, out),
            Self::Given(Cell::Text(_) | Cell::Bytes(_)) | Self::Text(_) | Self::At(_) => {
                Err("a value of another type".into())
            }
        }
    }

    /// Whether it fits is a matter of the value.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
