//! `keyward key`: the life of keys on a running server, and finding them.

mod edit;
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
use keyward::json::{self, first_inexact_number};
use keyward_api::duration::WholeSeconds;
use keyward_api::transfer::{INEXACT, json_fault};
use serde_json::Value;

use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::Output;
use crate::status::{Complaint, examples};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Issue a key and show it, for the only time
    #[command(after_help = examples(&issue::EXAMPLES))]
    Issue(issue::Issue),
    /// List the keys that fit, newest first
    #[command(after_help = examples(&list::EXAMPLES))]
    List(list::List),
    /// Show one key and its usage
    #[command(after_help = examples(&show::EXAMPLES))]
    Show(show::Show),
    /// Change a key; its next request is judged by what it is then
    #[command(after_help = examples(&edit::EXAMPLES))]
    Edit(edit::Edit),
    /// Refuse a key until it is resumed
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
    /// Show what became of a key's requests, hour by hour or day by day
    #[command(after_help = examples(&usage::EXAMPLES))]
    Usage(usage::KeyUsage),
}

/// One key, and nothing more to say.
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

/// When a key ends, as somebody typed it.
#[derive(Debug, Args)]
pub(crate) struct Expiry {
    /// How long it works from now on, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = WholeSeconds::parse)]
    expires_in: Option<WholeSeconds>,
    /// When it ends, such as 2030-01-31T12:00:00Z or 2030-01-31
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_end,
        conflicts_with = "expires_in"
    )]
    expires_at: Option<Moment>,
}

impl Expiry {
    /// The field of a body that holds it, if it was given.
    fn member(&self, out: &Output) -> Option<(&'static str, Value)> {
        let within = self.expires_in.map(|within| ("expires_in", format!("{}s", within.seconds())));
        let at = || self.expires_at.map(|at| ("expires_at", at.text(out.look().now)));
        within.or_else(at).map(|(name, text)| (name, text.into()))
    }
}

/// A point in time that is no duration, since `--expires-at 90d` would mean 90 days ago.
fn parse_end(text: &str) -> Result<Moment, String> {
    match Moment::parse(text)? {
        at @ Moment::At(_) => Ok(at),
        Moment::Ago(_) => Err(format!("for a duration, use --expires-in {text}")),
    }
}

/// Most bytes of metadata that are read: more than the server takes.
const METADATA_LEN_MAX: u64 = 64 * 1_024;

/// Takes metadata as JSON, or from a file if it begins with `@`.
fn read_metadata(typed: &str) -> Result<Value, Complaint> {
    let text = match typed.strip_prefix('@') {
        None => typed.to_owned(),
        Some(file) => read_text(file)
            .map_err(|error| Complaint::Usage(format!("{file} cannot be read: {error}")))?,
    };
    match json::from_str(&text) {
        Ok(Value::Object(_)) if first_inexact_number(&text).is_some() => {
            Err(Complaint::Usage(format!("the metadata: {INEXACT}")))
        }
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(Complaint::Usage("the metadata is not a JSON object".to_owned())),
        Err(error) => Err(Complaint::Usage(format!(
            "the metadata is not a JSON object: {}",
            json_fault(&error)
        ))),
    }
}

fn read_text(file: &str) -> std::io::Result<String> {
    use std::io::Read as _;

    let mut text = String::new();
    std::fs::File::open(file)?.take(METADATA_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_typed_or_in_a_file() {
        assert_eq!(read_metadata(r#"{"a": 1}"#).unwrap().to_string(), r#"{"a":1}"#);
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":12345678901234567890123}"#] {
            assert!(read_metadata(text).is_err(), "{text}");
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("metadata.json");
        std::fs::write(&file, r#"{"b": [2]}"#).unwrap();
        let typed = format!("@{}", file.display());
        assert_eq!(read_metadata(&typed).unwrap().to_string(), r#"{"b":[2]}"#);
        for typed in ["", "[]", "1", "{", "@/nonexistent"] {
            assert!(matches!(read_metadata(typed), Err(Complaint::Usage(_))), "{typed}");
        }
    }

    #[test]
    fn an_end_is_no_duration() {
        let problem = parse_end("90d").unwrap_err();
        assert_eq!(problem, "for a duration, use --expires-in 90d");
        assert!(parse_end("2030-01-31").is_ok());
    }
}
