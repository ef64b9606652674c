//! A verdict takes no memory, whichever it is.

#[cfg(feature = "testing")]
mod former;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyward::digest::Digest;
use keyward::index::{Entry, Index};
use keyward::key::Presented;
use keyward::limit::{Limit, Limits};
use keyward::network::Networks;
use keyward::record::{KeyState, Scopes};
use keyward::stored::Key;
use keyward::tier::Tier;
use keyward::time::SteadyNanos;
use keyward::usage::Usage;
use keyward::{Asked, KeyId, Now, UnixMillis, Verdict, verify};

const NOW: Now = Now::new(UnixMillis(5_000), SteadyNanos(7));
const WARM_UP: u32 = 3;
const MEASURED: u32 = 100;

struct Keys {
    index: Index,
    usage: Usage,
}

impl Keys {
    /// Four keys in different states, with the longest of names and every kind of restriction.
    fn new(limits: Vec<Limit>) -> Self {
        let limits = Limits::new(limits).unwrap();
        let tier = Arc::new(Tier::new("a-name-of-24-characters-".parse().unwrap(), limits.clone()));
        let index = Index::default();
        let add = |text: &str, state, expires_at| {
            let id = KeyId::new(index.len() as u64 + 1).unwrap();
            let digest = Digest::of(Presented::parse(text).unwrap());
            let (name, tier_name) = ("n".repeat(100).parse().unwrap(), tier.name().clone());
            let key = Key {
                owner: Some("o".repeat(100).parse().unwrap()),
                scopes: Scopes::new(vec!["articles:read".parse().unwrap()]).unwrap(),
                networks: Networks::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap(),
                limits: Some(limits.clone()),
                state,
                expires_at,
                ..Key::plain(id, name, tier_name, digest)
            };
            assert!(index.insert(Entry::new(&key, Arc::clone(&tier))));
        };
        add("kw_active", KeyState::Active, Some(UnixMillis(u64::MAX / 4)));
        add("kw_suspended", KeyState::Suspended, None);
        add("kw_revoked", KeyState::Revoked { at: UnixMillis(1) }, None);
        add("kw_expired", KeyState::Active, Some(UnixMillis(1)));
        Self { index, usage: Usage::default() }
    }

    fn check(&self, text: &str, scope: &str, expected: impl Fn(&Verdict) -> bool) {
        let scopes = [scope];
        let asked = asked(text, &scopes, "192.0.2.7");
        check(|| verify(&self.index, &self.usage, &asked, NOW), expected);
    }
}

fn asked<'a>(text: &'a str, scopes: &'a [&'a str], from: &str) -> Asked<'a> {
    let from = Some(from.parse().unwrap());
    Asked { scopes, from, ..Asked::of(text) }
}

/// Checks that requests take no memory and that every verdict is as `expected` says.
#[track_caller]
fn check(verdict: impl Fn() -> Verdict, expected: impl Fn(&Verdict) -> bool) {
    let mut as_expected = 0;
    let mut request = || as_expected += u32::from(expected(&verdict()));
    // A thread takes some memory once, for its own data.
    (0..WARM_UP).for_each(|_| request());
    let measured = allocation_counter::measure(|| (0..MEASURED).for_each(|_| request()));
    assert_eq!(as_expected, WARM_UP + MEASURED);
    assert_eq!(measured.count_total, 0, "allocations of {MEASURED} requests");
}

/// Whether it is denied for this reason.
fn is(verdict: &Verdict, denied: &str) -> bool {
    verdict.as_ref().is_err_and(|reason| reason.as_str() == denied)
}

fn one_in_a_day() -> Limit {
    limit(NonZeroU32::MIN)
}

fn limit(amount: NonZeroU32) -> Limit {
    let day = Duration::from_secs(24 * 60 * 60);
    Limit::new("a-name-of-24-characters-", amount, day, amount).unwrap()
}

#[test]
fn the_counter_counts() {
    let measured = allocation_counter::measure(|| drop(Box::new(1)));
    assert_eq!(measured.count_total, 1);
}

#[test]
fn an_allowed_request_allocates_nothing() {
    let thousand = limit(NonZeroU32::new(1_000).unwrap());
    Keys::new(vec![thousand]).check("kw_active", "articles:read", Result::is_ok);
    Keys::new(vec![]).check("kw_active", "articles:read", Result::is_ok);
}

#[test]
fn a_limited_request_allocates_nothing() {
    let keys = Keys::new(vec![one_in_a_day()]);
    let once = asked("kw_active", &["articles:read"], "192.0.2.7");
    assert!(verify(&keys.index, &keys.usage, &once, NOW).is_ok());
    keys.check("kw_active", "articles:read", |verdict| is(verdict, "limited"));
}

#[test]
fn no_other_refusal_allocates_either() {
    let keys = Keys::new(vec![one_in_a_day()]);
    let check_denied = |text: &str, scope, denied: &str| {
        keys.check(text, scope, |verdict| is(verdict, denied));
    };
    check_denied("kw_active", "articles:write", "out_of_scope");
    check_denied("kw_suspended", "articles:read", "suspended");
    check_denied("kw_revoked", "articles:read", "revoked");
    check_denied("kw_expired", "articles:read", "expired");
    check_denied("kw_nobodys", "articles:read", "unknown");
    check_denied("ключ", "articles:read", "unknown");
    check_denied(&"\u{0}".repeat(512), "articles:read", "unknown");
    check_denied(&"x".repeat(100_000), "articles:read", "unknown");
    let in_doubt = NOW.or_as_late_as(UnixMillis(u64::MAX / 2));
    let once = asked("kw_active", &["articles:read"], "192.0.2.7");
    let verdict = || verify(&keys.index, &keys.usage, &once, in_doubt);
    check(verdict, |verdict| is(verdict, "clock_in_doubt"));
    let foreign = asked("kw_active", &["articles:read"], "198.51.100.1");
    let verdict = || verify(&keys.index, &keys.usage, &foreign, NOW);
    check(verdict, |verdict| is(verdict, "out_of_network"));
}
