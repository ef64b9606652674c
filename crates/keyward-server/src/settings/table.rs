//! The table of settings: the only definition of the name, description and bounds of a setting.

mod access;
mod database;
mod doors;
mod seeing;
mod stopping;
mod tls;

pub(crate) use access::*;
pub(crate) use database::*;
pub(crate) use doors::*;
pub(crate) use seeing::*;
pub(crate) use stopping::*;
pub(crate) use tls::*;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in `keyward.toml`.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// The form of its text.
    pub form: Form,
    /// The value if it is not set.
    pub default: Option<&'static str>,
    /// Its effect, in one sentence.
    pub doc: &'static str,
    /// The effect of extreme values.
    pub extremes: &'static str,
}

impl Setting {
    /// Its flag. A secret has none, since every user of a machine can list the command lines that
    /// run on it.
    pub(crate) fn flag(&self) -> Option<String> {
        (!matches!(self.form, Form::Secret)).then(|| self.name.replace('_', "-"))
    }
}

/// The form of the text of a setting.
#[derive(Debug)]
pub(crate) enum Form {
    /// Text, with its word in `--help`.
    Text(&'static str),
    /// Text that is never shown.
    Secret,
    /// `on` or `off`; as a flag, its name alone is `on`.
    Switch,
    /// A whole number in this range.
    Count(Range),
    /// A duration whose milliseconds are in this range.
    Duration(Range),
}

/// A range of whole numbers with both of its ends.
#[derive(Debug)]
pub(crate) struct Range {
    min: u64,
    max: u64,
}

impl Form {
    /// The word for a value in `--help`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Text(word) => word,
            Self::Secret => "SECRET",
            Self::Switch => "on|off",
            Self::Count(_) => "COUNT",
            Self::Duration(_) => "DURATION",
        }
    }

    /// The range in words, if there is one.
    pub(crate) fn range(&self) -> Option<String> {
        match self {
            Self::Text(_) | Self::Secret | Self::Switch => None,
            Self::Count(Range { min, max }) => Some(format!("{min} to {max}")),
            Self::Duration(Range { min, max }) => {
                Some(format!("{} to {}", duration_text(*min), duration_text(*max)))
            }
        }
    }

    /// Returns the range in words if `number` is outside of it.
    pub(crate) fn check(&self, number: u64) -> Result<(), String> {
        let fits = match self {
            Self::Text(_) | Self::Secret | Self::Switch => true,
            Self::Count(range) | Self::Duration(range) => (range.min..=range.max).contains(&number),
        };
        if fits { Ok(()) } else { Err(self.range().unwrap_or_default()) }
    }
}

fn duration_text(millis: u64) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units.into_iter().find(|(_, size)| 0 < millis && millis.is_multiple_of(*size));
    match unit {
        Some((word, size)) => format!("{}{word}", millis / size),
        None => format!("{millis}ms"),
    }
}

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// Suggests the known name that is most like `unknown`, or points to the list of all names.
pub(super) fn suggest(unknown: &str, known: impl Iterator<Item = &'static str>) -> String {
    // The prefix would make all variables look alike.
    let bare = |name: &str| name.trim_start_matches("KEYWARD_").to_lowercase();
    let unknown = bare(unknown);
    let likeness = |name: &str| strsim::jaro_winkler(&unknown, &bare(name));
    let nearest = known.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest.filter(|(likeness, _)| LIKENESS_MIN <= *likeness) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "`keyward serve --help` lists all of them".to_owned(),
    }
}

/// The file that holds the other settings. It is not a setting itself: it cannot be in the file.
pub(crate) const CONFIG_VARIABLE: &str = "KEYWARD_CONFIG";

/// The settings that SIGHUP puts into effect; the others need a restart.
const LIVE: [&Setting; 23] = [
    &ADMIN_NETWORKS,
    &DOOR_NETWORKS,
    &DOOR_KEYS_FILE,
    &TRUSTED_PROXIES,
    &ADMIN_API_KEY,
    &ADMIN_API_KEY_FILE,
    &ADMIN_API_KEY_NEXT,
    &ADMIN_API_KEY_NEXT_FILE,
    &OIDC_ISSUER,
    &OIDC_AUDIENCE,
    &OIDC_ROLE_CLAIM,
    &OIDC_ROLES,
    &OIDC_CA_FILE,
    &TLS_CERTIFICATE,
    &TLS_KEY,
    &ADMIN_TLS_CERTIFICATE,
    &ADMIN_TLS_KEY,
    &DOORS_TLS_CERTIFICATE,
    &DOORS_TLS_KEY,
    &DOOR_CLIENT_CA,
    &METRICS_TLS_CERTIFICATE,
    &METRICS_TLS_KEY,
    &LOG,
];

