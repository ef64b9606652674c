//! A known number of verdicts, for counting the instructions that one takes.
//!
//! Arguments: `sha256`, `allowed`, `two_limits`, `three_limits`, `owner_limit`, `restricted`,
//! `scoped`, `limited`, `revoked` or `unknown`, and how often. Keys that are `restricted` have
//! every kind of restriction, none of which rejects a request; requests of `scoped` keys also
//! require a scope. Run under a tool that counts, with two numbers: the difference holds neither
//! start nor warm-up.

use std::env;
use std::hint::black_box;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyward::digest::Digest;
use keyward::index::{Entry, Index};
use keyward::key::Presented;
use keyward::limit::{Limit, Limits};
use keyward::network::Networks;
use keyward::owner::OwnerState;
use keyward::record::{KeyState, Scopes};
use keyward::stored::Key;
use keyward::tier::Tier;
use keyward::time::SteadyNanos;
use keyward::usage::Usage;
use keyward::{Asked, KeyId, Now, UnixMillis, verify};
use sha2::{Digest as _, Sha256};

const KEYS: u64 = 1_000;

fn main() {
    // Without a number, as in `cargo bench`, it only shows that it runs.
    let args: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let what = args.first().map_or("allowed", String::as_str);
    let times = args.get(1).map_or(1, |times| times.parse().expect("a number of requests"));
    let (texts, index) = keys(what);
    let usage = Usage::default();
    let scope = black_box((what == "scoped").then_some("articles:read"));
    let from = black_box(Some(IpAddr::from([192, 0, 2, 7])));
    for (n, text) in (0..times).zip(texts.iter().cycle()) {
        if what == "sha256" {
            black_box(Sha256::digest(black_box(text)));
            continue;
        }
        // As much time passes as between two requests of a busy server.
        let now = Now::new(UnixMillis(1_700_000_000_000), SteadyNanos(0));
        let now = now.later_by(Duration::from_nanos(n * 1_000));
        let asked = Asked { scopes: scope.as_slice(), from, ..Asked::of(black_box(text)) };
        drop(black_box(verify(&index, &usage, &asked, now)));
    }
}

/// A thousand keys whose requests all get the verdict named by `what`.
fn keys(what: &str) -> (Vec<String>, Index) {
    let amount = if what == "limited" { 1 } else { 1_000_000_000 };
    let amount = NonZeroU32::new(amount).expect("neither is zero");
    let per = Duration::from_secs(if what == "limited" { 1_000_000 } else { 1 });
    let limit = |name| Limit::new(name, amount, per, amount).expect("it is in bounds");
    let count = match what {
        "two_limits" => 2,
        "three_limits" => 3,
        _ => 1,
    };
    let list = ["requests", "day", "month"].map(limit).into_iter().take(count).collect();
    let limits = Limits::new(list).expect("three are not too many");
    let tier = Tier::new("basic".parse().expect("it is a name"), limits.clone());
    let tier = Arc::new(tier);
    let index = Index::default();
    let texts: Vec<_> = (0..KEYS).map(|number| format!("kw_{number:049}")).collect();
    for (number, text) in (1..).zip(&texts) {
        let id = KeyId::new(number).expect("it is not zero");
        let name = format!("key-{number:07}").parse().expect("it is short");
        let state = match what {
            "revoked" => KeyState::Revoked { at: UnixMillis(1) },
            _ => KeyState::Active,
        };
        let digest = Digest::of(Presented::parse(text).expect("it has 52 characters"));
        let plain = Key::plain(id, name, tier.name().clone(), digest);
        let key = match what {
            "restricted" | "scoped" => restricted(plain, &limits),
            _ => Key { state, ..plain },
        };
        if what != "unknown" {
            let owner = (what == "owner_limit").then(|| owner(&index, &limits));
            assert!(index.insert(Entry::of_owner(&key, Arc::clone(&tier), owner)));
        }
    }
    (texts, index)
}

/// An owner with the same limit as the tier.
fn owner(index: &Index, limits: &Limits) -> triomphe::Arc<OwnerState> {
    let name = "org_1".parse().expect("it is an owner");
    let clock = || Now::new(UnixMillis(1_700_000_000_000), SteadyNanos(0));
    index.set_owner_limits(&name, limits, &clock);
    index.owner(&name, false)
}

/// The key with everything that it can have, the limits being its own.
fn restricted(key: Key, limits: &Limits) -> Key {
    let scopes = ["keys:read", "articles:read"].map(|scope| scope.parse().expect("it is a scope"));
    let networks =
        ["10.0.0.0/8", "192.0.2.0/24"].map(|network| network.parse().expect("it is one"));
    Key {
        owner: Some("org_1".parse().expect("it is an owner")),
        scopes: Scopes::new(scopes.into()).expect("two are not too many"),
        networks: Networks::new(networks.into()).expect("two are not too many"),
        limits: Some(limits.clone()),
        expires_at: Some(UnixMillis(1_800_000_000_000)),
        ..key
    }
}
