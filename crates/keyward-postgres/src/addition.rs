//! The tables of another part of the program, in a schema of their own next to that of the keys.

use crate::schema::Schema;
use crate::session::Connector;

/// The tables of another part of the program: [`Migration`](crate::Migration) makes them, and
/// [`Link`](crate::Link) connects to them.
///
/// ```
/// use keyward_postgres::Addition;
///
/// const NOTES: Addition = Addition {
///     name: "notes",
///     steps: &["CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL)"],
///     rights: &[("notes", "SELECT, INSERT")],
/// };
/// // Next to the keys in the schema `keyward`, its tables are in `keyward_notes`.
/// assert_eq!(NOTES.name, "notes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// What the name of its schema ends with, after that of the keys and `_`: lower-case letters.
    pub name: &'static str,
    /// The SQL of each step. Steps are added and never edited.
    pub steps: &'static [&'static str],
    /// What the role that serves may do with each table, as a list of rights.
    pub rights: &'static [(&'static str, &'static str)],
}

impl Addition {
    /// Its schema, next to this one.
    pub(crate) fn schema(&self, connector: &Connector) -> Schema {
        let name = connector.schema.beside(self.name);
        Schema { name, steps: self.steps, rights: self.rights, functions: &[] }
    }

    /// Its tables, by their whole names.
    pub(crate) fn tables(&self, connector: &Connector) -> impl Iterator<Item = String> {
        let schema = connector.schema.beside(self.name);
        self.rights.iter().map(move |(table, _)| format!("{}.{table}", schema.as_str()))
    }
}
