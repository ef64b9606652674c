//! Where the database is: the URL that an operator gives, and what of it may be shown.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode, TargetSessionAttrs};

/// How long connecting to one host may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long sent bytes may stay without an acknowledgement of the network.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// How long a connection may be idle until the network is asked whether it is there.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// The options after `?` that are passed on to the client as they are.
const PASSED_ON: [&str; 5] = ["host", "hostaddr", "port", "user", "dbname"];

/// A database: its server, its name and the role that connects to it.
///
/// The password is in it, and nothing shows it: neither `Debug` nor an error.
///
/// ```
/// use keyward_postgres::Address;
///
/// let address: Address = "postgres://keyward:s3cret@127.0.0.1/keyward".parse()?;
/// assert_eq!(address.to_string(), "postgres://keyward@127.0.0.1:5432/keyward");
/// assert!(!format!("{address:?}").contains("s3cret"));
/// // Beyond this machine the server has to prove its name.
/// let address: Address = "postgres://keyward@db.example/keyward".parse()?;
/// assert!(address.is_encrypted());
/// assert!("postgres://keyward@db.example/keyward?sslmode=prefer".parse::<Address>().is_err());
/// # Ok::<(), keyward_postgres::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    config: Config,
    encrypted: bool,
    authorities: Option<PathBuf>,
}

/// The error of a URL. It contains nothing of the URL, which may have a password anywhere.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// It is no URL of a database.
    #[error(
        "the URL of the database cannot be read; write it as \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE, with each `@`, `/`, `?`, `#` and `%` of the \
         password percent-encoded"
    )]
    NoUrl,
    /// It names no server.
    #[error(
        "the URL of the database names no server; write postgres://USER@HOST/DATABASE, or \
         postgres:///DATABASE?host=/run/postgresql for a socket"
    )]
    NoHost,
    /// An option after the question mark is not known.
    #[error(
        "the URL of the database has an option after `?` that is not known; known are sslmode, \
         sslrootcert, channel_binding, host, hostaddr, port, user and dbname (a `?` of the \
         password is written %3F)"
    )]
    UnknownOption,
    /// The encryption that it asks for would not keep an attacker out.
    #[error(
        "the URL of the database asks for an sslmode under which the network could read or alter \
         everything; use sslmode=verify-full, with sslrootcert=FILE if the authority is not one \
         of the system's; only on this machine, over 127.0.0.1, ::1, localhost or a socket, may it \
         be sslmode=disable"
    )]
    WeakEncryption,
    /// The option has a value that is not known.
    #[error("the URL of the database has a channel_binding other than prefer and require")]
    ChannelBinding,
}

impl Address {
    /// Whether connections are encrypted, and the server proves its name. They always are, but on
    /// this machine.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether its URL has a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The file with the authorities that may vouch for the server, if it is not to be the
    /// system's.
    pub(crate) fn authorities(&self) -> Option<&PathBuf> {
        self.authorities.as_ref()
    }

    /// The database, by the rule that the server has for a URL that names none.
    ///
    /// ```
    /// let address: keyward_postgres::Address = "postgres://keyward@127.0.0.1/keyward".parse()?;
    /// assert_eq!(address.database(), "keyward");
    /// # Ok::<(), keyward_postgres::AddressError>(())
    /// ```
    #[must_use]
    pub fn database(&self) -> String {
        let name = self.config.get_dbname().or(self.config.get_user());
        name.unwrap_or("keyward").to_owned()
    }

    /// The database of limits next to this one; see
    /// [`PostgresTickets`](crate::PostgresTickets).
    ///
    /// ```
    /// let keys: keyward_postgres::Address = "postgres://keyward@127.0.0.1/keyward".parse()?;
    /// assert_eq!(keys.of_tickets().database(), "keyward_tickets");
    /// # Ok::<(), keyward_postgres::AddressError>(())
    /// ```
    #[must_use]
    pub fn of_tickets(&self) -> Self {
        let mut tickets = self.clone();
        tickets.config.dbname(format!("{}_tickets", self.database()));
        tickets
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(AddressError::NoUrl);
        }
        let (base, options) = url.split_once('?').unwrap_or((url, ""));
        let (mut passed_on, mut mode, mut authorities) = (Vec::new(), None, None);
        let mut binding = ChannelBinding::Prefer;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => authorities = Some(decode(value)?.into()),
                "channel_binding" if value == "require" => binding = ChannelBinding::Require,
                "channel_binding" if value == "prefer" => {}
                "channel_binding" => return Err(AddressError::ChannelBinding),
                name if PASSED_ON.contains(&name) => passed_on.push(option),
                _ => return Err(AddressError::UnknownOption),
            }
        }
        let url = format!("{base}?{}", passed_on.join("&"));
        let mut config: Config = url.parse().map_err(|_| AddressError::NoUrl)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::NoHost);
        }
        let encrypted = match mode {
            None => !is_local(&config),
            Some("verify-full") => true,
            Some("disable") if is_local(&config) => false,
            Some(_) => return Err(AddressError::WeakEncryption),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.channel_binding(if encrypted { binding } else { ChannelBinding::Disable });
        config.application_name("keyward");
        config.connect_timeout(CONNECT_MAX).tcp_user_timeout(SILENCE_MAX).keepalives_idle(IDLE_MAX);
        if 1 < config.get_hosts().len() {
            // Of a primary and its standbys, the one that takes changes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, encrypted, authorities })
    }
}

