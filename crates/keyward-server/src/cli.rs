//! The command line: its commands, their output, and their exit status.

#[cfg(feature = "news")]
mod articles;
mod doctor;
mod door_key;
#[cfg(feature = "postgres")]
mod migrate;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use keyward_cli::commands::{ControlCommand, FileCommand};
use keyward_cli::environment::Environment;
use keyward_cli::mask::without_secrets;
use keyward_cli::output::{Output, in_ascii, is_ascii_wanted, unwritten};
use keyward_cli::status::{EXIT_STATUSES, Status, examples, locally, report};
use serde_json::json;

use crate::settings::{Flags, ReadSettings, Settings, SettingsError, StartFlags};

#[cfg(feature = "news")]
use articles::ArticlesCommand;
use doctor::Doctor;
use door_key::DoorKeyCommand;
#[cfg(feature = "postgres")]
use migrate::Migrate;

/// Issues, verifies, limits, counts and revokes API keys
#[derive(Debug, Parser)]
#[command(name = "keyward", version, after_help = EXIT_STATUSES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the protected API and the admin API
    #[command(after_help = examples(&SERVE_EXAMPLES))]
    Serve {
        #[command(flatten)]
        start_flags: StartFlags,
        #[command(flatten)]
        flags: Flags,
    },
    #[command(flatten)]
    Control(ControlCommand),
    /// Import articles into a running server
    #[cfg(feature = "news")]
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Articles(ArticlesCommand),
    #[command(flatten)]
    Files(FileCommand),
    /// Print every setting of `keyward serve`, its value, and where the value came from
    #[command(after_help = examples(&["keyward settings", "keyward settings --json"]))]
    Settings {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Check settings, files, clock, database and reachability, and say what to do
    #[command(after_help = examples(&doctor::EXAMPLES))]
    Doctor(Doctor),
    /// Make the schema in PostgreSQL, bring it to the present, or move a file into it
    #[cfg(feature = "postgres")]
    #[command(after_help = examples(&migrate::EXAMPLES))]
    Migrate(Migrate),
    /// Make a door key, with which a proxy or a service may ask about requests
    #[command(after_help = examples(&door_key::EXAMPLES))]
    DoorKey(DoorKeyCommand),
    /// Print a completion script for a shell
    #[command(after_help = examples(&COMPLETIONS_EXAMPLES))]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const SERVE_EXAMPLES: [&str; 2] =
    ["keyward serve", "keyward serve --listen 0.0.0.0:8000 --database sqlite:/var/lib/keyward.db"];

const COMPLETIONS_EXAMPLES: [&str; 1] =
    ["keyward completions bash > /etc/bash_completion.d/keyward"];

/// The command line, for its manual and its completions.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the command line; `serve` implements the command of that name.
pub(crate) fn run(
    serve: impl FnOnce(Settings, StartFlags, Arc<ReadSettings>) -> anyhow::Result<()>,
) -> ExitCode {
    let status = match parse(std::env::args_os()) {
        Ok(command) => {
            let mut out = Output::stdout();
            // Output that is still buffered would be lost in silence.
            let done = command.run(serve, &mut out).and_then(|()| Ok(out.flush()?));
            ended(done)
        }
        Err(status) => status,
    };
    ExitCode::from(status as u8)
}

/// Reports the error, if there was one.
fn ended(done: anyhow::Result<()>) -> Status {
    done.map_or_else(
        |error| {
            report(&error);
            status(&error)
        },
        |()| Status::Done,
    )
}

fn status(error: &anyhow::Error) -> Status {
    if error.is::<SettingsError>() {
        return Status::Usage;
    }
    #[cfg(feature = "postgres")]
    if let Some(status) = migrate::status(error) {
        return status;
    }
    Status::of(error)
}

/// The parsed command; or, once the message is printed, the exit status.
fn parse(words: impl Iterator<Item = OsString>) -> Result<Command, Status> {
    let error = match Cli::try_parse_from(words) {
        Ok(typed) => return Ok(typed.command),
        Err(error) => error,
    };
    if !error.use_stderr() {
        // The help or the version was asked for; neither repeats the command line.
        let printed = print_help(&error).and_then(|()| io::stdout().flush());
        return Err(ended(printed.map_err(|error| unwritten(error).into())));
    }
    let _unheard = io::stderr().write_all(locally(&complaint(&error)).as_bytes());
    Err(Status::Usage)
}

fn print_help(error: &clap::Error) -> io::Result<()> {
    if is_ascii_wanted() {
        let text = in_ascii(&error.render().to_string(), io::stdout().is_terminal());
        return io::stdout().write_all(text.as_bytes());
    }
    error.print()
}

/// The message of clap about wrong usage. It quotes the command line, which may hold a secret that
/// the operator took for an argument: it would stay on the screen, and in the log of the calling
/// program.
fn complaint(error: &clap::Error) -> String {
    without_secrets(&error.render().to_string())
}

impl Command {
    fn run(
        &self,
        serve: impl FnOnce(Settings, StartFlags, Arc<ReadSettings>) -> anyhow::Result<()>,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::Serve { start_flags, flags } => {
                let again = flags.clone();
                let read = Arc::new(move || read_settings(&again));
                serve(read_settings(flags)?, *start_flags, read)
            }
            Self::Control(command) => command.run(out),
            #[cfg(feature = "news")]
            Self::Articles(command) => command.run(out),
            Self::Files(command) => command.run(out),
            Self::Settings { json, flags } => print_settings(&read_settings(flags)?, *json, out),
            Self::Doctor(doctor) => doctor.run(out),
            #[cfg(feature = "postgres")]
            Self::Migrate(migrate) => migrate.run(out),
            Self::DoorKey(door_key) => door_key.run(out),
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command_line(), "keyward", &mut script);
                Ok(out.raw(&script)?)
            }
        }
    }
}

fn read_settings(flags: &Flags) -> Result<Settings, SettingsError> {
    Settings::read(flags, &Environment::of(std::env::vars_os())?, Path::new(""))
}

fn print_settings(settings: &Settings, as_json: bool, out: &mut Output) -> anyhow::Result<()> {
    let rows = settings.rows().iter();
    if as_json {
        let rows = rows.map(
            |row| json!({ "name": row.name, "value": row.value, "source": row.source.to_string() }),
        );
        return Ok(out.json(&rows.collect())?);
    }
    let rows: Vec<_> = rows
        .map(|row| vec![row.name.to_owned(), row.value.clone(), row.source.to_string()])
        .collect();
    Ok(out.table(&["name", "value", "source"], &rows)?)
}

#[cfg(test)]
mod tests;
