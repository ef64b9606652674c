//! `keyward import`: bringing keys of files, or of the tutorial's database, to a running server.

mod owners;
mod pipeline;
mod report;
mod source;
mod tiers;
mod trial;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use keyward_api::transfer::{Batch, Item};

use crate::client::{Client, ClientError, Route};

use crate::connection::Connection;
use crate::output::Output;
use crate::status::{Complaint, Status, examples};

use owners::Owners;
use report::{Report, ReportTo};
use source::{Lines, Source, TutorialFile};
use tiers::Tiers;

/// The end of `--help`: the columns and fields of files, and examples of the command.
pub(crate) fn after_help() -> String {
    format!("{COLUMNS}\n\n{}", examples(&EXAMPLES))
}

const COLUMNS: &str = "\
Columns of CSV: digest and name, and perhaps tier, owner, scopes, networks, limit, expires_at,
metadata, state or is_active, created_at, last_used_at, hint, key_id. The first line names them.

An import is safe to repeat: keys that are there already are skipped.";

/// The advice if an id of the tutorial is taken.
const ID_TAKEN: &str = "another key has this id; import with --new-ids";

const EXAMPLES: [&str; 4] = [
    "keyward import --from sqlite:///./news.db --dry-run",
    "keyward import keys.csv --report rejected.jsonl",
    "keyward import keys.csv --try < secret.txt   # will its caller be accepted?",
    "keyward export | keyward import - --format jsonl --server http://other:8000",
];

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Import {
    /// A CSV or JSON file with digests of secrets, or - for standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["from", "try"])]
    file: Option<PathBuf>,
    /// The tutorial's database, such as `sqlite:///./news.db`; ids are kept, and it may be in use
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "format"],
        value_parser = TutorialFile::parse)]
    from: Option<TutorialFile>,
    /// Give the keys of --from new ids, since the server has keys with theirs already
    #[arg(long, requires = "from")]
    new_ids: bool,
    /// The format of the file, if its name does not end in .csv, .tsv, .json, .jsonl or .ndjson
    #[arg(long)]
    format: Option<Format>,
    /// Print the result for each key, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Read one secret from standard input and print whether its caller will be accepted, once the
    /// file is imported, or now if there is none; nothing is imported
    #[arg(long = "try", id = "try", conflicts_with_all = ["dry_run", "report", "new_ids"])]
    tries: bool,
    /// Print JSON, with every rejected line
    #[arg(long)]
    json: bool,
    /// Write every rejected line to a file, as JSON Lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Replace the report's file if it is there
    #[arg(long, requires = "report")]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line that names the columns, and a record for each key; whatever separates the cells
    Csv,
    /// One object a line
    Jsonl,
    /// Objects one a line or set out, in an array or not
    Json,
}

impl Import {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        if self.tries {
            return self.try_secret(out);
        }
        let client = self.connection.client()?;
        let source = self
            .source()?
            .ok_or_else(|| Complaint::Usage("name a file, or a database with --from".to_owned()))?;
        let to = ReportTo {
            json: self.json,
            file: self.report.as_deref(),
            replaces: self.force,
            dry_run: self.dry_run,
            unit: source.unit,
            id_taken: self.from.as_ref().map(|_| ID_TAKEN),
        };
        let mut report = Report::begin(&to, out)?;
        let brought = self.bring(&client, source, &mut report);
        let rejected = report.finish(brought.is_err())?;
        brought?;
        if rejected == 0 { Ok(()) } else { Err(Complaint::Told(Status::Failed).into()) }
    }

    fn source(&self) -> anyhow::Result<Option<Source>> {
        Ok(match (&self.from, &self.file) {
            (Some(tutorial), _) => Some(Source::open_tutorial(tutorial, self.new_ids)?),
            (None, Some(file)) => Some(Source::open_file(file, self.format)?),
            (None, None) => None,
        })
    }

    fn try_secret(&self, out: &mut Output) -> anyhow::Result<()> {
        if self.file.as_ref().is_some_and(|file| file.as_os_str() == "-") {
            let problem = "with --try, standard input is the secret; name the file of the keys";
            return Err(Complaint::Usage(problem.to_owned()).into());
        }
        let trial = if let Some(source) = self.source()? {
            trial::try_source(&trial::read_secret()?, source, out)?
        } else {
            let client = self.connection.client()?;
            trial::try_server(&trial::read_secret()?, &client, out.look())?
        };
        trial.tell(self.json, out)
    }

    fn bring(
        &self,
        client: &Client,
        source: Source,
        report: &mut Report<'_>,
    ) -> anyhow::Result<()> {
        let route = Route::of(["admin", "import"]).with("dry_run", self.dry_run.then_some(true));
        let mut batches = Batches {
            lines: source.lines,
            batch: Batch::default(),
            failure: None,
            tiers: Tiers::new(client, self.dry_run),
            owners: Owners::new(client, self.dry_run),
        };
        let post = |body| client.post_again(&route, body).map(|response| response.body);
        let run = pipeline::run(|| batches.next(), post, |settled| report.settle(settled));
        source.bar.finish_and_clear();
        let notes = batches.tiers.notes().iter().chain(batches.owners.notes());
        notes.for_each(|note| report.note(note));
        run
    }
}

/// Lines gathered into batches. Tiers and owners, which keys need, are added on the way.
struct Batches<'a> {
    lines: Lines,
    batch: Batch,
    /// Why there are no more lines. It waits until the lines before it are sent.
    failure: Option<anyhow::Error>,
    tiers: Tiers<'a>,
    owners: Owners<'a>,
}

impl Batches<'_> {
    fn next(&mut self) -> anyhow::Result<Option<Batch>> {
        while !self.batch.is_full() && self.failure.is_none() {
            let line = match self.lines.next() {
                None => break,
                Some(Ok(line)) => line,
                Some(Err(error)) => {
                    self.failure = Some(error);
                    break;
                }
            };
            let number = line.number;
            let taken = match line.item {
                Err(reason) => Err(reason),
                Ok(Item::Tier(tier)) => self.tiers.take(&tier)?,
                Ok(Item::SuspendedOwner(owner)) => self.owners.suspend(&owner)?,
                Ok(Item::OwnerLimits(owner)) => self.owners.limit(&owner)?,
                Ok(Item::Key(key)) => {
                    let full = self.batch.add(number, &key);
                    if let Some(full) = full.context("a key could not be written as JSON")? {
                        return Ok(Some(full));
                    }
                    Ok(())
                }
            };
            if let Err(reason) = taken {
                self.batch.add_fault(number, reason);
            }
        }
        if !self.batch.is_empty() {
            return Ok(Some(std::mem::take(&mut self.batch)));
        }
        self.failure.take().map_or(Ok(None), Err)
    }
}

/// Separates a rejection of this request, after which the rest can go on, from a failure that the
/// next request would meet as well.
fn rejection(error: ClientError) -> Result<String, ClientError> {
    match error {
        ClientError::Rejected { status, detail, .. }
            if matches!(status.as_u16(), 400 | 409 | 413 | 422) =>
        {
            Ok(detail)
        }
        other => Err(other),
    }
}
