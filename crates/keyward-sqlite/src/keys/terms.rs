//! The terms by which keys are found: their prefixes, and the trigrams of their names.

use keyward::key::Prefix;
use rusqlite::{Connection, Statement};

use crate::names;
use crate::sql_error::SqlError;

/// Notes the prefix of a secret.
pub(crate) fn add_prefix(connection: &Connection, prefix: &Prefix) -> Result<(), SqlError> {
    // Served by the primary key.
    const ADD: &str = "INSERT INTO prefixes (prefix) VALUES (?1) ON CONFLICT DO NOTHING";
    connection.prepare_cached(ADD)?.execute([prefix.as_str()])?;
    Ok(())
}

/// The prefixes of secrets, in order.
pub(crate) fn prefixes(connection: &Connection) -> Result<Vec<String>, SqlError> {
    // Served by the primary key.
    const PREFIXES: &str = "SELECT prefix FROM prefixes ORDER BY prefix LIMIT 1000";
    let mut prefixes = connection.prepare_cached(PREFIXES)?;
    prefixes.query_and_then([], |row| Ok(row.get(0)?))?.collect()
}

/// The statement of [`add_name`].
pub(crate) const ADD_NAME: &str = "INSERT INTO key_names (rowid, name) VALUES (?1, ?2)";

/// Makes a key's name one that is found by its parts, with the statement [`ADD_NAME`].
pub(crate) fn add_name(add: &mut Statement<'_>, id: u64, name: &str) -> Result<(), SqlError> {
    add.execute((id, names::indexed(&names::fold(name))))?;
    Ok(())
}
