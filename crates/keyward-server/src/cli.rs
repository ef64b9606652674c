//! The command line: its commands, what they print, and the status they end with.

mod articles;
mod audit;
mod backup;
mod connection;
mod doctor;
mod export;
mod import;
mod key;
mod limit;
mod moment;
mod new_file;
mod output;
mod owner;
mod scan;
mod status;
mod tier;
mod usage;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::settings::{Environment, Flags, Settings, SettingsError};

use articles::ArticlesCommand;
use audit::AuditCommand;
use backup::Backup;
use doctor::Doctor;
use export::Export;
use import::Import;
use key::KeyCommand;
use output::Output;
use owner::OwnerCommand;
use scan::Scan;
use status::{EXIT_STATUSES, Status, examples, report};
use tier::TierCommand;
use usage::UsageCommand;

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
    #[command(after_help = examples(&SERVE_EXAMPLES))]
    Serve {
        #[command(flatten)]
        flags: Flags,
    },
    /// Issue, find, change, rotate and revoke keys on a running server
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Key(KeyCommand),
    /// List and change tiers, the plans whose limits keys have
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Tier(TierCommand),
    /// Show, suspend and resume owners, with all their keys
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Owner(OwnerCommand),
    /// Show what became of the requests of all keys, and which keys have the most
    #[command(after_help = examples(&usage::EXAMPLES))]
    Usage(UsageCommand),
    /// List, verify and export the trail of all changes
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Audit(AuditCommand),
    /// Import articles into a running server
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Articles(ArticlesCommand),
    /// Find keys in files, directories, histories and logs
    #[command(after_help = scan::AFTER_HELP)]
    Scan(Scan),
    /// Import keys into a running server, from CSV, JSON Lines or the tutorial's database
    #[command(after_help = import::after_help())]
    Import(Import),
    /// Export keys, tiers and suspended owners as JSON Lines, without secrets
    #[command(after_help = examples(&export::EXAMPLES))]
    Export(Export),
    /// Copy the database of a running server into a file
    #[command(after_help = examples(&backup::EXAMPLES))]
    Backup(Backup),
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
    /// Print a completion script for a shell
    #[command(after_help = examples(&COMPLETIONS_EXAMPLES))]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const SERVE_EXAMPLES: [&str; 2] = [
    "keyward serve",
    "keyward serve --listen 0.0.0.0:8000 --database-url sqlite:/var/lib/keyward.db",
];

const COMPLETIONS_EXAMPLES: [&str; 1] =
    ["keyward completions bash > /etc/bash_completion.d/keyward"];

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

impl Command {
    fn run(
        &self,
        serve: impl FnOnce(Settings) -> anyhow::Result<()>,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        match self {
            Self::Serve { flags } => serve(read_settings(flags)?),
            Self::Key(command) => command.run(out),
            Self::Tier(command) => command.run(out),
            Self::Owner(command) => command.run(out),
            Self::Usage(command) => command.run(out),
            Self::Audit(command) => command.run(out),
            Self::Articles(command) => command.run(out),
            Self::Scan(scan) => scan.run(out),
            Self::Import(import) => import.run(out),
            Self::Export(export) => export.run(out),
            Self::Backup(backup) => backup.run(out),
            Self::Settings { json, flags } => print_settings(&read_settings(flags)?, *json, out),
            Self::Doctor(doctor) => doctor.run(out),
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
    fn every_command_has_examples_and_exit_statuses() {
        fn check(command: &clap::Command) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_leaf = command.get_subcommands().next().is_none();
            assert!(!is_leaf || after.contains("Examples:\n  keyward"), "{command}");
            assert!(after.contains("Exit status:"), "{command}");
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_secret() {
        for words in [
            &["keyward", "serve", "--admin-api-key", "hunter2"][..],
            &["keyward", "key", "revoke", "--secret", "hunter2"],
            &["keyward", "key", "identify", "hunter2"],
        ] {
            let parsed = Cli::try_parse_from(words);
            assert_eq!(parsed.unwrap_err().kind(), clap::error::ErrorKind::UnknownArgument);
        }
        let secret = Cli::try_parse_from(["keyward", "key", "revoke", "kw_secret"]);
        assert_eq!(secret.unwrap_err().kind(), clap::error::ErrorKind::ValueValidation);
    }

    #[test]
    fn an_edit_is_consistent_in_itself() {
        for words in [
            &["--owner", "a", "--clear-owner"][..],
            &["--expires-in", "9d", "--never-expires"],
            &["--expires-in", "9d", "--expires-at", "2030-01-01"],
            &["--limit", "1 per 1s", "--unlimited"],
            &["--limit", "1 per 1s", "--tier-limits"],
            &["--unlimited", "--tier-limits"],
            &["--scope", "a:b", "--no-scopes"],
            &["--network", "::/0", "--any-network"],
        ] {
            let parsed = Cli::try_parse_from([&["keyward", "key", "edit", "7"], words].concat());
            let kind = parsed.unwrap_err().kind();
            assert_eq!(kind, clap::error::ErrorKind::ArgumentConflict, "{words:?}");
        }
    }

    #[test]
    fn a_key_is_revoked_by_its_id_or_by_its_secret() {
        let parses = |words: &[&str]| {
            Cli::try_parse_from([&["keyward", "key", "revoke"], words].concat()).is_ok()
        };
        assert!(parses(&["7"]) && parses(&["--stdin"]));
        assert!(!parses(&[]) && !parses(&["7", "--stdin"]));
    }
}
