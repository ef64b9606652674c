//! The text that `keyward serve` prints at its start: the opened files and listeners, the settings
//! in force, and the next commands.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use keyward::limit::Limit;
use keyward::stored::TierRow;
use keyward_axum::Guard;

use crate::listener::{Listener, ListenerAddress, ListenerName};
use crate::node;
use crate::settings::Settings;

/// The server that the command line uses if none is named.
const USUAL_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// The path that a new key is tried on.
fn first_call(settings: &Settings) -> &'static str {
    match settings.database.file() {
        Some(_) if cfg!(feature = "news") => "/articles",
        Some(_) | None => "/key",
    }
}

/// The addresses of the listeners.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// Where callers are served.
    pub(crate) public: ListenerAddress,
    /// All of them, in the order in which they are printed.
    all: Vec<ListenerAddress>,
}

impl Addresses {
    pub(crate) fn of(listeners: &[Listener]) -> anyhow::Result<Self> {
        Self::of_all(listeners.iter().map(|listener| listener.at).collect())
    }

    fn of_all(all: Vec<ListenerAddress>) -> anyhow::Result<Self> {
        let public = all.iter().find(|at| at.name == ListenerName::Public);
        let public = *public.context("there is no public listener")?;
        Ok(Self { public, all })
    }

    /// Where operators are served.
    fn control(&self) -> ListenerAddress {
        let admin = self.all.iter().find(|at| at.name == ListenerName::Admin);
        *admin.unwrap_or(&self.public)
    }
}

/// How this process was started.
struct Invocation {
    /// The program, so that another terminal in another folder finds it.
    program: String,
    arguments: Vec<String>,
}

impl Invocation {
    fn of_this_process() -> Self {
        let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let program = words.next();
        Self::new(program.as_deref().unwrap_or("keyward"), words.collect())
    }

