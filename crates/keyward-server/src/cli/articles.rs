//! `keyward articles`: reading feeds here, and bringing their articles to a running server.

use std::fs::File;
use std::io::{self, Read as _};
use std::iter;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use keyward_axum::{Clock as _, SystemClock};
use keyward_news::NewArticle;
use keyward_news::article::BATCH_MAX;
use keyward_news::feed::{self, FEED_LEN_MAX};
use serde_json::{Value, json};

use crate::client::{Client, ClientError, fetch};

use super::connection::Connection;
use super::output::Output;
use super::status::{Complaint, Status, examples, tell};

/// What can be done with articles.
#[derive(Debug, Subcommand)]
pub(super) enum ArticlesCommand {
    /// Import articles from feeds: RSS, Atom or JSON Feed
    #[command(after_help = examples(&IMPORT_EXAMPLES))]
    Import(Import),
}

const IMPORT_EXAMPLES: [&str; 3] = [
    "keyward articles import news.xml",
    "keyward articles import https://paper.example/feed.json more.xml",
    "curl -s https://paper.example/rss | keyward articles import -",
];

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file, an http:// or https:// URL, or - for standard input
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

/// What became of articles, as the server counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    added: u64,
    updated: u64,
    skipped: u64,
}

impl Tally {
    fn of(answer: &Value) -> Self {
        let count = |name| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        Self { added: count("added"), updated: count("updated"), skipped: count("skipped") }
    }

    fn add(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.skipped += other.skipped;
    }

    fn row(self, name: &str) -> Vec<String> {
        let counts = [self.added, self.updated, self.skipped].map(|count| count.to_string());
        iter::once(name.to_owned()).chain(counts).collect()
    }

    fn json(self) -> Value {
        json!({ "added": self.added, "updated": self.updated, "skipped": self.skipped })
    }
}

/// One feed, with what was brought in before its error, if it had one.
struct Imported<'a> {
    feed: &'a str,
    tally: Tally,
    error: Option<anyhow::Error>,
}

impl Import {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let mut imported = Vec::new();
        for feed in &self.feeds {
            let one = import(&client, feed);
            match one.error {
                Some(error) if is_hopeless(&error) => {
                    // What was imported before must not get lost over it.
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
        if imported.iter().any(|one| one.error.is_some()) {
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
        out.table(&["feed", "added", "updated", "skipped"], &rows)
    }
}

impl Imported<'_> {
    fn json(&self) -> Value {
        let mut one = self.tally.json();
        if let Some(members) = one.as_object_mut() {
            members.insert("feed".to_owned(), self.feed.into());
            members
                .insert("error".to_owned(), self.error.as_ref().map(|e| format!("{e:#}")).into());
        }
        one
    }
}

/// Says whether the next feed would fail for the same reason.
fn is_hopeless(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(ClientError::Refused { status, .. }) => !status.is_client_error() || *status == 403,
        Some(
            ClientError::Unreachable { .. }
            | ClientError::Broken { .. }
            | ClientError::Foreign { .. }
            | ClientError::NotFound { .. },
        ) => true,
        None => false,
    }
}

fn import<'a>(client: &Client, feed: &'a str) -> Imported<'a> {
    let mut tally = Tally::default();
    let post = |articles: Vec<_>| match post(client, &articles, &mut tally) {
        Err(error) if !is_hopeless(&error) => {
            Err(error.context(format!("{feed}: not all of it was imported")))
        }
        result => result,
    };
    let error = read(feed).and_then(post).err();
    Imported { feed, tally, error }
}

/// Reads a feed from wherever it is. Each error begins with the name of the feed.
fn read(name: &str) -> anyhow::Result<Vec<NewArticle>> {
    let bytes = if name == "-" {
        read_bounded(io::stdin().lock()).context("-: standard input cannot be read")?
    } else if name.starts_with("http://") || name.starts_with("https://") {
        fetch(name, FEED_LEN_MAX).with_context(|| format!("{name}: cannot be fetched"))?
    } else {
        let opened = File::open(name);
        opened.and_then(read_bounded).with_context(|| format!("{name}: cannot be read"))?
    };
    let now = SystemClock::start().now().unix;
    Ok(feed::read(name, &bytes, now)?)
}

/// Reads one byte more than a feed may have, so that a longer one is noticed.
fn read_bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(FEED_LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Brings articles to the server, batch by batch; what it took is counted even if a later batch
/// fails.
fn post(client: &Client, articles: &[NewArticle], tally: &mut Tally) -> anyhow::Result<()> {
    // Draws on standard error, and nothing unless that is a terminal.
    let bar = ProgressBar::new(articles.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} articles") {
        bar.set_style(style);
    }
    for batch in articles.chunks(BATCH_MAX) {
        let answer = client.post("/admin/articles", &json!({ "articles": batch }))?;
        tally.add(Tally::of(&answer.body));
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}
