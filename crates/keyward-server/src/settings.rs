//! The settings of an operator, the source of each value, and which values are rejected.
//!
//! The table in `settings/table.rs` is the only list of settings: flags, variables, the keys of
//! `keyward.toml`, the output of `keyward settings` and `docs/settings.md` all follow from it.
//! Nothing here looks at the process: flags, environment and directory are handed in.

mod cluster;
mod database;
mod described;
mod doors;
mod exposure;
mod file;
mod flags;
mod otlp;
#[cfg(test)]
mod page;
mod parse;
mod people;
mod sources;
mod start_flags;
mod stopping;
mod strength;
mod table;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward::key::Prefix;
use keyward::network::Network;
use keyward_admin::admin_key::{AdminKeyDigest, AdminKeyDigests};
use keyward_admin::people::People;
use keyward_admin::{AccessOptions, AdminOptions};
use keyward_api::admin_key::AdminKey;
use keyward_axum::RateLimitHeaders;
use keyward_cli::environment::{Environment, NotText};
use thiserror::Error;
use url::Url;

pub(crate) use cluster::ClusterSettings;
pub(crate) use database::Database;
pub use described::{Described, OPENING, described};
pub(crate) use doors::DoorSettings;
pub(crate) use flags::Flags;
pub(crate) use parse::Origins;
pub(crate) use start_flags::StartFlags;
pub(crate) use strength::{QUOTED, is_quoted, looks_made_up};
pub(crate) use table::{CONFIG_VARIABLE, is_live};
pub(crate) use tls::TlsSettings;

use sources::Sources;
use table::Setting;

/// The file that is read, if it is there, when no other is named.
pub(crate) const CONFIG_FILE: &str = "keyward.toml";

/// Every setting, checked. The table documents the effect of each.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The address to serve the control plane on, if it has one of its own.
    pub admin_listen: Option<SocketAddr>,
    /// The address to serve the metrics on, if they have one of their own.
    pub metrics_listen: Option<SocketAddr>,
    /// Where the control plane may be used from.
    pub admin_networks: Vec<Network>,
    /// The doors, and who may ask through them.
    pub doors: DoorSettings,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// The origins whose pages may use the routes that ask for a key.
    pub cors_origins: Option<Origins>,
    /// Where the keys are.
    pub database: Database,
    /// Whether others share the database, and what this process is called among them.
    pub cluster: ClusterSettings,
    /// The admin key that guards the admin routes. With neither this nor people, they respond with
    /// 500.
    pub admin_key: Option<AdminKey>,
    /// The next admin key, which is accepted as well while clients move to it.
    pub admin_key_next: Option<AdminKey>,
    /// The issuer that vouches for people who use the admin routes.
    pub people: Option<People>,
    /// The prefix of the keys that are issued.
    pub key_prefix: Prefix,
    /// Pause between two flushes of the usage counts.
    pub flush_every: Duration,
    /// How many days before today have usage; `None` is all.
    pub usage_days: Option<NonZeroU32>,
    /// Worker threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// The TLS of each listener.
    pub tls: TlsSettings,
    /// Most connections at one time.
    pub connections_max: NonZeroU32,
    /// Most requests at one time, over all listeners.
    pub requests_max: NonZeroU32,
    /// Time that a connection may be idle.
    pub keep_alive_timeout: Duration,
    /// Time for a request's line and headers to arrive.
    pub header_timeout: Duration,
    /// Time for the rest: reading the body and responding.
    pub request_timeout: Duration,
    /// Time for which the program serves after it is signalled to stop.
    pub stop_delay: Duration,
    /// Time that running requests get after that.
    pub stop_within: Duration,
    /// Most failed verifications a minute; `None` is no limit.
    pub failures_per_minute: Option<NonZeroU32>,
    /// Which header fields report the state of its limit to a caller.
    pub rate_limit_headers: RateLimitHeaders,
    /// Most reports of leaked keys a minute and address; `None` is off.
    pub leak_reports: Option<NonZeroU32>,
    /// Where GitHub's public keys are, if it may report leaked keys.
    pub github_leaks: Option<Url>,
    /// Which log lines are written, in the notation of `tracing-subscriber`.
    pub log: String,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Where spans are sent, if they are.
    pub otlp_endpoint: Option<Url>,
    rows: Vec<SettingRow>,
}

/// Reads the settings of this process once more.
pub(crate) type ReadSettings = dyn Fn() -> Result<Settings, SettingsError> + Send + Sync;

/// The form of log lines.
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
    /// It was not set.
    Default,
}

