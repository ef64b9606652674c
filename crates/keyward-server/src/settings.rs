//! What an operator can set, where each value came from, and which values are refused.
//!
//! The table in `settings/table.rs` is the only list of settings: flags, variables, the keys of
//! `keyward.toml`, the output of `keyward settings` and `docs/settings.md` all follow from it.
//! Nothing here looks at the process: flags, environment and directory are handed in.

mod admin_key;
mod environment;
mod file;
mod flags;
mod given;
#[cfg(test)]
mod page;
mod parse;
mod table;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward::key::Prefix;
use thiserror::Error;

pub(crate) use admin_key::AdminKey;
pub(crate) use environment::Environment;
pub(crate) use file::read_key_file;
pub(crate) use flags::Flags;
pub(crate) use table::SERVER_VARIABLE;

use given::Given;

/// The file that is read, if it is there, when no other is named.
pub(crate) const CONFIG_FILE: &str = "keyward.toml";

/// Fewest characters of an admin key that guards a listener others can reach: 24 hexadecimal
/// digits are 96 bits, which nobody guesses over a network.
const EXPOSED_KEY_LEN_MIN: usize = 24;

/// Admin keys that our own pages print. Anyone can read them there, so they guard nothing.
pub(crate) const DOCUMENTED_KEYS: [&str; 2] =
    ["change-me-to-a-long-random-text", "example-admin-key-0123456789abcdef"];

/// Every setting, checked. The table documents what each one does.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The SQLite file.
    pub database: PathBuf,
    /// What guards the admin routes. Without one they answer 500.
    pub admin_key: Option<AdminKey>,
    /// What the keys that are issued begin with.
    pub key_prefix: Prefix,
    /// Pause between two flushes of the usage counts.
    pub flush_every: Duration,
    /// Worker threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Most connections at one time.
    pub connections_max: NonZeroU32,
    /// Time for a request's line and headers to arrive.
    pub header_timeout: Duration,
    /// Time for the rest: reading the body and answering.
    pub request_timeout: Duration,
    /// Time that running requests get when the program is told to stop.
    pub stop_within: Duration,
    /// Most failed verifications a minute; `None` is no limit.
    pub failures_per_minute: Option<NonZeroU32>,
    /// Which log lines are written, in the notation of `tracing-subscriber`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    rows: Vec<Row>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people at a terminal.
    Human,
    /// One JSON object a line, for programs.
    Json,
}

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag,
    /// The environment variable of this name.
    Environment(&'static str),
    /// The settings file at this path.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl Source {
    /// Who counts more; the least rank wins.
    fn rank(&self) -> u8 {
        match self {
            Self::Flag => 0,
            Self::Environment(_) => 1,
            Self::File(_) => 2,
            Self::Default => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting as `keyward settings` shows it. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The setting's name.
    pub name: &'static str,
    /// The value as it was written; for the admin key, only whether there is one.
    pub value: String,
    /// Where the value came from.
    pub source: Source,
}

/// Why the settings cannot be used. No message contains an admin key or a database password.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// A value does not fit its setting.
    #[error("setting `{name}` ({origin}): {problem}")]
    Invalid {
        /// The setting's name.
        name: &'static str,
        /// Who set it.
        origin: Source,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A name in the settings file or the environment means nothing.
    #[error("{place} sets `{name}`, which is no setting; {advice}")]
    Unknown {
        /// The file, or the environment.
        place: String,
        /// The name that was found.
        name: String,
        /// The nearest known name, or where to find them all.
        advice: String,
    },
    /// The settings file cannot be read.
    #[error(
        "settings file {path} cannot be read; give it to the user that runs keyward, or name \
             another with --config"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        cause: std::io::Error,
    },
    /// The settings file is not TOML.
    #[error("settings file {path}, line {line}: {problem}")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What the parser said. The line itself is left out, as it may hold the admin key.
        problem: String,
    },
    /// An environment variable of ours is not UTF-8.
    #[error("environment variable {0} is not valid UTF-8; set it to plain text")]
    NotText(String),
    /// Others can reach the listener, and the admin key does not keep them out.
    #[error(
        "listening on {listen} lets other machines reach the admin routes, but the admin key \
         {why}; make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY, or listen on \
         127.0.0.1"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
        /// What is wrong with the key.
        why: &'static str,
    },
}

