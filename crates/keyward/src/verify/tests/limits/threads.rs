//! On many threads: nothing passes that should not, nothing is denied that had room, and each word
//! is at the accepted cost.

use std::sync::Mutex;
use std::thread;

use super::*;

const THREADS: u64 = 4;

/// Numbers that look random, the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One bucket that requests of several keys may take from: a key's own, or an owner's.
#[derive(Clone, Debug)]
struct Bucket {
    label: String,
    limit: Limit,
    /// Which keys' requests take from it.
    keys: Vec<usize>,
}

fn buckets_of(label: &str, limits: &[Limit], keys: &[usize]) -> Vec<Bucket> {
    let bucket = |limit: &Limit| Bucket {
        label: format!("{label}{}", limit.name()),
        limit: *limit,
        keys: keys.to_vec(),
    };
    limits.iter().map(bucket).collect()
}

/// Keys of tiers with one limit, three and none, some of which share an owner with limits. Bursts
/// are small next to the cost asked for, so that every bucket is contended to its end.
fn crowd() -> (World, Vec<Bucket>) {
    let one = Limits::of(Some(limit("a", 7, 60, 400)));
    let three = vec![limit("a", 7, 60, 300), limit("b", 11, 60, 500), limit("c", 3, 60, 350)];
    let three = Limits::new(three).unwrap();
    let shared = Limits::new(vec![limit("x", 9, 60, 700), limit("y", 5, 60, 900)]).unwrap();
    let tiers = [one, three, Limits::of(None)];
    let world = World::new(tiers.to_vec());
    world.put_owner(0, &shared);
    let mut buckets = buckets_of("owner:", shared.list(), &[0, 1, 2, 3]);
    for (key, (tier, owner)) in
        [(0, Some(0)), (1, Some(0)), (2, Some(0)), (1, Some(0)), (0, None), (1, None), (1, Some(1))]
            .into_iter()
            .enumerate()
    {
        world.put_key(key, &Terms { tier, own: None, owner });
        buckets.extend(buckets_of(&format!("{key}:"), tiers[tier].list(), &[key]));
    }
    (world, buckets)
}

#[test]
fn while_the_clock_stands_still_each_word_is_what_was_accepted_and_each_denial_lacked_room() {
    let (world, buckets) = crowd();
    let now = world.now();
    // Each request: its key, its cost, whether it was allowed.
    let asked = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, asked) = (&world, &asked);
            scope.spawn(move || {
                let mut dice = Dice(0x9e37_79b9 + thread);
                let mut mine = Vec::new();
                for _ in 0..3_000 {
                    let key = usize::try_from(dice.below(7)).unwrap();
                    let cost = u32::try_from(dice.below(4)).unwrap();
                    match world.ask(key, cost, now) {
                        Ok(_) => mine.push((key, cost, true)),
                        Err(Denied::Limited(..)) => mine.push((key, cost, false)),
                        Err(denied) => panic!("{denied:?}"),
                    }
                }
                asked.lock().unwrap().extend(mine);
            });
        }
    });
    let asked = asked.into_inner().unwrap();
    let used = |bucket: &Bucket| {
        let accepted = asked.iter().filter(|(key, _, let_in)| *let_in && bucket.keys.contains(key));
        accepted.map(|(_, cost, _)| u64::from(*cost)).sum::<u64>()
    };
    for bucket in &buckets {
        let (used, burst) = (used(bucket), u64::from(bucket.limit.burst().get()));
        assert!(used <= burst, "{bucket:?} {used}");
        // The limits' state on a request that takes nothing, allowed or not.
        let standings = match world.ask(bucket.keys[0], 0, now) {
            Ok(caller) => caller.standings().clone(),
            Err(Denied::Limited(_, exceeded)) => exceeded.standings,
            Err(denied) => panic!("{denied:?}"),
        };
        let name = bucket.label.rsplit(':').next().unwrap();
        let is_owners = bucket.label.starts_with("owner:");
        let of = standings.iter().find(|of| {
            let plain = of.limit.name().strip_prefix("owner:");
            plain.unwrap_or(of.limit.name()) == name && plain.is_some() == is_owners
        });
        let amount = u128::from(bucket.limit.amount().get());
        let interval = bucket.limit.per().as_nanos().div_ceil(amount);
        assert_eq!(of.unwrap().full_after.as_nanos(), u128::from(used) * interval, "{bucket:?}");
    }
    for (key, cost, _) in asked.iter().filter(|(_, _, let_in)| !let_in) {
        // Buckets only fill while the clock does not move: what lacked room then lacks it now.
        let lacks = |bucket: &&Bucket| {
            let cost = u64::from(cost.max(&1).to_owned());
            bucket.keys.contains(key) && u64::from(bucket.limit.burst().get()) < used(bucket) + cost
        };
        assert!(buckets.iter().any(|bucket| lacks(&bucket)), "key {key} was denied {cost}");
    }
}

