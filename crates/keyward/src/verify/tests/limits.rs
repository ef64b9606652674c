//! Tests of limits as requests meet them: of keys, tiers and owners, under edits, on many threads.

mod model;
mod threads;

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::limit::Revision;
use crate::record::Owner;

const SECOND: u64 = 1_000_000_000;

fn limit(name: &str, amount: u32, per_secs: u64, burst: u32) -> Limit {
    let number = |number| NonZeroU32::new(number).unwrap();
    Limit::new(name, number(amount), Duration::from_secs(per_secs), number(burst)).unwrap()
}

fn text(key: usize) -> String {
    format!("kw_the-text-of-key-{key}")
}

fn digest(key: usize) -> Digest {
    Digest::of(Presented::parse(&text(key)).unwrap())
}

fn owner_name(owner: usize) -> Owner {
    format!("org_{owner}").parse().unwrap()
}

/// The limits of one key.
#[derive(Clone, Debug, Default)]
struct Terms {
    tier: usize,
    own: Option<Limits>,
    owner: Option<usize>,
}

/// Keys, tiers and owners, and a clock that moves only when it is set. Changes are made as a gate
/// makes them, one after the other.
struct World {
    index: Index,
    usage: Usage,
    tiers: Vec<StdArc<Tier>>,
    clock: AtomicU64,
}

impl World {
    fn new(tiers: Vec<Limits>) -> Self {
        let tier = |limits| StdArc::new(Tier::new("basic".parse().unwrap(), limits));
        let tiers = tiers.into_iter().map(tier).collect();
        let (index, usage) = (Index::default(), Usage::default());
        Self { index, usage, tiers, clock: AtomicU64::new(10 * SECOND) }
    }

    fn now(&self) -> Now {
        Now::new(UnixMillis(1_000_000), SteadyNanos(self.clock.load(Ordering::SeqCst)))
    }

    fn entry(&self, key: usize, terms: &Terms) -> Entry {
        let id = KeyId::new(key as u64 + 1).unwrap();
        let tier = &self.tiers[terms.tier];
        let plain = Key::plain(id, "Key".parse().unwrap(), tier.name().clone(), digest(key));
        let key = Key { limits: terms.own.clone(), ..plain };
        let owner = terms.owner.map(|owner| self.index.owner(&owner_name(owner), false));
        Entry::of_owner(&key, StdArc::clone(tier), owner)
    }

    /// Issues a key, or edits it.
    fn put_key(&self, key: usize, terms: &Terms) {
        self.index.replace(self.entry(key, terms), &|| self.now());
    }

    fn put_tier(&mut self, tier: usize, limits: &Limits) {
        let before = StdArc::clone(&self.tiers[tier]);
        if before.limits() == limits || before.set_limits(limits, Revision(0), &|| self.now()) {
            return;
        }
        let after = StdArc::new(Tier::new(before.name().clone(), limits.clone()));
        self.tiers[tier] = StdArc::clone(&after);
        let (tiers, clock) = ((&before, &after), || self.now());
        (0..).map_while(|shard| self.index.move_keys(shard, tiers, &clock)).for_each(drop);
    }

    fn put_owner(&self, owner: usize, limits: &Limits) {
        self.index.set_owner_limits(&owner_name(owner), limits, &|| self.now());
    }

    fn ask(&self, key: usize, cost: u32, now: Now) -> Verdict {
        let cost = Cost::new(cost).unwrap();
        verify(&self.index, &self.usage, &Asked { cost, ..Asked::of(&text(key)) }, now)
    }
}
