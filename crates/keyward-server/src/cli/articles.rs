//! `keyward articles`: reading feeds here, and bringing their articles to a running server.

mod source;

use std::io;
use std::iter;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use keyward_cli::client::{Client, ClientError, Fetcher};
use keyward_cli::connection::Connection;
use keyward_cli::output::Output;
use keyward_cli::status::{Complaint, Status, examples, tell};
use keyward_news::NewArticle;
use keyward_news::article::BATCH_MAX;
use serde_json::{Value, json};

use source::Source;

/// What can be done with articles.
#[derive(Debug, Subcommand)]
pub(super) enum ArticlesCommand {
    /// Import articles from feeds (RSS, Atom, JSON Feed), or from the tutorial's database
    #[command(after_help = examples(&IMPORT_EXAMPLES))]
    Import(Import),
}

const IMPORT_EXAMPLES: [&str; 4] = [
    "keyward articles import news.xml",
    "keyward articles import https://paper.example/feed.json more.xml",
    "curl -s https://paper.example/rss | keyward articles import -",
    "keyward articles import sqlite:news.db",
];

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file, an http:// or https:// URL, the tutorial's database, or - for standard input
    #[arg(required = true, value_name = "FEED")]
    feeds: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl ArticlesCommand {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::Import(import) => import.run(out),
        }
    }
}

/// The results of articles, as the server counts them, and of entries that are no articles, as they
/// are counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    added: u64,
    updated: u64,
    skipped: u64,
    left_out: u64,
}

impl Tally {
    fn of(answer: &Value) -> Self {
        let count = |name| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (added, updated, skipped) = (count("added"), count("updated"), count("skipped"));
        Self { added, updated, skipped, left_out: 0 }
    }

    fn add(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.skipped += other.skipped;
        self.left_out += other.left_out;
    }

    fn row(self, name: &str) -> Vec<String> {
        let Self { added, updated, skipped, left_out } = self;
        let counts = [added, updated, skipped, left_out].map(|count| count.to_string());
        iter::once(name.to_owned()).chain(counts).collect()
    }

    fn json(self) -> Value {
        let Self { added, updated, skipped, left_out } = self;
        json!({ "added": added, "updated": updated, "skipped": skipped, "left_out": left_out })
    }

    /// Whether no article came of a feed that has entries.
    fn is_nothing(self) -> bool {
        let Self { added, updated, skipped, left_out } = self;
        0 < left_out && added + updated + skipped == 0
    }
}

/// One feed, with the articles imported before its error, if it had one.
struct Imported<'a> {
    feed: &'a str,
    tally: Tally,
    /// Its faults, entry by entry.
    notes: Vec<String>,
    error: Option<anyhow::Error>,
}

impl Import {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let fetcher = self.connection.fetcher()?;
        let mut imported = Vec::new();
        for feed in &self.feeds {
            let one = import(&client, &fetcher, feed);
            one.notes.iter().for_each(|note| tell(&format!("{feed}: {note}")));
            match one.error {
                Some(error) if is_hopeless(&error) => {
                    // The counts of earlier imports must not be lost with it.
                    imported.push(Imported { error: None, ..one });
                    self.print(&imported, out)?;
                    return Err(error);
                }
                Some(ref error) => tell(&format!("error: {error:#}")),
                None => {}
            }
            imported.push(one);
        }
        self.print(&imported, out)?;
        if imported.iter().any(|one| one.error.is_some() || one.tally.is_nothing()) {
            return Err(Complaint::Told(Status::Failed).into());
        }
        Ok(())
    }

    fn print(&self, imported: &[Imported<'_>], out: &mut Output) -> io::Result<()> {
        let mut total = Tally::default();
        for one in imported {
            total.add(one.tally);
        }
        if self.json {
            let mut answer = total.json();
            if let Some(members) = answer.as_object_mut() {
                members.insert("feeds".to_owned(), imported.iter().map(Imported::json).collect());
            }
            return out.json(&answer);
        }
        let mut rows: Vec<_> = imported.iter().map(|one| one.tally.row(one.feed)).collect();
        rows.push(total.row("total"));
        out.table(&["feed", "added", "updated", "skipped", "left out"], &rows)
    }
}

impl Imported<'_> {
    fn json(&self) -> Value {
        let mut one = self.tally.json();
        if let Some(members) = one.as_object_mut() {
            members.insert("feed".to_owned(), self.feed.into());
            members.insert("notes".to_owned(), self.notes.clone().into());
            members
                .insert("error".to_owned(), self.error.as_ref().map(|e| format!("{e:#}")).into());
        }
        one
    }
}

/// Whether the next feed would fail for the same reason.
fn is_hopeless(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(ClientError::Rejected { status, .. }) => {
            // A credential that is rejected once is rejected again.
            !status.is_client_error() || matches!(status.as_u16(), 401 | 403 | 429)
        }
        Some(
            ClientError::Unreachable { .. }
            | ClientError::Untrusted { .. }
            | ClientError::Broken { .. }
            | ClientError::OtherForm { .. }
            | ClientError::Foreign { .. }
            | ClientError::NotFound { .. },
        ) => true,
        None => false,
    }
}

fn import<'a>(client: &Client, fetcher: &Fetcher, feed: &'a str) -> Imported<'a> {
    let mut imported = Imported { feed, tally: Tally::default(), notes: Vec::new(), error: None };
    imported.error = import_all(client, fetcher, feed, &mut imported).err();
    imported
}

fn import_all(
    client: &Client,
    fetcher: &Fetcher,
    feed: &str,
    imported: &mut Imported<'_>,
) -> anyhow::Result<()> {
    let mut source = Source::open(fetcher, feed)?;
    while let Some(page) = source.next_page()? {
        imported.tally.left_out += u64::try_from(page.left_out).unwrap_or(u64::MAX);
        imported.notes.extend(page.notes);
        post(client, &page.articles, &mut imported.tally).map_err(|error| {
            if is_hopeless(&error) {
                return error;
            }
            error.context(format!("{feed}: not all of it was imported"))
        })?;
    }
    Ok(())
}

/// Sends articles to the server, batch by batch; accepted ones are counted even if a later batch
/// fails.
fn post(client: &Client, articles: &[NewArticle], tally: &mut Tally) -> anyhow::Result<()> {
    // Draws on standard error, and nothing unless that is a terminal.
    let bar = ProgressBar::new(articles.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} articles") {
        bar.set_style(style);
    }
    for batch in articles.chunks(BATCH_MAX) {
        let answer = client.post::<Value>("/admin/articles", &json!({ "articles": batch }))?;
        tally.add(Tally::of(&answer.body));
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}
