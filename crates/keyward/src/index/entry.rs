//! One key, as the index holds it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::count::{Counters, Counts};
use crate::digest::Digest;
use crate::limit::{Limits, Meter, Standing, TakeError};
use crate::network::Networks;
use crate::record::{KeyId, KeyName, Owner, Record, Scopes, Stage};
use crate::tier::Tier;
use crate::time::{ReadClock, SteadyNanos, UnixMillis};

use super::life::Life;

/// One key in memory: 168 bytes, names of over 24 bytes and restrictions aside.
pub struct Entry {
    pub(super) digest: Digest,
    id: KeyId,
    pub(super) life: Life,
    pub(super) meter: Meter,
    tier: Arc<Tier>,
    name: KeyName,
    /// `None` for a key without any, as most are.
    extras: Option<Box<Extras>>,
    counters: Counters,
}

/// What only some keys have.
#[derive(PartialEq)]
struct Extras {
    owner: Option<Owner>,
    scopes: Scopes,
    networks: Networks,
    /// In place of the tier's.
    limits: Option<Limits>,
}

impl Extras {
    fn of(record: Record) -> Option<Box<Self>> {
        let Record { owner, scopes, networks, limits, .. } = record;
        if owner.is_none() && scopes.is_empty() && networks.is_empty() && limits.is_none() {
            return None;
        }
        Some(Box::new(Self { owner, scopes, networks, limits }))
    }
}

impl Entry {
    /// An entry for a key whose current secret has this digest, with a full bucket and nothing
    /// counted.
    #[must_use]
    pub fn new(digest: Digest, record: Record, tier: Arc<Tier>) -> Self {
        Self {
            digest,
            id: record.id,
            life: Life::of(&record),
            meter: Meter::default(),
            tier,
            name: record.name.clone(),
            extras: Extras::of(record),
            counters: Counters::default(),
        }
    }

    /// The key's identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What people call the key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The tier of the key, whose limits hold unless it has its own.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.tier
    }

    /// To whom the key belongs.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.extras.as_ref()?.owner.as_ref().map(Owner::as_str)
    }

    /// When the key expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.life.expires_at()
    }

    /// Whether the key may do what `asked` names.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.scopes.grants(asked))
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.extras.iter().flat_map(|extras| extras.scopes.iter()).map(|scope| scope.as_str())
    }

    /// What was counted in the hour of `at` and no flush has taken yet, since the key was last
    /// changed.
    #[must_use]
    pub fn counted(&self, at: UnixMillis) -> Counts {
        self.counters.in_hour(at.hour())
    }

    pub(crate) fn stage(&self, now: UnixMillis) -> Stage {
        self.life.stage(now)
    }

    /// Whether the key may be used from this address.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        self.extras.as_ref().is_none_or(|extras| extras.networks.allow(address))
    }

    /// Takes one request from the key's limit.
    pub(crate) fn take(&self, now: SteadyNanos) -> Result<Option<Standing>, TakeError> {
        match self.own_limits() {
            Some(limits) => limits.take(&self.meter, now),
            None => self.tier.limits().take(&self.meter, now),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn own_limits(&self) -> Option<&Limits> {
        self.extras.as_ref()?.limits.as_ref()
    }

    /// Takes the meter of the entry whose place this one takes.
    pub(super) fn take_over(&self, before: &Self, clock: ReadClock<'_>) {
        let same_tier = Arc::ptr_eq(&self.tier, &before.tier);
        match (self.own_limits(), before.own_limits()) {
            (None, None) if same_tier => self.meter.take_over(&before.meter, None),
            (Some(own), Some(others)) if own == others => {
                self.meter.take_over(&before.meter, None);
            }
            (Some(own), _) => self.meter.take_over(&before.meter, Some((own, clock))),
            (None, _) => {
                self.meter.take_over(&before.meter, Some((&self.tier.limits(), clock)));
            }
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("name", &self.name).finish()
    }
}
