//! The cost of a verdict in time and of a key in memory; prints lines of `name value unit`.
//!
//! `cargo bench -p keyward --bench decision [-- KEYS]`, where `KEYS` is the size of the large
//! index: ten million unless given. That takes about 2 GB of memory for each of three: one limit,
//! one limit and ten keys an owner, and three limits.
//!
//! Everything is measured in turns, in one run, and each figure is the median of its turns, so
//! that a machine that is busy for a while bends all figures alike.

#![expect(clippy::print_stdout, reason = "its lines are its result")]

use std::env;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use keyward::digest::Digest;
use keyward::index::{Entry, Index};
use keyward::key::Presented;
use keyward::limit::{Limit, Limits};
use keyward::record::KeyState;
use keyward::stored::Key;
use keyward::tier::Tier;
use keyward::time::SteadyNanos;
use keyward::usage::Usage;
use keyward::{Asked, Denied, KeyId, Now, UnixMillis, Verdict, verify};
use sha2::{Digest as _, Sha256};

/// Requests of one turn.
const REQUESTS: u64 = 1_000_000;
/// Turns that each measurement has. Odd, so that one of them is the median.
const TURNS: u64 = 9;
const SMALL: u64 = 1_000;
const LARGE: u64 = 10_000_000;
const TEXT_LEN: usize = 52;
/// The benchmarks compared with the hash of their text, each with the adjacent runs of that hash.
const SMALL_NAMES: [&str; 2] = ["verify_1000_keys", "sha256"];
const LARGE_NAMES: [[&str; 2]; 3] = [
    ["verify_large", "sha256_beside_large"],
    ["verify_large_with_owners", "sha256_beside_owners"],
    ["verify_large_with_three_limits", "sha256_beside_three_limits"],
];

fn main() {
    // Cargo passes `--bench`, too.
    let large_len = env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(LARGE);
    let mut samples = Samples::new();
    let small = Keys::new(SMALL, ONE_LIMIT);
    let small_of_three = Keys::new(SMALL, THREE_LIMITS);
    let large = measured("memory_per_key", large_len, ONE_LIMIT);
    let owned = measured("memory_per_key_with_owners", large_len, OWNERS);
    let of_three = measured("memory_per_key_with_three_limits", large_len, THREE_LIMITS);

    let mut turns = Turns::default();
    for _ in 0..TURNS {
        samples.fill(|n| n.wrapping_mul(7) % SMALL);
        turns.measure("sha256", &samples, |text, _| {
            black_box(Sha256::digest(text));
            true
        });
        turns.measure("verify_1000_keys", &samples, |text, now| small.verify(text, now).is_ok());
        turns.measure("verify_1000_keys_with_three_limits", &samples, |text, now| {
            small_of_three.verify(text, now).is_ok()
        });
        turns.measure("verify_unknown", &samples, |text, now| {
            // The first character alone makes it another text.
            matches!(small.verify(&text[1..], now), Err(Denied::Unknown))
        });
        turns.measure("verify_revoked", &samples, |_, now| {
            matches!(small.verify(REVOKED, now), Err(Denied::Revoked(_)))
        });
        let garbage = "x".repeat(512);
        turns.measure("verify_garbage_of_512_bytes", &samples, |_, now| {
            matches!(small.verify(&garbage, now), Err(Denied::Unknown))
        });
        turns.measure("read_both_clocks", &samples, |_, _| read_both_clocks());
    }
    // One index after the other, so that each finds only its own data in the processor's caches.
    for (keys, [name, sha256]) in [&large, &owned, &of_three].into_iter().zip(LARGE_NAMES) {
        for turn in 0..TURNS {
            // Other keys each time, far apart from each other, and each for its first time.
            samples.fill(|n| mixed(n * TURNS + turn) % keys.len);
            turns.measure(sha256, &samples, |text, _| {
                black_box(Sha256::digest(text));
                true
            });
            turns.measure(name, &samples, |text, now| keys.verify(text, now).is_ok());
        }
    }
    println!("keys_in_large {} keys", large.len);
    turns.print();
}

/// Texts to present, side by side in memory, so that reading them costs next to nothing.
struct Samples(Vec<[u8; TEXT_LEN]>);

impl Samples {
    fn new() -> Self {
        Self(vec![[b'0'; TEXT_LEN]; usize::try_from(REQUESTS).expect("a million fits")])
    }

