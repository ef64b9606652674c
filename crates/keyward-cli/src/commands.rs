//! All commands, in two groups: the commands that ask about keys, and the commands that work on
//! files.

use clap::Subcommand;

use crate::audit::AuditCommand;
use crate::backup::Backup;
use crate::export::Export;
use crate::import::Import;
use crate::key::KeyCommand;
use crate::output::Output;
use crate::owner::OwnerCommand;
use crate::scan::Scan;
use crate::status::{EXIT_STATUSES, examples};
use crate::tier::TierCommand;
use crate::usage::UsageCommand;
use crate::{backup, export, import, scan, usage};

/// The commands that show and change the keys, tiers and owners of a running server.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// Issue, find, change, rotate and revoke keys on a running server
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Key(KeyCommand),
    /// List and change tiers, the plans whose limits keys have
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Tier(TierCommand),
    /// Show, suspend and resume owners, with all their keys
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Owner(OwnerCommand),
    /// Show the outcomes of the requests of all keys, and the keys with the most requests
    #[command(after_help = examples(&usage::EXAMPLES))]
    Usage(UsageCommand),
    /// List, verify and export the trail of all changes
    #[command(subcommand, after_help = EXIT_STATUSES)]
    Audit(AuditCommand),
}

/// The commands that read or write files.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
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
}

impl ControlCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Returns the error; [`Status::of`](crate::status::Status::of) has its exit status.
    pub fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::Key(command) => command.run(out),
            Self::Tier(command) => command.run(out),
            Self::Owner(command) => command.run(out),
            Self::Usage(command) => command.run(out),
            Self::Audit(command) => command.run(out),
        }
    }
}

impl FileCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// As for [`ControlCommand::run`].
    pub fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::Scan(scan) => scan.run(out),
            Self::Import(import) => import.run(out),
            Self::Export(export) => export.run(out),
            Self::Backup(backup) => backup.run(out),
        }
    }
}