/// A request that does not fit the second bucket holds nothing of the first meanwhile, so one that
/// fits both is allowed, even with any others at the same time.
#[test]
fn what_is_denied_takes_nothing_from_what_fits() {
    let now = World::new(Vec::new()).now();
    for round in 0..200 {
        let limits = vec![limit("a", 1, 60, 104), limit("b", 1, 60, 102)];
        let limits = Limits::new(limits).unwrap();
        let world =
            World::new(vec![if round % 2 == 0 { Limits::of(None) } else { limits.clone() }]);
        world.put_owner(0, &limits);
        // Odd rounds are about a key's own buckets, even ones about its owner's.
        world.put_key(0, &Terms { tier: 0, own: None, owner: (round % 2 == 0).then_some(0) });
        assert!(world.ask(0, 100, now).is_ok());
        thread::scope(|scope| {
            for _ in 1..THREADS {
                scope.spawn(|| (0..40).for_each(|_| assert!(world.ask(0, 3, now).is_err())));
            }
            scope.spawn(|| assert!(world.ask(0, 2, now).is_ok(), "there is room for two"));
        });
    }
}

/// The watched limits, and others that come and go in addition to them.
fn edited(world: &mut World, dice: &mut Dice, keys: &mut [Terms]) {
    let beside = |dice: &mut Dice, watched: Limit| {
        let mut list = vec![watched];
        for name in ["p", "q", "r"] {
            if dice.below(2) == 0 {
                let burst = u32::try_from(40 + dice.below(40)).unwrap();
                list.insert(usize::try_from(dice.below(2)).unwrap(), limit(name, 900, 1, burst));
            }
        }
        Limits::new(list).unwrap()
    };
    let key = usize::try_from(dice.below(keys.len() as u64)).unwrap();
    match dice.below(4) {
        0 => {
            let limits = beside(dice, WATCHED());
            world.put_tier(usize::try_from(dice.below(2)).unwrap(), &limits);
        }
        1 => world.put_owner(0, &beside(dice, WATCHED_OF_OWNER())),
        2 => {
            keys[key].tier = 1 - keys[key].tier;
            world.put_key(key, &keys[key]);
        }
        _ => {
            keys[key].own = match keys[key].own {
                Some(_) => None,
                None => Some(beside(dice, WATCHED())),
            };
            world.put_key(key, &keys[key]);
        }
    }
}

const WATCHED: fn() -> Limit = || limit("a", 1_000, 1, 50);
const WATCHED_OF_OWNER: fn() -> Limit = || limit("x", 1_500, 1, 80);

/// Keys whose limits are edited, and how many of them have an owner.
const KEYS: usize = 5;
const OWNED: usize = 3;

/// Whether requests of these costs, at these times, keep to a limit in every span of time. A bucket
/// that leaks at the limit's rate never holds more than its burst.
fn check_spans(mut accepted: Vec<(u64, u32)>, limit: Limit) {
    accepted.sort_unstable();
    let interval = (limit.per().as_secs() * SECOND).div_ceil(u64::from(limit.amount().get()));
    let (mut level, mut last) = (0_u64, 0);
    for (at, cost) in accepted {
        level = level.saturating_sub(at - last) + u64::from(cost) * interval;
        last = at;
        assert!(level <= u64::from(limit.burst().get()) * interval, "{level} at {at}");
    }
}

