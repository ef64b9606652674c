//! The TLS of the listeners: what each proves its name with, until a reload brings something else.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use keyward_tls::{Authorities, Identity};
use tokio_rustls::rustls::ServerConfig;

use crate::listener::ListenerName;
use crate::settings::{Settings, TlsSettings};
use crate::stream::{ALPN_HTTP1, ALPN_HTTP2};

/// A certificate that expires within this time is warned of: time enough to have it renewed.
const WARN_BEFORE_DAYS: i64 = 14;
const DAY_SECS: i64 = 24 * 60 * 60;

/// What new connections of a listener are served with. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls(Arc<RwLock<Option<Current>>>);

#[derive(Clone, Debug)]
struct Current {
    identity: Identity,
    clients: Option<Authorities>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// The configuration for the next connection; `None` if it is not encrypted.
    pub(crate) fn current(&self) -> Option<Arc<ServerConfig>> {
        // Read once a connection, and written at a reload.
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| Arc::clone(&current.config))
    }
}

/// The TLS of all listeners. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllTls {
    public: Tls,
    admin: Tls,
    doors: Tls,
    metrics: Tls,
}

impl AllTls {
    /// As these settings say.
    pub(crate) fn of(settings: &Settings, now: Timestamp) -> anyhow::Result<Self> {
        let all = Self::default();
        all.take(settings, now)?;
        Ok(all)
    }

    pub(crate) fn of_listener(&self, name: ListenerName) -> &Tls {
        match name {
            ListenerName::Public => &self.public,
            ListenerName::Admin => &self.admin,
            ListenerName::Doors => &self.doors,
            ListenerName::Metrics => &self.metrics,
        }
    }

    /// Serves new connections as these settings say, and logs each certificate that is another one
    /// now. If anything cannot be used, all stays as it is.
    pub(crate) fn take(&self, settings: &Settings, now: Timestamp) -> anyhow::Result<()> {
        let next = |name| anyhow::Ok((name, next(name, &settings.tls)?));
        let all: Vec<_> = ListenerName::ALL.into_iter().map(next).collect::<Result<_, _>>()?;
        for (name, next) in all {
            let current = &self.of_listener(name).0;
            let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
            let before = current.as_ref().map(|current| (&current.identity, &current.clients));
            if before == next.as_ref().map(|next| (&next.identity, &next.clients)) {
                continue;
            }
            log(name, next.as_ref(), now);
            *current = next;
        }
        Ok(())
    }
}

/// What a listener is to be served with.
fn next(name: ListenerName, settings: &TlsSettings) -> anyhow::Result<Option<Current>> {
    let Some(identity) = name.identity(settings).cloned() else { return Ok(None) };
    let clients = match name {
        ListenerName::Doors => settings.door_clients.clone(),
        ListenerName::Public | ListenerName::Admin | ListenerName::Metrics => None,
    };
    let config = identity.server(clients.as_ref(), &[ALPN_HTTP2, ALPN_HTTP1]);
    let config = Arc::new(config.map_err(anyhow::Error::msg)?);
    Ok(Some(Current { identity, clients, config }))
}

/// Tells the operator what a listener is served with from now on.
fn log(name: ListenerName, next: Option<&Current>, now: Timestamp) {
    let listener = name.as_str();
    let Some(current) = next else {
        tracing::warn!("The {listener} listener speaks HTTP without TLS now");
        return;
    };
    let expiry = Expiry::of(&current.identity, now);
    if expiry.is_near() {
        tracing::warn!(
            "The certificate of the {listener} listener {expiry}: renew it, then send SIGHUP"
        );
    } else {
        tracing::info!("The certificate of the {listener} listener {expiry}");
    }
}

/// When a certificate expires, and how long that is from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    at: Timestamp,
    left_secs: i64,
}

impl Expiry {
    pub(crate) fn of(identity: &Identity, now: Timestamp) -> Self {
        let at = i64::try_from(identity.expires_at()).unwrap_or(i64::MAX);
        // After the year 9999 is as good as then.
        let at = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
        Self { at, left_secs: at.as_second() - now.as_second() }
    }

    pub(crate) fn is_past(self) -> bool {
        self.left_secs <= 0
    }

    /// Whether it is time to renew the certificate.
    pub(crate) fn is_near(self) -> bool {
        self.left_secs <= WARN_BEFORE_DAYS * DAY_SECS
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, left_secs } = self;
        if self.is_past() {
            write!(f, "expired at {at}")
        } else if self.is_near() {
            write!(f, "expires at {at}, in {} days", left_secs / DAY_SECS)
        } else {
            write!(f, "expires at {at}")
        }
    }
}
