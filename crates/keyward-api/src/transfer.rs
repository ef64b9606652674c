//! Keys in files: reading CSV and JSON into the bodies of `POST /admin/import`.
//!
//! A file is read line by line and is never in memory as a whole. A line that is not a key is
//! reported with its number and the remedy, and reading continues after it. This module does not
//! talk to a server.

mod batch;
mod columns;
mod csv;
mod dialect;
mod digest;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json;
mod json_lines;
mod key;
mod line;
mod list;
mod names;
mod number;
mod text;
mod time;
mod words;

use std::io;

use thiserror::Error;

pub use batch::{BATCH_KEYS_MAX, Batch, Entry};
pub use csv::read_csv;
pub use digest::ImportDigest;
pub use json::read_json;
pub use json_lines::read_json_lines;
pub use key::{ImportSecret, State};
pub use line::ImportKey;
pub use text::Text;
pub use time::Time;
pub use words::json_fault;

/// Most bytes of one line, or of one CSV record over several lines. The largest key that a server
/// takes is far below: its metadata, scopes and networks are bounded.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// The reason for the revocation of a key that another system called inactive.
pub const INACTIVE: &str = "imported as inactive";

/// The fault of a number that a server could not store exactly.
pub const INEXACT: &str =
    "a number has more digits than a double keeps; write it as a text, in quotation marks";

/// One line of a file, or one row of a table.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// Its number, counted from 1; of a row, the id.
    pub number: u64,
    /// Its contents, or the fault and the remedy.
    pub item: Result<Item, String>,
}

/// The contents of a line.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A key.
    Key(Box<ImportKey>),
    /// A tier that keys after it need.
    Tier(Tier),
    /// An owner all of whose keys are suspended.
    SuspendedOwner(String),
    /// An owner and the limits that all of its keys share.
    OwnerLimits(OwnerLimits),
}

/// The limits of an owner as an export has them.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerLimits {
    /// The owner.
    pub owner: String,
    /// Its limits, as the server writes them.
    pub limits: serde_json::Value,
}

/// A tier as an export has it.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Its limits, as the server writes them.
    pub limits: serde_json::Value,
}

/// Why nothing more of a file can be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read on.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// The first line of a CSV file does not name its columns.
    #[error("{0}")]
    Header(String),
    /// The file is of another kind.
    #[error("{0}")]
    Foreign(String),
    /// The file is no JSON from here on.
    #[error("{0}")]
    Json(String),
}
