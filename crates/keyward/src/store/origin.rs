//! A store that is left for another one: its rows, as they are.

use crate::rules::Progress;

use super::StoreError;

/// A value of a row, as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `NULL`.
    Absent,
    /// A whole number, or whether something is so: 0 or 1.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes, such as a digest.
    Bytes(Vec<u8>),
}

/// Rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The table.
    pub table: &'static str,
    /// The columns, in the order of the values.
    pub columns: Vec<&'static str>,
    /// The values.
    pub rows: Vec<Vec<Cell>>,
}

/// A store that is left for another one. Nothing else has it open.
///
/// Its methods block: it is for a program that does nothing else meanwhile.
pub trait Origin {
    /// What the store is, in a word, for the audit trail.
    fn kind(&self) -> &'static str;

    /// The number of its schema.
    fn schema(&self) -> u32;

    /// How far it has come.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it cannot be read.
    fn progress(&self) -> Result<Progress, StoreError>;

    /// Where it was left for, if it was left before.
    fn left_for(&self) -> Option<&str>;

    /// The next rows of all that there are, table by table; `None` after the last one.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if they cannot be read.
    fn next(&mut self) -> Result<Option<Rows>, StoreError>;

    /// Marks the store as left, durably: from then on, no program opens it for serving. `place` is
    /// said to who tries; it has no password.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether it is marked.
    fn leave(&mut self, place: &str) -> Result<(), StoreError>;

    /// Takes that mark off.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether it is off.
    fn stay(&mut self) -> Result<(), StoreError>;
}