    fn fill(&mut self, key_of: impl Fn(u64) -> u64) {
        for (n, text) in (0..).zip(&mut self.0) {
            *text = text_of(key_of(n));
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(as_str)
    }
}

fn as_str(text: &[u8; TEXT_LEN]) -> &str {
    str::from_utf8(text).expect("the digits are ASCII")
}

/// The text of the key with this number: `kw_` and digits that look random.
fn text_of(number: u64) -> [u8; TEXT_LEN] {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzab";
    let mut text = [b'0'; TEXT_LEN];
    let (prefix, body) = text.split_at_mut(3);
    prefix.copy_from_slice(b"kw_");
    for (part, digits) in (0..).zip(body.chunks_mut(10)) {
        let mut bits = mixed(number * 5 + part);
        for digit in digits {
            *digit = DIGITS.iter().copied().nth((bits % 64) as usize).expect("64 digits");
            bits /= 64;
        }
    }
    text
}

/// `SplitMix64`: a number that looks random, the same in every run.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const REVOKED: &str = "kw_0000000000000000000000000000000000000000000000000";

/// The parts that keys have.
#[derive(Clone, Copy)]
struct Shape {
    limits: usize,
    keys_per_owner: Option<u64>,
}

const ONE_LIMIT: Shape = Shape { limits: 1, keys_per_owner: None };
const THREE_LIMITS: Shape = Shape { limits: 3, keys_per_owner: None };
const OWNERS: Shape = Shape { limits: 1, keys_per_owner: Some(10) };

/// Keys under one tier, whose limits are never reached.
struct Keys {
    index: Index,
    usage: Usage,
    len: u64,
    shape: Shape,
}

/// Makes keys, and prints how much memory each takes.
fn measured(name: &str, len: u64, shape: Shape) -> Keys {
    let before = resident_bytes();
    let keys = Keys::new(len, shape);
    println!("{name} {} bytes", (resident_bytes() - before) / len);
    keys
}

impl Keys {
    fn new(len: u64, shape: Shape) -> Self {
        let tier = Arc::new(tier(shape.limits));
        let keys = Self { index: Index::default(), usage: Usage::default(), len, shape };
        for number in 0..len {
            keys.insert(as_str(&text_of(number)), number, KeyState::Active, &tier);
        }
        keys.insert(REVOKED, len, KeyState::Revoked { at: UnixMillis(1) }, &tier);
        keys
    }

    fn insert(&self, text: &str, number: u64, state: KeyState, tier: &Arc<Tier>) {
        let id = KeyId::new(number + 1).expect("it is not zero");
        let name = format!("key-{number:07}").parse().expect("it is short");
        let presented = Presented::parse(text).expect("it has 52 visible characters");
        let plain = Key::plain(id, name, tier.name().clone(), Digest::of(presented));
        let key = Key { state, ..plain };
        let owner = self.shape.keys_per_owner.map(|keys| {
            let name = format!("org-{:07}", number / keys).parse().expect("it is an owner");
            self.index.owner(&name, false)
        });
        let entry = Entry::of_owner(&key, Arc::clone(tier), owner);
        assert!(self.index.insert(entry));
    }

    fn verify(&self, text: &str, now: Now) -> Verdict {
        verify(&self.index, &self.usage, &Asked::of(text), now)
    }
}

fn tier(limits: usize) -> Tier {
    let amount = NonZeroU32::new(1_000_000_000).expect("it is not zero");
    let limit = |name| Limit::new(name, amount, Duration::from_secs(1), amount);
    let list = ["requests", "day", "month"].into_iter().take(limits).map(limit);
    let list = list.collect::<Result<_, _>>().expect("they are in bounds");
    let limits = Limits::new(list).expect("three are not too many");
    Tier::new("basic".parse().expect("it is a name"), limits)
}

/// Nanoseconds per request of every turn of every measurement, in the order of the first turn.
#[derive(Default)]
struct Turns(Vec<(&'static str, Vec<f64>)>);

impl Turns {
    /// One turn. Every request must have the outcome that the measurement is about.
    fn measure(
        &mut self,
        name: &'static str,
        samples: &Samples,
        mut request: impl FnMut(&str, Now) -> bool,
    ) {
        let start = Now::new(UnixMillis(1_700_000_000_000), SteadyNanos(0));
        let begun = instant();
        let mut as_meant = 0;
        for (n, text) in (0..).zip(samples.iter()) {
            let now = start.later_by(Duration::from_nanos(n * 200));
            as_meant += u64::from(black_box(request(black_box(text), now)));
        }
        let nanos = begun.elapsed().as_secs_f64() * 1e9 / REQUESTS as f64;
        assert_eq!(as_meant, REQUESTS, "{name}");
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, turns)) => turns.push(nanos),
            None => self.0.push((name, vec![nanos])),
        }
    }

    fn turns_of(&self, name: &str) -> &[f64] {
        self.0.iter().find(|(other, _)| *other == name).map_or(&[], |(_, turns)| turns)
    }

    fn print(&self) {
        for (name, turns) in &self.0 {
            println!("{name} {:.1} ns", median(turns.clone()));
        }
        for [name, sha256] in [SMALL_NAMES].into_iter().chain(LARGE_NAMES) {
            let pairs = self.turns_of(name).iter().zip(self.turns_of(sha256));
            let ratios = pairs.map(|(verify, sha256)| verify / sha256).collect();
            println!("{name}_to_sha256 {:.2} times", median(ratios));
        }
    }
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns.get(turns.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Memory of this process that is in RAM, everything included.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this bench needs Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("Linux reports it in kB") * 1_024
}

#[expect(clippy::disallowed_methods, reason = "a bench is the edge where time comes in")]
fn instant() -> Instant {
    Instant::now()
}

/// The work of a server once for each request, before it asks for a verdict.
#[expect(clippy::disallowed_methods, reason = "this measures reading the clocks")]
fn read_both_clocks() -> bool {
    let _ = black_box((SystemTime::now(), instant()));
    true
}