/// The text of a percent-encoded value.
fn decode(value: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| {
                    digit
                        .and_then(|digit| char::from(digit).to_digit(16))
                        .ok_or(AddressError::NoUrl)
                });
                let [high, low] = digits;
                u8::try_from(high? * 16 + low?).map_err(|_| AddressError::NoUrl)?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| AddressError::NoUrl)
}

/// Whether all of the way to the server is on this machine.
fn is_local(config: &Config) -> bool {
    let is_local_host = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_local_host)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            // One port may stand for all hosts.
            let ports = self.config.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => write!(f, "{separator}{name}:{port}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{separator}{}:{port}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_this_machine_is_anything_sent_in_clear() {
        for (url, encrypted) in [
            ("postgres://127.0.0.1/k", Some(false)),
            ("postgres://localhost/k", Some(false)),
            ("postgres://[::1]/k", Some(false)),
            ("postgres:///k?host=/run/postgresql", Some(false)),
            ("postgresql://%2Frun%2Fpostgresql/k", Some(false)),
            ("postgres://127.0.0.1/k?sslmode=verify-full", Some(true)),
            ("postgres://db.example/k", Some(true)),
            ("postgres://10.0.0.1/k", Some(true)),
            ("postgres://localhost,db.example/k", Some(true)),
            ("postgres://localhost/k?hostaddr=10.0.0.1", Some(true)),
            ("postgres://db.example/k?sslmode=verify-full&sslrootcert=/ca%20s.pem", Some(true)),
            ("postgres://localhost/k?sslmode=disable", Some(false)),
            ("postgres://db.example/k?sslmode=disable", None),
            ("postgres://localhost/k?hostaddr=10.0.0.1&sslmode=disable", None),
            ("postgres://db.example/k?sslmode=prefer", None),
            ("postgres://localhost/k?sslmode=prefer", None),
            ("postgres://db.example/k?sslmode=allow", None),
            ("postgres://db.example/k?sslmode=require", None),
            ("postgres://db.example/k?sslmode=verify-ca", None),
        ] {
            let address = url.parse::<Address>();
            let told = address.as_ref().map(Address::is_encrypted).map_err(|error| *error);
            assert_eq!(told, encrypted.ok_or(AddressError::WeakEncryption), "{url}");
        }
        let address: Address = "postgres://db.example/k?sslrootcert=/ca%20s.pem".parse().unwrap();
        assert_eq!(address.authorities(), Some(&PathBuf::from("/ca s.pem")));
    }

    #[test]
    fn a_bad_url_is_explained_without_its_password() {
        for (url, expected) in [
            ("", AddressError::NoUrl),
            ("keyward.db", AddressError::NoUrl),
            ("http://u:hunter2@h/k", AddressError::NoUrl),
            ("postgres://u:hunter2@h:x/k", AddressError::NoUrl),
            ("postgres:///k", AddressError::NoHost),
            ("postgres://u:hun?ter2@h/k", AddressError::UnknownOption),
            ("postgres://h/k?sslrootcert=%zz", AddressError::NoUrl),
            ("postgres://h/k?password=hunter2", AddressError::UnknownOption),
            ("postgres://h/k?options=-c%20fsync%3Doff", AddressError::UnknownOption),
            ("postgres://h/k?channel_binding=disable", AddressError::ChannelBinding),
        ] {
            let error = url.parse::<Address>().unwrap_err();
            assert_eq!(error, expected, "{url}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("hunter2") && !told.contains("ter2"), "{told}");
        }
    }

    #[test]
    fn nothing_shows_the_password() {
        let url = "postgres://ada:hunter2@a.example:1,b.example:2/keys";
        let address: Address = url.parse().unwrap();
        assert_eq!(address.to_string(), "postgres://ada@a.example:1,b.example:2/keys");
        assert!(!format!("{address:?} {address:#?}").contains("hunter2"));
        assert!(address.has_password());
        assert!(!"postgres://ada@a.example/keys".parse::<Address>().unwrap().has_password());
    }
}
