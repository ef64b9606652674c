//! `keyward migrate`: the work of the owner of a schema in PostgreSQL.

mod limits;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use keyward::UnixMillis;
use keyward_axum::{Clock as _, SystemClock};
use keyward_cli::environment::Environment;
use keyward_cli::output::Output;
use keyward_cli::status::{Complaint, Status};
use keyward_postgres::{
    Addition, Address, Arrived, LEASE_MAX, LEASE_MIN, MigrateError, Migration, MigrationDone,
    OpenError, OpenOptions, PostgresStore,
};
use keyward_sqlite::Moving;
use serde_json::{Map, Value, json};

use limits::Limits;

/// The tables of other parts of the program.
#[cfg(feature = "news")]
const ADDITIONS: &[Addition] = &[keyward_news::ADDITION];
#[cfg(not(feature = "news"))]
const ADDITIONS: &[Addition] = &[];

/// The variables of the settings `database` and `database_schema`.
const DATABASE_URL: &str = "DATABASE_URL";
const DATABASE_SCHEMA: &str = "KEYWARD_DATABASE_SCHEMA";

pub(super) const EXAMPLES: [&str; 4] = [
    "keyward migrate --database postgres://keyward_owner@127.0.0.1/keyward --serve-role keyward",
    "keyward migrate --from sqlite:keyward.db --serve-role keyward",
    "keyward migrate --lease 3s",
    "keyward migrate --finish",
];

/// Makes a schema and changes it.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[arg(
        long,
        value_name = "URL",
        help = "The database, as the role that owns the schema; a URL with a password is set as \
                DATABASE_URL [env: DATABASE_URL]"
    )]
    database: Option<String>,
    #[arg(
        long,
        value_name = "NAME",
        help = "The schema [default: keyward] [env: KEYWARD_DATABASE_SCHEMA]"
    )]
    database_schema: Option<String>,
    /// Move everything from this SQLite file into the schema, in which there is nothing yet
    ///
    /// All keys, tiers, owners, counts and the audit trail come as they are, or nothing does. The
    /// file is kept and marked as moved: no server serves from it any more. A move that was
    /// interrupted is finished by the same command.
    #[arg(long, value_name = "sqlite:FILE")]
    from: Option<String>,
    /// The role that `keyward serve` connects as: it gets the rights that this takes, and can
    /// neither alter nor delete an entry of the audit trail
    #[arg(long, value_name = "ROLE")]
    serve_role: Option<String>,
    /// How long a node may decide after it last heard from the database: 2s to 20s, and 5s unless
    /// it is set; only while no node runs
    ///
    /// A revocation may have to wait this long for a node that is paused or cut off; such a node
    /// responds with 503 after it.
    #[arg(long, value_name = "DURATION", value_parser = lease)]
    lease: Option<Duration>,
    /// Finish an update, once every node runs this version: older versions cannot run from then on
    #[arg(long)]
    finish: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The exit status of an error of this command, if it is one.
pub(super) fn status(error: &anyhow::Error) -> Option<Status> {
    let error: &MigrateError = error.downcast_ref()?;
    Some(match error {
        MigrateError::Open(OpenError::Unreachable { .. }) => Status::Unreachable,
        MigrateError::Open(OpenError::SchemaName) | MigrateError::Lease => Status::Usage,
        MigrateError::Open(_)
        | MigrateError::MayNotCreate { .. }
        | MigrateError::NotOwner { .. }
        | MigrateError::Foreign { .. }
        | MigrateError::NoRole { .. }
        | MigrateError::MightyRole { .. }
        | MigrateError::NodesRun { .. }
        | MigrateError::OldNodes { .. }
        | MigrateError::NodesServe { .. }
        | MigrateError::NotEmpty { .. }
        | MigrateError::MovedElsewhere { .. }
        | MigrateError::Origin(_)
        | MigrateError::Nul { .. }
        | MigrateError::Chain(_)
        | MigrateError::Miscounted { .. }
        | MigrateError::Unknown { .. }
        | MigrateError::Locks { .. }
        | MigrateError::Busy { .. } => Status::Failed,
    })
}

