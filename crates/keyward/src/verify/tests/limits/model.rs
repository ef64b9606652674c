//! On one thread, every verdict equals that of an exact model of all buckets.

use std::collections::BTreeMap;

use super::*;
use crate::limit::Standings;

const KEYS: usize = 4;
const TIERS: usize = 2;
const OWNERS: usize = 2;

/// A limit in the plainest form: nanoseconds a request, and requests at once.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    name: String,
    interval: u64,
    burst: u64,
}

fn plain(limits: &Limits) -> Vec<Plain> {
    let one = |limit: &Limit| Plain {
        name: limit.name().to_owned(),
        interval: (limit.per().as_secs() * SECOND).div_ceil(u64::from(limit.amount().get())),
        burst: u64::from(limit.burst().get()),
    };
    limits.list().iter().map(one).collect()
}

/// When each bucket will be full, by name.
type Buckets = BTreeMap<String, u64>;

/// Limits and when each came into force.
#[derive(Clone, Debug)]
struct Edition {
    limits: Vec<Plain>,
    since: u64,
}

struct ModelKey {
    terms: Terms,
    buckets: Buckets,
    /// Under which edition of its tier each bucket was last used.
    used_under: BTreeMap<String, usize>,
}

struct Model {
    now: u64,
    keys: Vec<ModelKey>,
    /// Editions of the present layout.
    tiers: Vec<Vec<Edition>>,
    owners: Vec<(Vec<Plain>, Buckets)>,
}

/// The state of one limit.
#[derive(Debug, PartialEq)]
struct Stand {
    name: String,
    remaining: u64,
    until_full: u64,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Allowed { stands: Vec<Stand>, shown: Option<String> },
    Limited { stands: Vec<Stand>, shown: Option<String>, wait: u64 },
    TooCostly,
}

/// The content of each bucket after other limits replaced the former ones, at `now`.
fn carry(before: &[Plain], buckets: &Buckets, after: &[Plain], now: u64) -> Buckets {
    let mut carried = Buckets::new();
    for limit in after {
        let replaced = match (before, after) {
            ([one], [_]) => Some(&one.name),
            _ => Some(&limit.name),
        };
        let known = replaced.filter(|name| before.iter().any(|limit| limit.name == **name));
        let full_at = known.and_then(|name| buckets.get(name)).copied().unwrap_or(0);
        carried.insert(limit.name.clone(), full_at.min(now + limit.interval * limit.burst));
    }
    carried
}

impl Model {
    fn tier(&self, at: usize) -> &Edition {
        self.tiers[at].last().unwrap()
    }

    /// The limits of a key, and its buckets as they count now.
    fn of_key(&self, key: usize) -> (Vec<Plain>, Buckets) {
        let key = &self.keys[key];
        if let Some(own) = &key.terms.own {
            return (plain(own), key.buckets.clone());
        }
        let (editions, latest) = (&self.tiers[key.terms.tier], self.tier(key.terms.tier));
        let mut buckets = Buckets::new();
        for (place, limit) in latest.limits.iter().enumerate() {
            // One limit may have had another name when the bucket was filled.
            let used_under = key.used_under.get(&limit.name).copied();
            let before = editions.iter().map(|edition| edition.limits[place].name.clone());
            let name = before.rev().find(|name| key.buckets.contains_key(name));
            let mut full_at = name.as_ref().map_or(0, |name| key.buckets[name]);
            let used_under =
                name.and_then(|name| key.used_under.get(&name).copied()).or(used_under);
            if used_under.unwrap_or(0) + 1 < editions.len() {
                full_at = full_at.min(latest.since + limit.interval * limit.burst);
            }
            buckets.insert(limit.name.clone(), full_at);
        }
        (latest.limits.clone(), buckets)
    }

    fn settle(&mut self, key: usize, buckets: Buckets) {
        let edition = self.tiers[self.keys[key].terms.tier].len() - 1;
        let key = &mut self.keys[key];
        key.used_under = buckets.keys().map(|name| (name.clone(), edition)).collect();
        key.buckets = buckets;
    }