impl Source {
    /// The precedence of a source; the lowest rank wins.
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
pub(crate) struct SettingRow {
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
        /// The source of its value.
        origin: Source,
        /// The fault and its remedy.
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
        /// The error of the operating system.
        #[source]
        cause: std::io::Error,
    },
    /// The settings file is in another encoding.
    #[error("settings file {path} is not UTF-8; save it as UTF-8")]
    NotUtf8 {
        /// The file.
        path: String,
    },
    /// The settings file is not TOML.
    #[error("settings file {path}, line {line}: {problem}")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The fault and its remedy. The line itself is left out, as it may hold the admin key.
        problem: String,
    },
    /// An environment variable of ours is not UTF-8.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// Other machines can reach the listener, and the admin key is easy to guess.
    #[error(
        "other machines can reach the admin routes on {listen}, but {key} {why}; make one with \
         `openssl rand -hex 32` and set it as {variable}, or serve the admin routes on 127.0.0.1 \
         alone, without a proxy"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
        /// Which key it is.
        key: &'static str,
        /// The variable that sets it.
        variable: &'static str,
        /// The weakness of the key.
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
        let mut sources = Sources::gather(flags, environment, directory)?;
        Ok(Self {
            listen: sources.read(&table::LISTEN, parse::address)?,
            admin_listen: read_own_listen(&mut sources, &table::ADMIN_LISTEN, &[&table::LISTEN])?,
            metrics_listen: read_own_listen(
                &mut sources,
                &table::METRICS_LISTEN,
                &[&table::LISTEN, &table::ADMIN_LISTEN],
            )?,
            admin_networks: sources.read(&table::ADMIN_NETWORKS, parse::networks)?,
            doors: doors::read(&mut sources)?,
            trusted_proxies: sources
                .read_optional(&table::TRUSTED_PROXIES, parse::networks)?
                .unwrap_or_default(),
            cors_origins: sources.read_optional(&table::CORS_ORIGINS, parse::origins)?,
            database: database::read(&mut sources)?,
            cluster: cluster::read(&mut sources)?,
            admin_key: sources.read_admin_key(&table::ADMIN_API_KEY, &table::ADMIN_API_KEY_FILE)?,
            admin_key_next: read_admin_key_next(&mut sources)?,
            people: people::read(&mut sources)?,
            key_prefix: sources.read(&table::KEY_PREFIX, parse::prefix)?,
            flush_every: sources.read(&table::FLUSH_EVERY, parse::duration)?,
            usage_days: sources.read(&table::USAGE_DAYS, parse::usage_days)?,
            threads: sources.read(&table::THREADS, parse::threads)?,
            tls: tls::read(&mut sources)?,
            connections_max: sources.read(&table::CONNECTIONS_MAX, parse::count)?,
            requests_max: sources.read(&table::REQUESTS_MAX, parse::count)?,
            keep_alive_timeout: sources.read(&table::KEEP_ALIVE_TIMEOUT, parse::duration)?,
            header_timeout: sources.read(&table::HEADER_TIMEOUT, parse::duration)?,
            request_timeout: sources.read(&table::REQUEST_TIMEOUT, parse::duration)?,
            stop_delay: stopping::read_delay(&mut sources)?,
            stop_within: sources.read(&table::STOP_WITHIN, parse::duration)?,
            failures_per_minute: sources.read(&table::FAILURES_PER_MINUTE, parse::count_or_none)?,
            rate_limit_headers: sources
                .read(&table::RATE_LIMIT_HEADERS, parse::rate_limit_headers)?,
            leak_reports: sources.read(&table::LEAK_REPORTS, parse::count_or_none)?,
            github_leaks: sources.read(&table::GITHUB_LEAKS, parse::github_leaks)?,
            log: sources.read(&table::LOG, parse::log_filter)?,
            log_format: sources.read(&table::LOG_FORMAT, parse::log_format)?,
            access_log: sources.read(&table::ACCESS_LOG, parse::switch)?,
            otlp_endpoint: sources.read_optional(&table::OTLP_ENDPOINT, otlp::endpoint)?,
            rows: sources.into_rows(),
        })
    }

    /// Who may use the control plane, and from where.
    pub(crate) fn access(&self) -> AccessOptions {
        let digest = |key: &Option<AdminKey>| key.as_ref().map(AdminKeyDigest::of);
        let (first, next) = (digest(&self.admin_key), digest(&self.admin_key_next));
        AccessOptions {
            admin_keys: AdminKeyDigests { first, next },
            people: self.people.clone(),
            networks: self.admin_networks.clone(),
        }
    }

    /// The options of the control plane, without its copies.
    pub(crate) fn admin_options(&self) -> AdminOptions {
        AdminOptions {
            access: self.access(),
            leak_reports: self.leak_reports,
            github_leaks: self.github_leaks.clone(),
            backups: None,
        }
    }

    /// Drops the texts of secrets, once their digests are taken.
    pub(crate) fn forget_secrets(&mut self) {
        self.admin_key = None;
        self.admin_key_next = None;
    }

    /// Every setting with its value and source, in the order of the table.
    pub(crate) fn rows(&self) -> &[SettingRow] {
        &self.rows
    }
}

/// A next admin key without a first one means a step left out, or a mistaken name.
fn read_admin_key_next(sources: &mut Sources<'_>) -> Result<Option<AdminKey>, SettingsError> {
    let (text, file) = (&table::ADMIN_API_KEY_NEXT, &table::ADMIN_API_KEY_NEXT_FILE);
    let next = sources.read_admin_key(text, file)?;
    let has_first = [&table::ADMIN_API_KEY, &table::ADMIN_API_KEY_FILE]
        .into_iter()
        .any(|setting| sources.peek(setting).is_some());
    if next.is_some() && !has_first {
        let set = if sources.peek(text).is_some() { text } else { file };
        let problem = "has no effect without the key that it is to replace; set that as \
                       `admin_api_key`";
        return Err(sources.reject(set, problem));
    }
    Ok(next)
}

/// Two listeners cannot share an address; port 0 is another free port for each.
fn read_own_listen(
    sources: &mut Sources<'_>,
    setting: &'static Setting,
    others: &[&'static Setting],
) -> Result<Option<SocketAddr>, SettingsError> {
    let Some(address) = sources.read_optional(setting, parse::address)? else { return Ok(None) };
    let is_its = |other: &&&'static Setting| {
        sources.peek(other).and_then(|text| text.parse().ok()) == Some(address)
    };
    match others.iter().find(is_its).filter(|_| address.port() != 0) {
        Some(other) => {
            let name = other.name;
            let problem =
                format!("is the address of `{name}`; choose another port, or leave it out");
            Err(sources.reject(setting, &problem))
        }
        None => Ok(Some(address)),
    }
}