/// Units that a denied request gave back once a bucket had refilled would be another request's
/// share.
#[test]
fn while_time_passes_a_denied_request_gives_nothing_back() {
    // The first refills in one step of the clock. The second denies, and has room for the double of
    // the first's burst a step later.
    let list = [limit("a", 1_000, 1, 4), limit("b", 100, 1, 20)];
    let world = World::new(vec![Limits::new(list.to_vec()).unwrap()]);
    world.put_key(0, &Terms::default());
    let accepted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, accepted) = (&world, &accepted);
            scope.spawn(move || {
                let mut dice = Dice(thread + 1);
                let mut mine = Vec::new();
                for _ in 0..3_000 {
                    let now = world.now();
                    let cost = u32::try_from(1 + dice.below(4)).unwrap();
                    if world.ask(0, cost, now).is_ok() {
                        mine.push((now.steady.0, cost));
                    }
                    if dice.below(8) == 0 {
                        world.clock.fetch_add(SECOND / 16, Ordering::SeqCst);
                    }
                }
                accepted.lock().unwrap().extend(mine);
            });
        }
    });
    let accepted = accepted.into_inner().unwrap();
    list.into_iter().for_each(|limit| check_spans(accepted.clone(), limit));
}

#[test]
fn while_time_passes_and_limits_are_edited_no_span_holds_more_than_burst_and_rate() {
    let watched = Limits::of(Some(WATCHED()));
    let mut world = World::new(vec![watched.clone(), watched]);
    world.put_owner(0, &Limits::of(Some(WATCHED_OF_OWNER())));
    let mut keys = vec![Terms { tier: 0, own: None, owner: Some(0) }; KEYS];
    keys.iter_mut().skip(OWNED).for_each(|terms| terms.owner = None);
    for (key, terms) in keys.iter().enumerate() {
        world.put_key(key, terms);
    }
    let mut accepted = vec![Vec::new(); keys.len()];
    let mut dice = Dice(77);
    for round in 0..60_u64 {
        let rounds = Mutex::new(Vec::new());
        // Edits between requests that are under way: one thread edits while others ask.
        let asking = |thread: u64, world: &World| {
            let mut dice = Dice(round * 31 + thread + 1);
            let mut mine = Vec::new();
            for _ in 0..120 {
                let now = world.now();
                let key = usize::try_from(dice.below(KEYS as u64)).unwrap();
                let cost = u32::try_from(1 + dice.below(3)).unwrap();
                if world.ask(key, cost, now).is_ok() {
                    mine.push((key, now.steady.0, cost));
                }
                if thread == 0 {
                    world.clock.fetch_add(dice.below(SECOND / 1_000), Ordering::SeqCst);
                }
            }
            rounds.lock().unwrap().extend(mine);
        };
        thread::scope(|scope| {
            let shared = &world;
            for thread in 0..THREADS {
                let asking = &asking;
                scope.spawn(move || asking(thread, shared));
            }
            // Keys and owners are edited under way; a tier, whose list only its editor holds, is
            // edited between the rounds.
            let mut dice = Dice(round + 5);
            for _ in 0..20 {
                let key = usize::try_from(dice.below(KEYS as u64)).unwrap();
                let limits = Limits::new(vec![limit("q", 900, 1, 60), WATCHED()]).unwrap();
                keys[key].own = (dice.below(2) == 0).then_some(limits);
                shared.put_key(key, &keys[key]);
                let other = [WATCHED_OF_OWNER(), limit("z", 900, 1, 90)];
                let other = &other[..usize::try_from(1 + dice.below(2)).unwrap()];
                shared.put_owner(0, &Limits::new(other.to_vec()).unwrap());
            }
        });
        for (key, at, cost) in rounds.into_inner().unwrap() {
            accepted[key].push((at, cost));
        }
        edited(&mut world, &mut dice, &mut keys);
    }
    assert!(accepted.iter().all(|of_key| 100 < of_key.len()), "each key was allowed");
    check_spans(accepted[..OWNED].concat(), WATCHED_OF_OWNER());
    for of_key in accepted {
        check_spans(of_key, WATCHED());
    }
}
