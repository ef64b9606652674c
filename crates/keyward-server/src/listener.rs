//! The listeners of the program: what each is called, and the socket that is bound for it.

use std::fmt;
use std::net::SocketAddr;

use anyhow::Context as _;
use keyward_tls::Identity;
use tokio::net::TcpListener;

use crate::settings::{Settings, TlsSettings};

/// What a listener is for. A further one is a line in each function here, and a router in `app`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerName {
    /// Callers; operators too if they have no listener of their own.
    Public,
    /// The control plane.
    Admin,
    /// Proxies and services that ask about requests.
    Doors,
    /// The metrics of the program.
    Metrics,
}

impl ListenerName {
    /// Every listener, in the order in which they are opened and printed.
    pub(crate) const ALL: [Self; 4] = [Self::Public, Self::Admin, Self::Doors, Self::Metrics];

    /// Its word in the greeting.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Public => "listening",
            Self::Admin => "admin",
            Self::Doors => "doors",
            Self::Metrics => "metrics",
        }
    }

    /// Its name, for metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
            Self::Doors => "doors",
            Self::Metrics => "metrics",
        }
    }

    /// The flag that sets its address.
    fn flag(self) -> &'static str {
        match self {
            Self::Public => "--listen",
            Self::Admin => "--admin-listen",
            Self::Doors => "--doors-listen",
            Self::Metrics => "--metrics-listen",
        }
    }

    /// What it proves its name with, if it speaks TLS.
    pub(crate) fn identity(self, settings: &TlsSettings) -> Option<&Identity> {
        let identity = match self {
            Self::Public => &settings.public,
            Self::Admin => &settings.admin,
            Self::Doors => &settings.doors,
            Self::Metrics => &settings.metrics,
        };
        identity.as_ref()
    }

    /// The address that an operator chose; `None` if it is not opened.
    fn chosen(self, settings: &Settings) -> Option<SocketAddr> {
        match self {
            Self::Public => Some(settings.listen),
            Self::Admin => settings.admin_listen,
            Self::Doors => settings.doors.listen,
            Self::Metrics => settings.metrics_listen,
        }
    }
}

/// A listener and the address that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerAddress {
    pub(crate) name: ListenerName,
    /// With the port that the system chose, if port 0 was asked for.
    pub(crate) address: SocketAddr,
    /// It speaks TLS.
    pub(crate) is_secure: bool,
}

impl fmt::Display for ListenerAddress {
    /// The URL of its root, without a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// A listener to which clients can connect. They are served once it is accepted from.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) at: ListenerAddress,
    pub(crate) socket: TcpListener,
}

/// Opens every listener that the settings ask for.
pub(crate) async fn open_all(settings: &Settings) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for name in ListenerName::ALL {
        if let Some(chosen) = name.chosen(settings) {
            let is_secure = name.identity(&settings.tls).is_some();
            let (socket, address) = open(name, chosen).await?;
            let at = ListenerAddress { name, address, is_secure };
            listeners.push(Listener { at, socket });
        }
    }
    Ok(listeners)
}

async fn open(name: ListenerName, chosen: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let flag = name.flag();
    let socket = TcpListener::bind(chosen).await.with_context(|| {
        format!("cannot listen on {chosen}; choose another address with {flag}")
    })?;
    let address = socket.local_addr().context("reading the address of the listener")?;
    Ok((socket, address))
}
