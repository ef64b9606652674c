//! The state of doors: who may ask, and which asks were let in of late.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::HeaderMap;
use keyward::limit::Cost;
use keyward::network::Network;
use keyward::verify::Purpose;
use keyward_axum::{Authenticated, Door, Guard, Rejection, Required};

use crate::asks::{Ask, Asks};
use crate::door_key::DoorKeys;
use crate::needs::Needs;

/// Asks that are remembered, unless the options say otherwise.
const REQUEST_IDS_MAX: usize = 65_536;
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
}

impl State {
    pub(crate) fn new(guard: Guard, options: DoorOptions) -> Self {
        let DoorOptions { networks, keys, request_ids_max } = options;
        let access = ArcSwap::from_pointee(Access { networks, keys });
        Self(Arc::new(Inner { guard, access, asks: Asks::new(request_ids_max) }))
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

    /// Decides about a request whose key is in its headers, as `needs` says, on behalf of a proxy.
    pub(crate) fn authenticate(
        &self,
        door: Door,
        headers: &mut HeaderMap,
        needs: &Needs<'_>,
        purpose: Purpose,
    ) -> Result<Authenticated, Rejection> {
        let from = self.0.guard.forwarded_address(headers);
        self.authenticate_from(door, (headers, from), needs, purpose)
    }

    /// The same about a request that comes from `from`, whatever its headers say of that.
    pub(crate) fn authenticate_from(
        &self,
        door: Door,
        (headers, from): (&mut HeaderMap, Option<IpAddr>),
        needs: &Needs<'_>,
        purpose: Purpose,
    ) -> Result<Authenticated, Rejection> {
        let scopes: Vec<&str> = needs.scopes.iter().map(AsRef::as_ref).collect();
        let required = Required { scopes: &scopes, cost: needs.cost, door, purpose };
        self.0.guard.authenticate_from(headers, from, required)
    }

    /// Judges an ask that may be repeated, if it has a name, and one that has none as it is.
    pub(crate) fn once<T>(
        &self,
        (door, asker): (Door, Option<&str>),
        presented: &[&[u8]],
        (id, cost): (Option<&str>, Cost),
        judge: impl FnOnce(Purpose) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let Some(id) = id else { return judge(Purpose::Request) };
        let ask = Ask::new((door, asker), presented, id, cost);
        self.0.asks.once(&ask, self.0.guard.clock().now().steady, judge)
    }
}
