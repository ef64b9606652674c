//! The command line: its commands, what they print, and the status they end with.

mod articles;
mod backup;
mod export;
mod import;
mod key;
mod new_file;
mod output;
mod scan;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;
use thiserror::Error;

use crate::client::{Client, ClientError, ServerUrl};
use crate::settings::{
    AdminKey, Environment, Flags, SERVER_VARIABLE, Settings, SettingsError, read_key_file,
};

use articles::{ArticlesCommand, NotAllImported};
use backup::Backup;
use export::Export;
use import::{Import, UnknownFormat};
use key::KeyCommand;
use output::Output;
use scan::{KeysFound, NotAllRead, Scan};

/// What the exit statuses mean, for `--help`.
const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed: the server refused, or something was not imported
  2  wrong usage, or settings that cannot be used
  3  the server cannot be reached
  4  there is no such key";

/// The columns and members of files, for `keyward import --help`.
const IMPORT_HELP: &str = "\
Columns of CSV: digest and name, and perhaps tier, owner, scopes, networks, expires_at, metadata,
state or is_active, created_at, last_used_at, hint, key_id. The first line names them.

Examples:
  keyward import --from sqlite:news.db --dry-run
  keyward import keys.csv --report refused.jsonl
  keyward export | keyward import - --format jsonl --server http://other:8000

An import is safe to repeat: keys that are there already are skipped.

Exit status:
  0  done
  1  failed: the server refused, or something was not imported
  2  wrong usage, or settings that cannot be used
  3  the server cannot be reached";

/// Issues, verifies, limits, counts and revokes API keys
#[derive(Debug, Parser)]
#[command(name = "keyward", version, after_help = EXIT_STATUSES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the protected API and the admin API
    #[command(after_help = EXIT_STATUSES)]
    Serve {
        #[command(flatten)]
        flags: Flags,
    },
    /// Issue, list, show and revoke keys on a running server
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Key(KeyCommand),
    /// Import articles into a running server
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Articles(ArticlesCommand),
    /// Find keys in files, directories, histories and logs
    #[command(after_help = scan::AFTER_HELP)]
    Scan(Scan),
    /// Import keys into a running server, from CSV, JSON Lines or the tutorial's database
    #[command(after_help = IMPORT_HELP)]
    Import(Import),
    /// Export keys, tiers and suspended owners as JSON Lines, without secrets
    #[command(after_help = EXIT_STATUSES)]
    Export(Export),
    /// Copy the database of a running server into a file
    #[command(after_help = EXIT_STATUSES)]
    Backup(Backup),
    /// Print every setting of `keyward serve`, its value, and where the value came from
    #[command(after_help = EXIT_STATUSES)]
    Settings {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which server a command talks to, and how it proves that it may.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
struct Connection {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = SERVER_VARIABLE,
        hide_env_values = true,
        default_value = "http://127.0.0.1:8000",
        value_parser = ServerUrl::parse
    )]
    server: ServerUrl,
    /// A file with the admin key; otherwise the variable `ADMIN_API_KEY` has it
    #[arg(long, value_name = "FILE")]
    admin_key_file: Option<PathBuf>,
}

/// The admin key is missing, or is none.
#[derive(Debug, Error)]
enum AdminKeyError {
    #[error(
        "no admin key; set ADMIN_API_KEY to the key that the server has, or give \
         --admin-key-file FILE"
    )]
    Missing,
    #[error("{0}")]
    Unusable(String),
}

impl Connection {
    fn client(&self) -> anyhow::Result<Client> {
        let environment = Environment::of(std::env::vars_os())?;
        let admin_key = self.admin_key(&environment)?;
        Ok(Client::new(self.server.clone(), admin_key))
    }

    /// The client, unless there is no admin key.
    fn client_if_configured(&self) -> anyhow::Result<Option<Client>> {
        match self.client() {
            Err(error) if matches!(error.downcast_ref(), Some(AdminKeyError::Missing)) => Ok(None),
            client => client.map(Some),
        }
    }

