//! `keyward audit export`: the whole trail as JSON Lines.

use std::path::PathBuf;

use clap::Args;

use crate::connection::Connection;
use crate::new_file::NewFile;
use crate::output::{Output, printable};

pub(super) const EXAMPLES: [&str; 2] =
    ["keyward audit export > trail.jsonl", "keyward audit export --output trail.jsonl"];

#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, which only its owner may read; standard output, if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Print JSON, which an export is in any case
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Export {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let Some(path) = &self.output else {
            return super::walk_entries(&client, |entry| {
                // Unchanged in every locale, since it is JSON.
                Ok(out.raw(format!("{}\n", one_line(entry)).as_bytes())?)
            });
        };
        let mut entries = 0_u64;
        NewFile::write(path, self.force, |write| {
            super::walk_entries(&client, |entry| {
                entries += 1;
                write(format!("{}\n", one_line(entry)).as_bytes())
            })
        })?;
        let path = printable(&path.display().to_string());
        Ok(out.line(&format!("Wrote {entries} entries to {path}."))?)
    }
}

/// The entry on one line. In JSON a line end occurs between tokens only, never within a string.
fn one_line(entry: &str) -> String {
    entry.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_to_the_letter() {
        assert_eq!(one_line(r#"{"a": 1.10}"#), r#"{"a": 1.10}"#);
        assert_eq!(one_line("{\"a\":\n1}"), "{\"a\": 1}");
    }
}