/// Reads whole seconds or milliseconds, such as `5s` and `2500ms`.
fn lease(text: &str) -> Result<Duration, String> {
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => number.parse().ok(),
        (None, Some(number)) => number.parse::<u64>().ok().and_then(|it| it.checked_mul(1_000)),
        (None, None) => None,
    };
    let lease = millis.map(Duration::from_millis);
    lease
        .filter(|lease| (LEASE_MIN..=LEASE_MAX).contains(lease))
        .ok_or_else(|| "a lease is 2s to 20s; write it like 5s or 2500ms".to_owned())
}

/// The file of `sqlite:FILE`, as the setting `database` has it.
fn file(url: &str) -> Result<PathBuf, Complaint> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.filter(|path| !path.is_empty() && !path.starts_with("/./"));
    path.map(PathBuf::from).ok_or_else(|| {
        Complaint::Usage("--from is a SQLite file; write it like `sqlite:keyward.db`".to_owned())
    })
}

/// Brings the tables of articles to the present, if there are any: they are moved as well.
#[cfg(feature = "news")]
fn prepare_articles(moving: &Moving, now: UnixMillis) -> anyhow::Result<()> {
    if moving.has_articles()? {
        let opened = keyward_news::Articles::open(moving.path(), now);
        drop(opened.context("opening the articles of the file")?);
    }
    Ok(())
}

#[cfg(not(feature = "news"))]
fn prepare_articles(moving: &Moving, _: UnixMillis) -> anyhow::Result<()> {
    let what = "the file has articles, which this build of the program leaves out; move it with \
                one that has the feature `news`";
    anyhow::ensure!(!moving.has_articles()?, what);
    Ok(())
}