    fn put_key(&mut self, at: usize, terms: Terms) {
        let before = &self.keys[at].terms;
        let stays = match (&before.own, &terms.own) {
            (None, None) => before.tier == terms.tier,
            (Some(own), Some(other)) => own == other,
            _ => false,
        };
        if stays {
            self.keys[at].terms = terms;
            return;
        }
        let (limits, buckets) = self.of_key(at);
        let after = match &terms.own {
            Some(own) => plain(own),
            None => self.tier(terms.tier).limits.clone(),
        };
        let carried = carry(&limits, &buckets, &after, self.now);
        self.keys[at].terms = terms;
        self.settle(at, carried);
    }

    fn put_tier(&mut self, at: usize, limits: &Limits) {
        let (before, after) = (self.tier(at).limits.clone(), plain(limits));
        if before == after {
            return;
        }
        let names = |limits: &[Plain]| limits.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
        let fits = names(&before) == names(&after) || (before.len(), after.len()) == (1, 1);
        let edition = Edition { limits: after.clone(), since: self.now };
        if fits && self.tiers[at].len() < 16 {
            self.tiers[at].push(edition);
            return;
        }
        let keys: Vec<_> = (0..KEYS)
            .filter(|key| self.keys[*key].terms.tier == at && self.keys[*key].terms.own.is_none())
            .map(|key| (key, carry(&before, &self.of_key(key).1, &after, self.now)))
            .collect();
        self.tiers[at] = vec![edition];
        for (key, carried) in keys {
            self.settle(key, carried);
        }
    }

    fn put_owner(&mut self, at: usize, limits: &Limits) {
        let (before, buckets) = &self.owners[at];
        let after = plain(limits);
        if *before != after {
            let carried = carry(before, buckets, &after, self.now);
            self.owners[at] = (after, carried);
        }
    }

    fn ask(&mut self, key: usize, cost: u32) -> Expected {
        let (own, mut own_buckets) = self.of_key(key);
        let owner = self.keys[key].terms.owner;
        let (shared, mut shared_buckets) =
            owner.map(|owner| self.owners[owner].clone()).unwrap_or_default();
        let judged = u64::from(cost.max(1));
        if own.iter().chain(&shared).any(|limit| limit.burst < judged) {
            return Expected::TooCostly;
        }
        let both = own.iter().map(|limit| (limit, false)).chain(shared.iter().map(|l| (l, true)));
        let both: Vec<_> = both.collect();
        let stands = |own: &Buckets, shared: &Buckets| {
            let stand = |(limit, is_shared): &(&Plain, bool)| {
                let buckets = if *is_shared { shared } else { own };
                let until_full = buckets[&limit.name].saturating_sub(self.now);
                let room = (limit.interval * limit.burst).saturating_sub(until_full);
                let name =
                    if *is_shared { format!("owner:{}", limit.name) } else { limit.name.clone() };
                Stand { name, remaining: room / limit.interval, until_full }
            };
            both.iter().map(stand).collect::<Vec<_>>()
        };
        let before = stands(&own_buckets, &shared_buckets);
        let wait = |at: usize| {
            let (limit, _) = both[at];
            let needed = before[at].until_full + limit.interval * judged;
            needed.saturating_sub(limit.interval * limit.burst)
        };
        // Of equal ones, the first.
        let longest = (0..both.len()).rev().max_by_key(|at| wait(*at)).filter(|at| wait(*at) != 0);
        if let Some(longest) = longest {
            let (shown, wait) = (Some(before[longest].name.clone()), wait(longest));
            return Expected::Limited { stands: before, shown, wait };
        }
        for (limit, is_shared) in &both {
            let buckets = if *is_shared { &mut shared_buckets } else { &mut own_buckets };
            let full_at = buckets.get_mut(&limit.name).unwrap();
            *full_at = (*full_at).max(self.now) + limit.interval * u64::from(cost);
        }
        let stands = stands(&own_buckets, &shared_buckets);
        let shown = stands.iter().min_by_key(|stand| stand.remaining);
        let shown = shown.map(|stand| stand.name.clone());
        if cost != 0 {
            self.settle(key, own_buckets);
            if let Some(owner) = owner {
                self.owners[owner].1 = shared_buckets;
            }
        }
        Expected::Allowed { stands, shown }
    }
}

