//! `keyward key`: the life of keys on a running server, and finding them.

mod edit;
mod fields;
mod identify;
mod issue;
mod life;
mod list;
mod revoke;
mod rotate;
pub(crate) mod secret;
mod show;
mod usage;
mod view;

use clap::{Args, Subcommand};

use crate::connection::Common;
use crate::number;
use crate::output::Output;
use crate::status::examples;

/// The commands about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Issue a key and show it, for the only time
    #[command(after_help = examples(&issue::EXAMPLES))]
    Issue(issue::Issue),
    /// List the matching keys, newest first
    #[command(after_help = examples(&list::EXAMPLES))]
    List(list::List),
    /// Show one key and its usage
    #[command(after_help = examples(&show::EXAMPLES))]
    Show(show::Show),
    /// Change a key, from its next request on
    #[command(after_help = examples(&edit::EXAMPLES))]
    Edit(edit::Edit),
    /// Deny the requests of a key until it is resumed
    #[command(after_help = examples(&["keyward key suspend 7"]))]
    Suspend(OneKey),
    /// Accept a suspended key again
    #[command(after_help = examples(&["keyward key resume 7"]))]
    Resume(OneKey),
    /// Give a key a new secret; the old one works for a while, so that callers can move
    #[command(after_help = examples(&rotate::EXAMPLES))]
    Rotate(rotate::Rotate),
    /// Revoke a key for good, by its id or by its secret
    #[command(after_help = examples(&revoke::EXAMPLES))]
    Revoke(revoke::Revoke),
    /// Find the keys to secrets, which are read from standard input and stay on this machine
    #[command(after_help = examples(&identify::EXAMPLES))]
    Identify(identify::Identify),
    /// Show the outcomes of a key's requests, hour by hour or day by day
    #[command(after_help = examples(&usage::EXAMPLES))]
    Usage(usage::KeyUsage),
}

/// One key and no other argument.
#[derive(Debug, Args)]
pub struct OneKey {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: u64,
    #[command(flatten)]
    common: Common,
}

impl KeyCommand {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::Issue(issue) => issue.run(out),
            Self::List(list) => list.run(out),
            Self::Show(show) => show.run(out),
            Self::Edit(edit) => edit.run(out),
            Self::Suspend(key) => life::suspend(key, out),
            Self::Resume(key) => life::resume(key, out),
            Self::Rotate(rotate) => rotate.run(out),
            Self::Revoke(revoke) => revoke.run(out),
            Self::Identify(identify) => identify.run(out),
            Self::Usage(usage) => usage.run(out),
        }
    }
}