impl Settings {
    /// Reads every setting: flags before environment before settings file before defaults.
    ///
    /// The file is the one that `--config` or `KEYWARD_CONFIG` names, or else [`CONFIG_FILE`] in
    /// `directory`, which need not be there.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] for the first value that does not fit, and for any name in the
    /// file, or `KEYWARD_…` in the environment, that is no setting: a typing error must not turn
    /// a limit off.
    pub(crate) fn read(
        flags: &Flags,
        environment: &Environment,
        directory: &Path,
    ) -> Result<Self, SettingsError> {
        let mut given = Given::gather(flags, environment, directory)?;
        Ok(Self {
            listen: given.read(&table::LISTEN, parse::address)?,
            database: given.read(&table::DATABASE, parse::database)?,
            admin_key: given.read_admin_key()?,
            key_prefix: given.read(&table::KEY_PREFIX, parse::prefix)?,
            flush_every: given.read(&table::FLUSH_EVERY, parse::duration)?,
            threads: given.read(&table::THREADS, parse::threads)?,
            connections_max: given.read(&table::CONNECTIONS_MAX, parse::count)?,
            header_timeout: given.read(&table::HEADER_TIMEOUT, parse::duration)?,
            request_timeout: given.read(&table::REQUEST_TIMEOUT, parse::duration)?,
            stop_within: given.read(&table::STOP_WITHIN, parse::duration)?,
            failures_per_minute: given.read(&table::FAILURES_PER_MINUTE, parse::count_or_none)?,
            log: given.read(&table::LOG, parse::log_filter)?,
            log_format: given.read(&table::LOG_FORMAT, parse::log_format)?,
            rows: given.into_rows(),
        })
    }

    /// Refuses an admin key that a stranger could guess, if strangers can reach the listener.
    ///
    /// On loopback any key will do, and without one the admin routes answer nobody.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError::Exposed`] if the listener is not on loopback and the key is
    /// short, or is one that our documentation prints.
    pub(crate) fn check_exposure(&self) -> Result<(), SettingsError> {
        // `::ffff:127.0.0.1` is loopback too.
        let is_loopback = self.listen.ip().to_canonical().is_loopback();
        let Some(key) = self.admin_key.as_ref().filter(|_| !is_loopback) else {
            return Ok(());
        };
        let exposed = |why| Err(SettingsError::Exposed { listen: self.listen, why });
        if key.expose().len() < EXPOSED_KEY_LEN_MIN {
            return exposed("is shorter than 24 characters");
        }
        if DOCUMENTED_KEYS.contains(&key.expose()) {
            return exposed("is one that Keyward's documentation prints");
        }
        Ok(())
    }

    /// Every setting with its value and source, in the order of the table.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listen: &str, admin_key: Option<&str>, passes: bool) {
        let variables = [("KEYWARD_LISTEN", listen), ("ADMIN_API_KEY", admin_key.unwrap_or(""))];
        let environment = Environment::of(variables).unwrap();
        let settings =
            Settings::read(&Flags::default(), &environment, Path::new("/nonexistent")).unwrap();
        assert_eq!(settings.check_exposure().is_ok(), passes, "{listen} {admin_key:?}");
    }

    #[test]
    fn exposed_admin_key_has_24_characters() {
        check("0.0.0.0:8000", Some(&"x".repeat(23)), false);
        check("0.0.0.0:8000", Some(&"x".repeat(24)), true);
        check("[::]:8000", Some("short"), false);
        check("0.0.0.0:8000", None, true);
    }

    #[test]
    fn loopback_takes_any_admin_key() {
        for listen in ["127.0.0.1:8000", "127.9.9.9:8000", "[::1]:8000", "[::ffff:127.0.0.1]:8000"]
        {
            check(listen, Some("x"), true);
            check(listen, Some(DOCUMENTED_KEYS[0]), true);
        }
    }

    #[test]
    fn documented_admin_keys_guard_nothing() {
        for key in DOCUMENTED_KEYS {
            check("0.0.0.0:8000", Some(key), false);
            check("0.0.0.0:8000", Some(&format!("{key}!")), true);
        }
    }

    #[test]
    fn exposure_is_refused_with_a_remedy() {
        let error = SettingsError::Exposed {
            listen: SocketAddr::from(([0, 0, 0, 0], 8000)),
            why: "is shorter than 24 characters",
        };
        insta::assert_snapshot!(error, @"listening on 0.0.0.0:8000 lets other machines reach the admin routes, but the admin key is shorter than 24 characters; make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY, or listen on 127.0.0.1");
    }
}