    /// A name without a folder was looked up in `PATH`, where other shells find it too.
    fn new(program: &str, arguments: Vec<String>) -> Self {
        let is_path = program.contains(std::path::MAIN_SEPARATOR);
        let absolute = is_path.then(|| std::path::absolute(program).ok()).flatten();
        let program = absolute.map_or_else(|| program.to_owned(), |path| shown(&path));
        Self { program, arguments }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Lists the opened files and listeners, the settings in force, and the next commands.
pub(crate) fn greeting(
    settings: &Settings,
    guard: &Guard,
    addresses: &Addresses,
    tiers: &[TierRow],
) -> Result<String, fmt::Error> {
    let keys = guard.gate().index().len();
    text(settings, keys, addresses, tiers, &Invocation::of_this_process())
}

fn text(
    settings: &Settings,
    keys: usize,
    addresses: &Addresses,
    tiers: &[TierRow],
    invocation: &Invocation,
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(out, "Keyward {}", env!("CARGO_PKG_VERSION"))?;
    let plural = if keys == 1 { "" } else { "s" };
    writeln!(out, "  database   {} ({keys} key{plural})", settings.database)?;
    if settings.cluster.is_on {
        writeln!(out, "  node       {}, one of a cluster", node::name(&settings.cluster))?;
    }
    for at in &addresses.all {
        writeln!(out, "  {:<9}  {at}", at.name.label())?;
    }
    if let Some(people) = &settings.people {
        writeln!(out, "  people     of {}", people.issuer.as_str())?;
    }
    for tier in tiers {
        writeln!(out, "  limit      {}", in_words(tier))?;
    }
    next(settings, addresses, invocation, &mut out)?;
    Ok(out)
}

/// The commands to type next, as a shell takes them.
fn next(
    settings: &Settings,
    addresses: &Addresses,
    invocation: &Invocation,
    out: &mut String,
) -> fmt::Result {
    let program = quoted(&invocation.program);
    let admin = reached_at(addresses.control());
    let public = reached_at(addresses.public);
    let url = |at: ListenerAddress, path| quoted(&format!("{at}{path}"));
    if settings.admin_key.is_some() {
        let file = admin_key_file(settings);
        let same = if file.is_some() { "" } else { ", with the same ADMIN_API_KEY" };
        writeln!(out, "\nNext, in another terminal{same}:")?;
        let mut options = String::new();
        if let Some(file) = file {
            write!(options, " --admin-api-key-file {}", quoted(&shown(&file)))?;
        }
        if admin.address != USUAL_SERVER || admin.is_secure {
            write!(options, " --server {}", url(admin, ""))?;
        }
        writeln!(out, "  {program} key issue --name my-first-key{options}")?;
        let first_call = url(public, first_call(settings));
        writeln!(out, "  curl -H 'Authorization: Bearer YOUR_API_KEY' {first_call}")
    } else if settings.people.is_some() {
        writeln!(out, "\nNext, with an access token of yours:")?;
        let keys = url(admin, "/admin/api-keys");
        writeln!(out, "  curl -H 'Authorization: Bearer YOUR_TOKEN' {keys}")
    } else {
        writeln!(
            out,
            "\nADMIN_API_KEY is not set, so no key can be issued or revoked. Stop, then:"
        )?;
        writeln!(out, "  export ADMIN_API_KEY=$(openssl rand -hex 32)")?;
        let words = invocation.arguments.iter().map(|word| format!(" {}", quoted(word)));
        writeln!(out, "  {program}{}", words.collect::<String>())
    }
}

/// The file that holds the admin key, if it came from one.
fn admin_key_file(settings: &Settings) -> Option<PathBuf> {
    let row = |name| settings.rows().iter().find(|row| row.name == name);
    let (key, file) = (row("admin_api_key")?, row("admin_api_key_file")?);
    let counts = key.source == file.source && file.value != "not set";
    counts.then(|| std::path::absolute(&file.value).unwrap_or_else(|_| (&file.value).into()))
}

/// The address at which this machine reaches a listener: one on every address is on loopback too.
fn reached_at(mut at: ListenerAddress) -> ListenerAddress {
    let address = &mut at.address;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    at
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn in_words(tier: &TierRow) -> String {
    let limit = |limit: &Limit| {
        let (amount, secs, burst) = (limit.amount(), limit.per().as_secs(), limit.burst());
        format!("{amount} requests per {secs} s, burst {burst}")
    };
    let limits: Vec<_> = tier.limits.list().iter().map(limit).collect();
    let limits = if limits.is_empty() { "no limit".to_owned() } else { limits.join(" and ") };
    format!("{}: {limits}", tier.name.as_str())
}

#[cfg(test)]
mod tests {
    use keyward_cli::environment::Environment;

    use super::*;
    use crate::settings::Flags;

    /// The commands for a server with this environment, program and listeners.
    fn commands(
        environment: &[(&str, &str)],
        program: &str,
        public: &str,
        control: &str,
    ) -> String {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("admin.key"), "an-admin-key").unwrap();
        let environment = Environment::of(environment.iter().copied()).unwrap();
        let settings = Settings::read(&Flags::default(), &environment, directory.path()).unwrap();
        let at = |name, text: &str| {
            let address = text.trim_start_matches("https://");
            let (is_secure, address) = (address != text, address.parse().ok()?);
            Some(ListenerAddress { name, address, is_secure })
        };
        let all = [at(ListenerName::Public, public), at(ListenerName::Admin, control)];
        let addresses = Addresses::of_all(all.into_iter().flatten().collect()).unwrap();
        let arguments = ["serve", "--database", "sqlite:my keys.db"].map(str::to_owned).to_vec();
        let invocation = Invocation::new(program, arguments);
        let text = text(&settings, 1, &addresses, &[], &invocation).unwrap();
        let here = shown(&std::env::current_dir().unwrap());
        let (_, commands) = text.split_once("\n\n").unwrap();
        commands.replace(&here, "HERE")
    }

    #[test]
    fn the_commands_name_a_server_that_is_not_the_default_one() {
        let key = &[("ADMIN_API_KEY", "an-admin-key")];
        let file = &[("KEYWARD_ADMIN_API_KEY_FILE", "admin.key")];
        let shown = [
            commands(key, "keyward", "127.0.0.1:8000", ""),
            commands(key, "keyward", "0.0.0.0:8000", ""),
            commands(key, "target/release/keyward", "127.0.0.1:9000", ""),
            commands(file, "/opt/my tools/keyward", "[::]:9000", ""),
            commands(key, "keyward", "0.0.0.0:80", "127.0.0.1:9001"),
            commands(&[], "keyward", "127.0.0.1:8000", ""),
            commands(key, "keyward", "https://127.0.0.1:8000", ""),
        ];
        let first = if cfg!(feature = "news") { "0/articles" } else { "0/key" };
        let commands = shown.join("\n").replace(first, "0/PATH");
        insta::assert_snapshot!(commands);
    }

    #[test]
    fn words_are_quoted_for_a_posix_shell_where_they_need_it() {
        assert_eq!(quoted("a/b-c_d.e:f=1"), "a/b-c_d.e:f=1");
        assert_eq!(quoted("my keys"), "'my keys'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