/// Whether SIGHUP puts the setting of this name into effect.
pub(crate) fn is_live(name: &str) -> bool {
    LIVE.iter().any(|setting| setting.name == name)
}

/// Every setting, in the order in which people read them.
pub(crate) const ALL: [&Setting; 52] = [
    &LISTEN,
    &ADMIN_LISTEN,
    &METRICS_LISTEN,
    &ADMIN_NETWORKS,
    &DOORS_LISTEN,
    &DOOR_NETWORKS,
    &DOOR_KEYS_FILE,
    &REQUEST_IDS_MAX,
    &TRUSTED_PROXIES,
    &CORS_ORIGINS,
    &DATABASE,
    &DATABASE_SCHEMA,
    &CLUSTER,
    &NODE_NAME,
    &LEDGER,
    &ADMIN_API_KEY,
    &ADMIN_API_KEY_FILE,
    &ADMIN_API_KEY_NEXT,
    &ADMIN_API_KEY_NEXT_FILE,
    &OIDC_ISSUER,
    &OIDC_AUDIENCE,
    &OIDC_ROLE_CLAIM,
    &OIDC_ROLES,
    &OIDC_CA_FILE,
    &KEY_PREFIX,
    &FLUSH_EVERY,
    &USAGE_DAYS,
    &THREADS,
    &TLS_CERTIFICATE,
    &TLS_KEY,
    &ADMIN_TLS_CERTIFICATE,
    &ADMIN_TLS_KEY,
    &DOORS_TLS_CERTIFICATE,
    &DOORS_TLS_KEY,
    &DOOR_CLIENT_CA,
    &METRICS_TLS_CERTIFICATE,
    &METRICS_TLS_KEY,
    &CONNECTIONS_MAX,
    &REQUESTS_MAX,
    &KEEP_ALIVE_TIMEOUT,
    &HEADER_TIMEOUT,
    &REQUEST_TIMEOUT,
    &STOP_DELAY,
    &STOP_WITHIN,
    &FAILURES_PER_MINUTE,
    &RATE_LIMIT_HEADERS,
    &LEAK_REPORTS,
    &GITHUB_LEAKS,
    &LOG,
    &LOG_FORMAT,
    &ACCESS_LOG,
    &OTLP_ENDPOINT,
];

pub(crate) const LISTEN: Setting = Setting {
    name: "listen",
    variable: "KEYWARD_LISTEN",
    form: Form::Text("ADDRESS:PORT"),
    default: Some("127.0.0.1:8000"),
    doc: "The IP address and port to serve HTTP on",
    extremes: "Port 0 takes a free port, which the greeting names. Off loopback (`0.0.0.0`), the \
               program does not start with a weak or made-up admin key, unless `admin_listen` \
               serves the admin routes.",
};

pub(crate) const ADMIN_API_KEY: Setting = Setting {
    name: "admin_api_key",
    variable: "ADMIN_API_KEY",
    form: Form::Secret,
    default: None,
    doc: "The key that a request to an admin route must send as `X-Admin-Key`",
    extremes: "Without one, admin routes respond with 500. 1 to 512 visible ASCII characters; at \
               least 24 off loopback. It is never a flag.",
};

pub(crate) const ADMIN_API_KEY_FILE: Setting = Setting {
    name: "admin_api_key_file",
    variable: "KEYWARD_ADMIN_API_KEY_FILE",
    form: Form::Text("FILE"),
    default: None,
    doc: "A file that holds the admin key, such as a mounted secret",
    extremes: "A line end after the key is ignored. Both this and `admin_api_key` in one source \
               are an error; of two sources, the one with precedence wins.",
};

pub(crate) const KEY_PREFIX: Setting = Setting {
    name: "key_prefix",
    variable: "KEYWARD_KEY_PREFIX",
    form: Form::Text("PREFIX"),
    default: Some("kw"),
    doc: "The beginning of every issued key, by which people and scanners recognise it",
    extremes: "1 to 24 characters: words of `a-z` and `0-9` joined by single underscores. \
               Existing keys keep theirs and go on working.",
};

pub(crate) const FLUSH_EVERY: Setting = Setting {
    name: "flush_every",
    variable: "KEYWARD_FLUSH_EVERY",
    form: Form::Duration(Range { min: 10, max: 300_000 }),
    default: Some("1s"),
    doc: "Pause between two flushes of the usage counts to the database",
    extremes: "Counts younger than this are lost if the process is killed. Short pauses write \
               more often.",
};

pub(crate) const USAGE_DAYS: Setting = Setting {
    name: "usage_days",
    variable: "KEYWARD_USAGE_DAYS",
    form: Form::Count(Range { min: 1, max: 36_500 }),
    default: Some("all"),
    doc: "For how many days before today (UTC) usage is kept",
    extremes: "`all` forgets none. Usage of older days is forgotten for good, within minutes of \
               midnight and of the start; each key with a request in an hour has one row of it. \
               A clock that is years ahead forgets everything.",
};

