//! `keyward audit`: the recorded changes and their authors, and whether the trail itself was
//! tampered with.

mod chain;
mod entry;
mod export;
mod list;
mod verify;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::{Client, ClientError, Route};

use crate::output::Output;
use crate::status::examples;

/// Entries of one request: with the largest metadata before and after, half of the longest response
/// that the client reads.
const PAGE_LEN: u32 = 500;

/// The commands about the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List changes, the latest first
    #[command(after_help = examples(&list::EXAMPLES))]
    List(list::List),
    /// Walk the whole trail and name the first entry that was edited, or after one was removed
    #[command(after_help = examples(&verify::EXAMPLES))]
    Verify(verify::Verify),
    /// Write the whole trail as JSON Lines, the oldest entry first
    #[command(after_help = examples(&export::EXAMPLES))]
    Export(export::Export),
}

impl AuditCommand {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(out),
            Self::Verify(verify) => verify.run(out),
            Self::Export(export) => export.run(out),
        }
    }
}

/// A page of the trail whose entries are kept verbatim, since digests are made of them.
#[derive(Debug, Deserialize)]
struct Page {
    entries: Vec<Box<RawValue>>,
    next_after: Option<u64>,
    /// An older server has none.
    newest: Option<Newest>,
}

/// The newest change as the server knows it apart from the trail.
#[derive(Debug, Deserialize)]
struct Newest {
    id: u64,
    digest: String,
}

/// A step of a walk along the trail.
enum Step<'a> {
    /// Before all entries, if the server knows it.
    Newest(&'a Newest),
    /// The text of an entry.
    Entry(&'a str),
}

/// Calls `each` with the newest change, and then with every entry, the oldest first, a page at a
/// time.
fn walk(
    client: &Client,
    mut each: impl FnMut(Step<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = page(client, after)?;
        if let Some(newest) = page.newest.as_ref().filter(|_| after.is_none()) {
            each(Step::Newest(newest))?;
        }
        for entry in &page.entries {
            each(Step::Entry(entry.get()))?;
        }
        if page.next_after.is_none() {
            return Ok(());
        }
        if page.next_after <= after {
            anyhow::bail!("the server's pages do not end; look into its log");
        }
        after = page.next_after;
    }
}

/// Calls `each` with the text of every entry.
fn walk_entries(
    client: &Client,
    mut each: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    walk(client, |step| match step {
        Step::Newest(_) => Ok(()),
        Step::Entry(text) => each(text),
    })
}

fn page(client: &Client, after: Option<u64>) -> Result<Page, ClientError> {
    let route = Route::of(["admin", "audit"]).with("after", after).with("limit", Some(PAGE_LEN));
    client.get_verbatim(&route)
}