    fn admin_key(&self, environment: &Environment) -> Result<AdminKey, AdminKeyError> {
        if let Some(file) = &self.admin_key_file {
            return read_key_file(file).map_err(AdminKeyError::Unusable);
        }
        let text = environment.find("ADMIN_API_KEY").ok_or(AdminKeyError::Missing)?;
        AdminKey::parse(text)
            .map_err(|problem| AdminKeyError::Unusable(format!("ADMIN_API_KEY {problem}")))
    }
}

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotFound = 4,
}

impl Status {
    fn of(error: &anyhow::Error) -> Self {
        // Whoever read our output has seen enough, as in `keyward key list | head`.
        let reader_left = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if reader_left {
            return Self::Done;
        }
        let is_usage = error.is::<SettingsError>()
            || error.is::<AdminKeyError>()
            || error.is::<NotAllRead>()
            || error.is::<UnknownFormat>();
        if is_usage {
            return Self::Usage;
        }
        match error.downcast_ref() {
            Some(ClientError::Unreachable { .. } | ClientError::Broken { .. }) => Self::Unreachable,
            Some(ClientError::NotFound { .. }) => Self::NotFound,
            Some(ClientError::Refused { .. } | ClientError::Foreign { .. }) | None => Self::Failed,
        }
    }
}

/// Does what the command line says; `serve` is what the command of that name does.
pub(crate) fn run(serve: impl FnOnce(Settings) -> anyhow::Result<()>) -> ExitCode {
    let status = match Cli::parse().command.run(serve, &mut Output::stdout()) {
        Ok(()) => Status::Done,
        Err(error) => {
            report(&error);
            Status::of(&error)
        }
    };
    ExitCode::from(status as u8)
}

/// Says on standard error what went wrong, and why.
fn report(error: &anyhow::Error) {
    let was_reported =
        error.is::<NotAllImported>() || error.is::<KeysFound>() || error.is::<NotAllRead>();
    if Status::of(error) == Status::Done || was_reported {
        return;
    }
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  cause: {cause}\n"));
    }
    // If nobody can be told, the exit status still says it.
    let _unheard = io::stderr().write_all(text.as_bytes());
}

impl Command {
    fn run(
        &self,
        serve: impl FnOnce(Settings) -> anyhow::Result<()>,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::Serve { flags } => serve(read_settings(flags)?),
            Self::Key(command) => command.run(out),
            Self::Articles(command) => command.run(out),
            Self::Scan(scan) => scan.run(out),
            Self::Import(command) => command.run(out),
            Self::Export(command) => command.run(out),
            Self::Backup(command) => command.run(out),
            Self::Settings { json, flags } => print_settings(&read_settings(flags)?, *json, out),
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Cli::command(), "keyward", &mut script);
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
mod tests {
    use super::*;

    /// The help of a command and of all below it.
    fn help(command: &mut clap::Command, text: &mut String) {
        text.push_str(&format!("$ {} --help\n", command.get_bin_name().unwrap_or("keyward")));
        text.push_str(&command.render_long_help().to_string());
        text.push('\n');
        for command in command.get_subcommands_mut() {
            help(command, text);
        }
    }

    #[test]
    fn help_of_every_command() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut text = String::new();
        help(&mut command, &mut text);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_secret() {
        let parsed = Cli::try_parse_from(["keyward", "serve", "--admin-api-key", "hunter2"]);
        assert_eq!(parsed.unwrap_err().kind(), clap::error::ErrorKind::UnknownArgument);
    }

    #[test]
    fn statuses_tell_failures_apart() {
        let server = || "http://x".to_owned();
        let cause = || Box::new(ureq::Error::HostNotFound);
        let check = |error: anyhow::Error, status| assert_eq!(Status::of(&error), status);
        check(anyhow::anyhow!("anything"), Status::Failed);
        check(ClientError::Foreign { server: server() }.into(), Status::Failed);
        check(AdminKeyError::Missing.into(), Status::Usage);
        check(KeysFound.into(), Status::Failed);
        check(NotAllRead.into(), Status::Usage);
        check(SettingsError::NotText("X".to_owned()).into(), Status::Usage);
        let unreachable = ClientError::Unreachable { server: server(), cause: cause() };
        check(unreachable.into(), Status::Unreachable);
        check(ClientError::NotFound { detail: server() }.into(), Status::NotFound);
        check(io::Error::from(io::ErrorKind::BrokenPipe).into(), Status::Done);
    }
}