pub(crate) const THREADS: Setting = Setting {
    name: "threads",
    variable: "KEYWARD_THREADS",
    form: Form::Count(Range { min: 1, max: 1_024 }),
    default: Some("auto"),
    doc: "The number of threads that serve requests",
    extremes: "`auto` is one for each core. More threads than cores bring no gain.",
};

pub(crate) const CONNECTIONS_MAX: Setting = Setting {
    name: "connections_max",
    variable: "KEYWARD_CONNECTIONS_MAX",
    form: Form::Count(Range { min: 1, max: 1_000_000 }),
    default: Some("1024"),
    doc: "The most connections at one time, to each listener",
    extremes: "When one more arrives, the address with the most connections loses one: the one \
               that has been idle longest, or else the one that has been without a whole request \
               head longest; never one with a request under way. Each connection needs a file \
               descriptor: keep their number below `ulimit -n`.",
};

pub(crate) const REQUESTS_MAX: Setting = Setting {
    name: "requests_max",
    variable: "KEYWARD_REQUESTS_MAX",
    form: Form::Count(Range { min: 1, max: 1_000_000 }),
    default: Some("1024"),
    doc: "The most requests under way at one time, over all listeners",
    extremes: "One more gets 503 with `Retry-After: 1` at once, but for `/healthz` and `/readyz`. \
               It counts until its response is made. Over HTTP/2, a connection has up to 100 at a \
               time; a small number keeps many such connections from taking all of the memory.",
};

pub(crate) const KEEP_ALIVE_TIMEOUT: Setting = Setting {
    name: "keep_alive_timeout",
    variable: "KEYWARD_KEEP_ALIVE_TIMEOUT",
    form: Form::Duration(Range { min: 100, max: 3_600_000 }),
    default: Some("75s"),
    doc: "How long a connection may be idle between two requests",
    extremes: "Keep it above the time for which a proxy in front keeps connections (60 s for \
               nginx and AWS), or it sends requests into connections that have just been closed. \
               When connections run short, idle ones are closed earlier.",
};

pub(crate) const HEADER_TIMEOUT: Setting = Setting {
    name: "header_timeout",
    variable: "KEYWARD_HEADER_TIMEOUT",
    form: Form::Duration(Range { min: 100, max: 300_000 }),
    default: Some("5s"),
    doc: "How long a request's line and headers may take to arrive",
    extremes: "Counted from the first byte, and for the first request from the connection's \
               start. A short time cuts off slow callers; a long one lets them hold connections.",
};

pub(crate) const REQUEST_TIMEOUT: Setting = Setting {
    name: "request_timeout",
    variable: "KEYWARD_REQUEST_TIMEOUT",
    form: Form::Duration(Range { min: 100, max: 3_600_000 }),
    default: Some("30s"),
    doc: "How long reading a request's body and responding may take together",
    extremes: "A request that takes longer is aborted; a change that was under way may have been \
               made. Only a copy of the database may take longer.",
};

pub(crate) const FAILURES_PER_MINUTE: Setting = Setting {
    name: "failures_per_minute",
    variable: "KEYWARD_FAILURES_PER_MINUTE",
    form: Form::Count(Range { min: 0, max: 1_000_000 }),
    default: Some("6000"),
    doc: "The most wrong keys that one client address may present a minute",
    extremes: "Above it, invalid keys get 429 instead of 401; valid keys are not affected. \
               Clients of unknown addresses share one limit. 0 is no limit.",
};

pub(crate) const RATE_LIMIT_HEADERS: Setting = Setting {
    name: "rate_limit_headers",
    variable: "KEYWARD_RATE_LIMIT_HEADERS",
    form: Form::Text("both|standard|x-ratelimit|none"),
    default: Some("both"),
    doc: "The header fields that report the state of its limit to a caller",
    extremes: "`standard` is `RateLimit-Policy` and `RateLimit`; `x-ratelimit` is \
               `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which older clients read. With \
               `none`, callers get only the `Retry-After` of a 429.",
};

pub(crate) const LOG: Setting = Setting {
    name: "log",
    variable: "KEYWARD_LOG",
    form: Form::Text("FILTER"),
    default: Some("info"),
    doc: "The log lines that are written: a level, or a filter such as `warn,keyward=debug`",
    extremes: "`off` writes none. `trace` writes very many. No level writes a key.",
};

pub(crate) const LOG_FORMAT: Setting = Setting {
    name: "log_format",
    variable: "KEYWARD_LOG_FORMAT",
    form: Form::Text("human|json"),
    default: Some("human"),
    doc: "The form of log lines: `human`, or `json` with one object a line",
    extremes: "Both go to standard error. Lines that cannot be written, or that no reader takes, \
               are dropped; the next line that can be written reports how many.",
};