fn seen(verdict: Verdict) -> Expected {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
    let stands = |standings: &Standings| {
        let stand = |of: Standing| Stand {
            name: of.limit.name().to_owned(),
            remaining: u64::from(of.remaining),
            until_full: nanos(of.full_after),
        };
        standings.iter().map(stand).collect::<Vec<_>>()
    };
    let shown = |standings: &Standings| standings.shown().map(|of| of.limit.name().to_owned());
    match verdict {
        Ok(caller) => {
            let of = caller.standings();
            Expected::Allowed { stands: stands(of), shown: shown(of) }
        }
        Err(Denied::TooCostly(_)) => Expected::TooCostly,
        Err(Denied::Limited(_, exceeded)) => {
            let of = &exceeded.standings;
            let wait = nanos(exceeded.retry_after);
            Expected::Limited { stands: stands(of), shown: shown(of), wait }
        }
        Err(denied) => panic!("{denied:?}"),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { key: usize, cost: u32 },
    Wait(u64),
    Key(usize, Terms),
    Tier(usize, Limits),
    Owner(usize, Limits),
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let names = Just(vec!["a", "b", "c"]).prop_shuffle();
    let terms = (1_u32..6, prop::sample::select(vec![1_u64, 7, 60]), 1_u32..6);
    (names, 0_usize..4, prop::collection::vec(terms, 3)).prop_map(|(names, len, terms)| {
        let named = names.into_iter().zip(terms).take(len);
        let list = named.map(|(name, (amount, per, burst))| limit(name, amount, per, burst));
        Limits::new(list.collect()).unwrap()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let terms = (0..TIERS, prop::option::of(any_limits()), prop::option::of(0..OWNERS));
    let terms = terms.prop_map(|(tier, own, owner)| Terms { tier, own, owner });
    prop_oneof![
        8 => (0..KEYS, 0_u32..4).prop_map(|(key, cost)| Step::Ask { key, cost }),
        3 => (0..20 * SECOND).prop_map(Step::Wait),
        1 => (0..KEYS, terms).prop_map(|(key, terms)| Step::Key(key, terms)),
        1 => (0..TIERS, any_limits()).prop_map(|(tier, limits)| Step::Tier(tier, limits)),
        1 => (0..OWNERS, any_limits()).prop_map(|(owner, limits)| Step::Owner(owner, limits)),
    ]
}

proptest! {
    #[test]
    fn every_verdict_is_as_the_model_says(steps in prop::collection::vec(any_step(), 1..120)) {
        let none = || Limits::of(None);
        let mut world = World::new(vec![none(); TIERS]);
        let edition = Edition { limits: Vec::new(), since: 0 };
        let mut model = Model {
            now: world.now().steady.0,
            keys: Vec::new(),
            tiers: vec![vec![edition]; TIERS],
            owners: vec![Default::default(); OWNERS],
        };
        for key in 0..KEYS {
            let terms = Terms { tier: key % TIERS, own: None, owner: (key < 3).then_some(key % 2) };
            world.put_key(key, &terms);
            let (buckets, used_under) = Default::default();
            model.keys.push(ModelKey { terms, buckets, used_under });
        }
        for step in steps {
            match step {
                Step::Ask { key, cost } => {
                    let verdict = seen(world.ask(key, cost, world.now()));
                    prop_assert_eq!(verdict, model.ask(key, cost));
                }
                Step::Wait(nanos) => {
                    model.now += nanos;
                    world.clock.store(model.now, Ordering::SeqCst);
                }
                Step::Key(key, terms) => {
                    world.put_key(key, &terms);
                    model.put_key(key, terms);
                }
                Step::Tier(tier, limits) => {
                    world.put_tier(tier, &limits);
                    model.put_tier(tier, &limits);
                }
                Step::Owner(owner, limits) => {
                    world.put_owner(owner, &limits);
                    model.put_owner(owner, &limits);
                }
            }
        }
    }
}