impl Migrate {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let options = self.options(&Environment::of(std::env::vars_os())?)?;
        let migration = Migration {
            serve_role: self.serve_role.clone(),
            lease: self.lease,
            finish: self.finish,
            additions: ADDITIONS.to_vec(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("starting what waits for the database")?;
        if let Some(from) = &self.from {
            let now = SystemClock::start().now().unix;
            let mut moving = Moving::open(&file(from)?, now)?;
            prepare_articles(&moving, now)?;
            let arriving = PostgresStore::receive(&options, &migration, &mut moving);
            let arrived = runtime.block_on(arriving)?;
            let limits = runtime.block_on(self.limits(&options))?;
            return self.tell_move(&options, moving.path(), (&arrived, &limits), out);
        }
        let done = runtime.block_on(PostgresStore::migrate_with(&options, &migration))?;
        let limits = runtime.block_on(self.limits(&options))?;
        if self.json {
            return Ok(out.json(&self.as_json(&options, (&done, &limits)))?);
        }
        for line in self.lines(&options, (&done, &limits)) {
            out.line(&line)?;
        }
        Ok(())
    }

    async fn limits(&self, options: &OpenOptions) -> Result<Limits, MigrateError> {
        Ok(Limits::migrate(options, self.serve_role.as_deref()).await?)
    }

    /// The database, by the flags and the environment.
    fn options(&self, environment: &Environment) -> Result<OpenOptions, Complaint> {
        let usage = |text: &str| Complaint::Usage(text.to_owned());
        let (url, is_flag) = match (&self.database, environment.find(DATABASE_URL)) {
            (Some(url), _) => (url.as_str(), true),
            (None, Some(url)) => (url, false),
            (None, None) => {
                return Err(usage(
                    "no database is named; give --database postgres://OWNER@HOST/DATABASE, or set \
                     DATABASE_URL",
                ));
            }
        };
        if url.starts_with("sqlite:") {
            return Err(usage(
                "a SQLite file is brought to the present by `keyward serve` itself; name a \
                 database of PostgreSQL with --database postgres://OWNER@HOST/DATABASE",
            ));
        }
        let address: Address = url
            .parse()
            .map_err(|error: keyward_postgres::AddressError| Complaint::Usage(error.to_string()))?;
        if is_flag && address.has_password() {
            return Err(usage(
                "the URL of --database has a password, and each user of this machine can read the \
                 command lines that run on it; set the URL as DATABASE_URL",
            ));
        }
        let mut options = OpenOptions::new(address);
        let schema = self.database_schema.as_deref().or(environment.find(DATABASE_SCHEMA));
        if let Some(schema) = schema {
            schema.clone_into(&mut options.schema);
        }
        Ok(options)
    }

    /// The result, for people.
    fn lines(
        &self,
        options: &OpenOptions,
        (done, limits): (&MigrationDone, &Limits),
    ) -> Vec<String> {
        let OpenOptions { address, schema, .. } = options;
        let steps = done.schema;
        let mut lines = vec![match steps.before {
            0 => format!("Made the schema {schema} of {address}, at step {}.", steps.now),
            before if before < steps.now => {
                format!("Brought schema {schema} of {address} from step {before} to {}.", steps.now)
            }
            now => format!("Schema {schema} of {address} is at step {now}, as it was."),
        }];
        let made = done.additions.iter().filter(|(_, before, now)| before != now);
        lines.extend(
            made.map(|(name, _, now)| format!("Next to it, schema {name} is at step {now}.")),
        );
        if let Some(role) = &self.serve_role {
            lines.push(format!(
                "The role {role} may serve, and can neither alter nor delete an entry of the \
                 audit trail."
            ));
        }
        let lease = seconds(done.lease);
        lines.push(match done.lease_before {
            Some(before) => format!("The lease is {lease}; it was {}.", seconds(before)),
            None => format!("The lease is {lease}."),
        });
        match done.level_before {
            Some(before) => lines.push(format!(
                "The update is finished: nodes may write vocabulary {}, and it was {before}.",
                done.level
            )),
            None if self.finish => {
                lines.push(format!("Nothing was left to finish at vocabulary {}.", done.level));
            }
            None => {}
        }
        if !steps.finds_parts {
            lines.push(
                "The extension pg_trgm is not to be had: lists by a part of a name look at keys \
                 one by one, on short pages. Once CREATE EXTENSION pg_trgm has worked, run this \
                 again."
                    .to_owned(),
            );
        }
        lines.push(limits.line());
        lines.extend(done.entry.map(|entry| format!("On record as entry {}.", entry.0)));
        lines
    }

    /// Prints the result of a move.
    fn tell_move(
        &self,
        options: &OpenOptions,
        path: &Path,
        (arrived, limits): (&Arrived, &Limits),
        out: &mut Output,
    ) -> anyhow::Result<()> {
        let place = &arrived.place;
        if self.json {
            let tables: Map<_, _> = arrived
                .tables
                .iter()
                .map(|(table, rows)| (table.to_string(), json!(rows)))
                .collect();
            let mut all = self.as_json(options, (&arrived.migration, limits));
            if let Some(members) = all.as_object_mut() {
                members.insert("from".to_owned(), json!(path.display().to_string()));
                members.insert("was_moved_before".to_owned(), json!(arrived.was_here));
                members.insert("rows".to_owned(), Value::Object(tables));
                members.insert("entry".to_owned(), json!(arrived.entry.map(|entry| entry.0)));
            }
            return Ok(out.json(&all)?);
        }
        for line in self.lines(options, (&arrived.migration, limits)) {
            out.line(&line)?;
        }
        if arrived.was_here {
            out.line(&format!("All of {} is at {place} already.", path.display()))?;
        } else {
            out.line(&format!("Moved {} to {place}, with:", path.display()))?;
            for (table, rows) in arrived.tables.iter().filter(|(_, rows)| 0 < *rows) {
                let word = if *rows == 1 { "row" } else { "rows" };
                out.line(&format!("  {rows} {word} of {table}"))?;
            }
            let entry = arrived.entry.map_or(0, |entry| entry.0);
            out.line(&format!("Its audit trail is whole, and goes on with entry {entry}."))?;
        }
        let marked = "The file is marked as moved, and no server serves from it any more.";
        Ok(out.line(marked)?)
    }

    fn as_json(&self, options: &OpenOptions, (done, limits): (&MigrationDone, &Limits)) -> Value {
        json!({
            "database": options.address.to_string(),
            "schema": options.schema,
            "step_before": done.schema.before,
            "step": done.schema.now,
            "serve_role": self.serve_role,
            "lease_ms": u64::try_from(done.lease.as_millis()).unwrap_or(u64::MAX),
            "level": done.level,
            "finds_parts": done.schema.finds_parts,
            "limits_database": limits.database(),
            "entry": done.entry.map(|entry| entry.0),
        })
    }
}

fn seconds(lease: Duration) -> String {
    format!("{} s", lease.as_secs_f64())
}
