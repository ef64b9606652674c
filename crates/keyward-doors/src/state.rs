//! The state of doors: who may ask, and which asks were let in of late.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::HeaderMap;
use keyward::network::Network;
use keyward::verify::Purpose;
use keyward_axum::{Authenticated, Door, Guard, Rejection, Required};

use crate::asks::{Ask, Asks, Parts};
use crate::door_key::DoorKeys;
use crate::needs::Needs;

/// Asks that are remembered, unless the options say otherwise.
const REQUEST_IDS_MAX: usize = 65_536;
/// The pause between two lines of the log about mistakes.
const LOG_PAUSE: Duration = Duration::from_secs(60);
/// The networks of this machine alone.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Options of doors. By default, every client on this machine may ask, and no other.
///
/// ```
/// use keyward_doors::{DoorKey, DoorOptions};
///
/// // Proxies of one network, each with the door key.
/// let options = DoorOptions {
///     networks: vec!["10.0.0.0/8".parse()?],
///     keys: DoorKey::of("edge", "a-text-of-256-bits")?.into(),
///     ..DoorOptions::default()
/// };
/// assert_eq!(options.request_ids_max, 65_536);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DoorOptions {
    /// The networks from which clients may ask; those of this machine by default. A request from
    /// elsewhere, or from an unknown address, is rejected before its door key is looked at.
    pub networks: Vec<Network>,
    /// The door keys of which a client has to have one; with none, none is asked for.
    pub keys: DoorKeys,
    /// How many asks are remembered for a minute, so that the same one takes its cost once; 24
    /// bytes each. 65 536 by default.
    pub request_ids_max: usize,
}

impl Default for DoorOptions {
    fn default() -> Self {
        let networks = LOOPBACK.iter().filter_map(|network| network.parse().ok()).collect();
        let (keys, request_ids_max) = (DoorKeys::default(), REQUEST_IDS_MAX);
        Self { networks, keys, request_ids_max }
    }
}

/// Who may ask. It may change while doors serve.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) networks: Vec<Network>,
    pub(crate) keys: DoorKeys,
}

impl Access {
    /// Whether a client may ask from here.
    pub(crate) fn admits(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.networks.iter().any(|network| network.contains(peer)))
    }
}

/// The state of all doors. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard,
    access: ArcSwap<Access>,
    asks: Asks,
    /// When a mistake may be logged again, in nanoseconds of the steady clock. Relaxed: it guards
    /// nothing but the length of the log.
    quiet_until: AtomicU64,
}

impl State {
    pub(crate) fn new(guard: Guard, options: DoorOptions) -> Self {
        let DoorOptions { networks, keys, request_ids_max } = options;
        let access = ArcSwap::from_pointee(Access { networks, keys });
        Self(Arc::new(Inner {
            guard,
            access,
            asks: Asks::new(request_ids_max),
            quiet_until: AtomicU64::new(0),
        }))
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(crate) fn access(&self) -> arc_swap::Guard<Arc<Access>> {
        self.0.access.load()
    }

    pub(crate) fn set_access(&self, access: Access) {
        self.0.access.store(Arc::new(access));
    }

    /// Logs a mistake of the operator, which each request through a route may repeat: at most once
    /// a minute.
    #[cold]
    pub(crate) fn log_mistake(&self, mistake: &str) {
        let now = self.0.guard.clock().now().steady.0;
        let pause = u64::try_from(LOG_PAUSE.as_nanos()).unwrap_or(u64::MAX);
        let (seen, next) = (self.0.quiet_until.load(Ordering::Relaxed), now.saturating_add(pause));
        let is_first = || {
            self.0.quiet_until.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        if seen <= now && is_first().is_ok() {
            tracing::warn!("A door rejects requests: {mistake}; more of this minute is not logged");
        }
    }

    /// Decides about a request whose key is in its headers, as `needs` says, on behalf of a proxy.
    pub(crate) async fn authenticate(
        &self,
        door: Door,
        headers: &mut HeaderMap,
        needs: &Needs<'_>,
        purpose: Purpose,
    ) -> Result<Authenticated, Rejection> {
        let from = self.0.guard.forwarded_address(headers);
        self.authenticate_from(door, (headers, from), needs, purpose).await
    }

    /// The same about a request that comes from `from`, whatever its headers say of that.
    pub(crate) async fn authenticate_from(
        &self,
        door: Door,
        (headers, from): (&mut HeaderMap, Option<IpAddr>),
        needs: &Needs<'_>,
        purpose: Purpose,
    ) -> Result<Authenticated, Rejection> {
        let scopes: Vec<&str> = needs.scopes.iter().map(AsRef::as_ref).collect();
        let required = Required { scopes: &scopes, cost: needs.cost, door, purpose };
        self.0.guard.decide_from(headers, from, required).await
    }

    /// The ask with these parts, which may be repeated.
    pub(crate) fn ask(&self, parts: &Parts<'_>) -> Ask {
        self.0.asks.ask(parts)
    }

    /// Judges an ask that may be repeated, and `None` as one that may not.
    pub(crate) async fn once<T, F: Future<Output = Result<T, Rejection>>>(
        &self,
        ask: Option<Ask>,
        judge: impl FnOnce(Purpose) -> F,
    ) -> Result<T, Rejection> {
        match ask {
            Some(ask) => self.0.asks.once(ask, self.0.guard.clock().now().steady, judge).await,
            None => judge(Purpose::Request).await,
        }
    }
}
