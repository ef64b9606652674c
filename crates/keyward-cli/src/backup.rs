//! `keyward backup`: a consistent copy of the database, taken while the server runs.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use thiserror::Error;

use crate::client::Route;

use crate::connection::Connection;
use crate::new_file::NewFile;
use crate::output::Output;

pub(crate) const EXAMPLES: [&str; 2] =
    ["keyward backup keyward-2026-11-24.db", "keyward backup --force /backups/keyward.db"];

/// The media type of a backup.
const CONTENT_TYPE: &str = "application/vnd.sqlite3";
/// Bytes of the header of a SQLite file (<https://sqlite.org/fileformat2.html>).
const HEADER_LEN: usize = 100;

#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; it has the digests of all secrets, and only its owner may read it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print in JSON which file was written
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// The received bytes are no whole database, so nothing was written.
#[derive(Debug, Error, PartialEq, Eq)]
enum IncompleteError {
    #[error("the response is not a SQLite database; nothing was written")]
    NotADatabase,
    #[error("{received} of {announced} bytes came; nothing was written, try again")]
    Short { received: u64, announced: u64 },
}

impl Backup {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let mut file = NewFile::create(&self.file, self.force)?;
        let bar = progress();
        let mut copy = Copy::default();
        client.download(&Route::of(["admin", "backup"]), CONTENT_TYPE, |piece| {
            copy.take(piece);
            bar.set_position(copy.len);
            file.write_all(piece)
                .with_context(|| format!("{} cannot be written", self.file.display()))
        })?;
        bar.finish_and_clear();
        copy.check()?;
        file.finish()?;
        if self.json {
            let file = self.file.display().to_string();
            return Ok(out.json(&json!({ "file": file, "bytes": copy.len }))?);
        }
        Ok(out.line(&self.text(copy.len))?)
    }

    fn text(&self, len: u64) -> String {
        let file = self.file.display();
        format!(
            "Wrote {file} ({len} bytes): every key, tier, count and audit entry of one moment.\n\
             To restore it: stop the server, move the database and its -wal and -shm files away,\n\
             copy {file} to the database's place, and start the server again."
        )
    }
}

/// Draws on standard error, and nothing unless that is a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes}") {
        bar.set_style(style);
    }
    bar
}

/// The facts collected about a copy as it passes: its length, and its first bytes.
#[derive(Debug, Default)]
struct Copy {
    len: u64,
    header: Vec<u8>,
}

impl Copy {
    fn take(&mut self, piece: &[u8]) {
        let missing = HEADER_LEN.saturating_sub(self.header.len()).min(piece.len());
        self.header.extend_from_slice(piece.get(..missing).unwrap_or_default());
        self.len += piece.len() as u64;
    }

    /// Compares the length with the one that the header announces.
    fn check(&self) -> Result<(), IncompleteError> {
        let announced = self.announced().ok_or(IncompleteError::NotADatabase)?;
        if self.len != announced {
            return Err(IncompleteError::Short { received: self.len, announced });
        }
        Ok(())
    }

    fn announced(&self) -> Option<u64> {
        let header: &[u8; HEADER_LEN] = self.header.as_array()?;
        let page_len = match u16::from_be_bytes(*header.get(16..18)?.as_array()?) {
            1 => 65_536,
            len => u64::from(len),
        };
        let pages = u32::from_be_bytes(*header.get(28..32)?.as_array()?);
        let is_database = header.starts_with(b"SQLite format 3\0") && 512 <= page_len && pages != 0;
        is_database.then_some(page_len * u64::from(pages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(page_len: u16, pages: u32, len: usize) -> Copy {
        let mut bytes = vec![0; len];
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        bytes[16..18].copy_from_slice(&page_len.to_be_bytes());
        bytes[28..32].copy_from_slice(&pages.to_be_bytes());
        let mut copy = Copy::default();
        bytes.chunks(7).for_each(|piece| copy.take(piece));
        copy
    }

    #[test]
    fn a_copy_is_whole_if_it_has_every_page() {
        assert_eq!(database(4_096, 2, 8_192).check(), Ok(()));
        assert_eq!(database(1, 1, 65_536).check(), Ok(()));
        let short = IncompleteError::Short { received: 8_191, announced: 8_192 };
        assert_eq!(database(4_096, 2, 8_191).check(), Err(short));
        let long = IncompleteError::Short { received: 8_193, announced: 8_192 };
        assert_eq!(database(4_096, 2, 8_193).check(), Err(long));
    }

    #[test]
    fn what_is_no_database_is_noticed() {
        assert_eq!(Copy::default().check(), Err(IncompleteError::NotADatabase));
        assert_eq!(database(0, 2, 8_192).check(), Err(IncompleteError::NotADatabase));
        let mut copy = Copy::default();
        copy.take(&[b'x'; 8_192]);
        assert_eq!(copy.check(), Err(IncompleteError::NotADatabase));
    }
}
