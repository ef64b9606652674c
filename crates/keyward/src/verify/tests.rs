//! Tests of the decision: each reason for denial, which of them comes first, and the counts.

mod lease;
mod limits;
mod networks;
mod purpose;
mod shown;

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::count::{Counts, Outcome};
use crate::limit::{Limit, Limits, Standing};
use crate::network::Networks;
use crate::record::{KeyId, KeyState, Scopes};
use crate::stored::Key;
use crate::tier::Tier;
use crate::time::{SteadyNanos, UnixMillis};
use crate::usage::Collector;

const TEXT: &str = "kw_presented-by-a-caller";
const READ: Option<&str> = Some("articles:read");
const NOW: Now = Now::new(UnixMillis(1_000_000), SteadyNanos(7));

/// A key that may read articles, twice in a minute.
struct OneKey {
    index: Index,
    usage: Usage,
}

impl OneKey {
    fn new() -> Self {
        Self::changed(|_| {})
    }

    fn changed(change: impl FnOnce(&mut Key)) -> Self {
        let digest = Digest::of(Presented::parse(TEXT).unwrap());
        let (id, name) = (KeyId::new(7).unwrap(), "Reader".parse().unwrap());
        let mut key = Key::plain(id, name, "basic".parse().unwrap(), digest);
        key.scopes = Scopes::new(vec!["articles:read".parse().unwrap()]).unwrap();
        change(&mut key);
        let two = NonZeroU32::new(2).unwrap();
        let limit = Limit::new("requests", two, Duration::from_secs(60), two).unwrap();
        let limits = Limits::new(vec![limit]).unwrap();
        let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
        let index = Index::default();
        index.insert(Entry::new(&key, tier));
        Self { index, usage: Usage::default() }
    }

    fn verify(&self, scope: Option<&str>, now: Now) -> Verdict {
        verify(
            &self.index,
            &self.usage,
            &Asked { scopes: scope.as_slice(), ..Asked::of(TEXT) },
            now,
        )
    }

    /// The verdict on a request from this address.
    fn from(&self, address: &str) -> Result<Caller, &'static str> {
        let from = Some(address.parse().unwrap());
        let verdict = verify(&self.index, &self.usage, &Asked { from, ..Asked::of(TEXT) }, NOW);
        verdict.map_err(|denied| denied.as_str())
    }

    /// The word of the denial.
    fn denied(&self, scope: Option<&str>, now: Now) -> &'static str {
        self.verify(scope, now).unwrap_err().as_str()
    }

    /// The word of the denial.
    fn present(&self, text: &str) -> &'static str {
        verify(&self.index, &self.usage, &Asked::of(text), NOW).unwrap_err().as_str()
    }

    /// The verdict about a request of this cost.
    fn ask(&self, cost: u32) -> Verdict {
        let cost = Cost::new(cost).unwrap();
        verify(&self.index, &self.usage, &Asked { cost, ..Asked::of(TEXT) }, NOW)
    }

    fn remaining(&self) -> u32 {
        self.verify(None, NOW).unwrap().standing().unwrap().remaining
    }

    /// Everything that was counted for the key, all hours together.
    fn counted(&self) -> Counts {
        let rows = Collector::default().take(&self.usage, &self.index, NOW.unix);
        assert!(rows.len() <= 1, "one hour is one row");
        rows.first().map(|row| row.counts).unwrap_or_default()
    }
}

fn suspended(key: &mut Key) {
    key.state = KeyState::Suspended;
}

fn revoked(key: &mut Key) {
    key.state = KeyState::Revoked { at: UnixMillis(1) };
}

fn expired(key: &mut Key) {
    key.expires_at = Some(NOW.unix);
}

/// Restricted to two networks.
fn at_home(key: &mut Key) {
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap());
    key.networks = Networks::new(networks.into()).unwrap();
}

#[test]
fn a_caller_is_told_who_it_is_and_how_it_stands() {
    let caller = OneKey::new().verify(READ, NOW).unwrap();
    assert_eq!(caller.key_id().get(), 7);
    assert_eq!((caller.name(), caller.tier()), ("Reader", "basic"));
    assert_eq!(caller.scopes().collect::<Vec<_>>(), ["articles:read"]);
    assert!(caller.grants("articles:read") && !caller.grants("articles:write"));
    assert_eq!(caller.standing().unwrap().remaining, 1);
}

#[test]
fn a_text_that_was_never_issued_is_unknown() {
    let key = OneKey::new();
    let near_misses = [&TEXT[..TEXT.len() - 1], &TEXT.to_uppercase(), &format!("{TEXT}.")];
    for text in near_misses {
        assert_eq!(key.present(text), "unknown", "{text}");
    }
}

#[test]
fn a_text_that_cannot_be_a_key_is_unknown() {
    let key = OneKey::new();
    let padded = [format!(" {TEXT}"), format!("{TEXT}\n"), format!("{TEXT}\0")];
    let others = ["".to_owned(), "short".to_owned(), "ключ-ключ".to_owned(), "x".repeat(513)];
    for text in padded.iter().chain(&others) {
        assert_eq!(key.present(text), "unknown", "{text:?}");
    }
    assert_eq!(key.usage.unknown(), 7);
    assert_eq!(key.counted(), Counts::default());
}

/// An attacker who read the store presents its contents.
#[test]
fn a_leaked_digest_opens_nothing() {
    let key = OneKey::new();
    let digest = Digest::of(Presented::parse(TEXT).unwrap());
    let in_base = |alphabet: &[u8], bits: usize| -> String {
        let bit = |at: usize| digest.as_bytes().get(at / 8).map_or(0, |b| b >> (7 - at % 8) & 1);
        let value = |from| (from..from + bits).fold(0, |sum, at| sum << 1 | bit(at));
        let digits = (0..256).step_by(bits).map(|from| alphabet[usize::from(value(from))]);
        digits.map(char::from).collect()
    };
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let base64 = in_base(format!("{letters}+/").as_bytes(), 6);
    let base64_url = in_base(format!("{letters}-_").as_bytes(), 6);
    let hex = in_base(b"0123456789abcdef", 4);
    assert_eq!((hex.len(), base64.len()), (64, 43));
    for leaked in [&hex.to_uppercase(), &hex, &base64, &format!("{base64}="), &base64_url] {
        assert_eq!(key.present(leaked), "unknown", "{leaked}");
        assert_eq!(key.present(&format!("kw_{leaked}")), "unknown", "{leaked}");
    }
}

#[test]
fn a_suspended_key_is_refused() {
    assert_eq!(OneKey::changed(suspended).denied(None, NOW), "suspended");
}

#[test]
fn a_revoked_key_is_refused() {
    assert_eq!(OneKey::changed(revoked).denied(None, NOW), "revoked");
}

#[test]
fn a_key_works_until_the_millisecond_in_which_it_expires() {
    let key = OneKey::changed(|record| record.expires_at = Some(UnixMillis(2_000_000)));
    let at = |unix| Now::new(UnixMillis(unix), NOW.steady);
    assert!(key.verify(None, at(1_999_999)).is_ok());
    assert_eq!(key.denied(None, at(2_000_000)), "expired");
    assert_eq!(key.denied(None, at(u64::MAX)), "expired");
}

#[test]
fn a_key_without_the_scope_is_refused() {
    let key = OneKey::new();
    assert_eq!(key.denied(Some("articles:write"), NOW), "out_of_scope");
    assert_eq!(key.denied(Some(""), NOW), "out_of_scope");
    assert!(key.verify(READ, NOW).is_ok());
}

#[test]
fn no_scopes_grant_nothing_where_one_is_asked_for() {
    let key = OneKey::changed(|record| record.scopes = Scopes::default());
    assert_eq!(key.denied(READ, NOW), "out_of_scope");
    assert_eq!(key.denied(Some("*"), NOW), "out_of_scope");
    assert!(key.verify(None, NOW).is_ok());
}

#[test]
fn a_limited_caller_is_told_how_long_to_wait() {
    let key = OneKey::new();
    assert!(key.verify(None, NOW).is_ok() && key.verify(None, NOW).is_ok());
    let denied = key.verify(None, NOW).unwrap_err();
    let Denied::Limited(_, exceeded) = &denied else { panic!("{denied:?}") };
    assert_eq!(exceeded.standing().unwrap().remaining, 0);
    let wait = denied.retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(30));
    assert!(key.verify(None, NOW.later_by(wait - Duration::from_nanos(1))).is_err());
    assert!(key.verify(None, NOW.later_by(wait)).is_ok());
}

/// Each way in which a request is denied, at [`NOW`] and with an empty bucket.
fn denials() -> Vec<Denied> {
    let of = |change: fn(&mut Key), scope, now| OneKey::changed(change).verify(scope, now);
    let plain = |_: &mut Key| {};
    let empty = OneKey::new();
    while empty.verify(None, NOW).is_ok() {}
    let ends = |key: &mut Key| key.expires_at = Some(UnixMillis(2_000_000));
    let in_doubt = NOW.or_as_late_as(UnixMillis(2_000_000));
    let replaced = OneKey::new();
    let digest = |text| Digest::of(Presented::parse(text).unwrap());
    let former = digest("kw_the-secret-that-it-had-before");
    assert!(replaced.index.put_former(former, digest(TEXT), NOW.unix).is_none());
    let before = Asked::of("kw_the-secret-that-it-had-before");
    vec![
        of(suspended, None, NOW).unwrap_err(),
        of(revoked, None, NOW).unwrap_err(),
        of(expired, None, NOW).unwrap_err(),
        verify(&replaced.index, &replaced.usage, &before, NOW).unwrap_err(),
        of(ends, None, in_doubt).unwrap_err(),
        of(at_home, None, NOW).unwrap_err(),
        of(plain, Some("articles:write"), NOW).unwrap_err(),
        empty.verify(None, NOW).unwrap_err(),
        empty.ask(3).unwrap_err(),
    ]
}

#[test]
fn only_a_limit_is_a_matter_of_waiting() {
    for denied in denials() {
        assert_eq!(denied.retry_after().is_some(), denied.as_str() == "limited", "{denied:?}");
    }
    assert_eq!(Denied::Unknown.retry_after(), None);
}

#[test]
fn a_denial_names_the_key_and_to_whom_it_belongs() {
    let key = |denied: &Denied| {
        let key = denied.key().unwrap();
        (key.key_id().get(), key.tier().to_owned(), key.owner().map(str::to_owned))
    };
    for denied in denials() {
        assert_eq!(key(&denied), (7, "basic".to_owned(), None), "{denied:?}");
    }
    let acme = |key: &mut Key| {
        suspended(key);
        key.owner = Some("acme".parse().unwrap());
    };
    let denied = OneKey::changed(acme).verify(None, NOW).unwrap_err();
    assert_eq!(key(&denied), (7, "basic".to_owned(), Some("acme".to_owned())));
    assert_eq!(Denied::Unknown.key(), None);
}

#[test]
fn denials_are_equal_for_the_same_reason_and_key() {
    let [one, other] = [denials(), denials()];
    assert_eq!(one, other);
    assert_ne!(one[0], one[1]);
    let another = OneKey::changed(|record| {
        suspended(record);
        record.id = KeyId::new(8).unwrap();
    });
    assert_ne!(one[0], another.verify(None, NOW).unwrap_err());
}

#[test]
fn a_request_that_costs_too_much_is_counted_as_limited_and_takes_nothing() {
    let key = OneKey::new();
    let denied = key.ask(3).unwrap_err();
    assert_eq!((denied.as_str(), denied.outcome()), ("too_costly", Some(Outcome::Limited)));
    assert_eq!(key.ask(0).unwrap().standing().unwrap().remaining, 2);
    assert_eq!(key.ask(2).unwrap().standing().unwrap().remaining, 0);
    assert_eq!(key.ask(0).unwrap_err().as_str(), "limited");
    let counts = [(Outcome::Allowed, 2), (Outcome::Limited, 2)];
    assert_eq!(key.counted(), Counts::from(counts), "requests are counted, at any cost");
}

/// Counting first and checking afterwards would let other callers use up a caller's limit.
#[test]
fn a_denied_request_consumes_nothing_of_the_limit() {
    let key = OneKey::new();
    for _ in 0..100 {
        assert_eq!(key.denied(Some("articles:write"), NOW), "out_of_scope");
        assert_eq!(key.present("kw_somebody-elses"), "unknown");
    }
    assert_eq!(key.remaining(), 1);
}

#[test]
fn the_scope_is_checked_before_the_limit() {
    let key = OneKey::new();
    while key.verify(None, NOW).is_ok() {}
    assert_eq!(key.denied(Some("articles:write"), NOW), "out_of_scope");
}

#[test]
fn the_state_is_checked_before_the_scope() {
    let asked = Some("articles:write");
    assert_eq!(OneKey::changed(suspended).denied(asked, NOW), "suspended");
    assert_eq!(OneKey::changed(revoked).denied(asked, NOW), "revoked");
    assert_eq!(OneKey::changed(expired).denied(asked, NOW), "expired");
}

#[test]
fn each_request_is_counted_once_under_its_outcome() {
    let after_three = |key: OneKey, scope| {
        for _ in 0..3 {
            drop(key.verify(scope, NOW));
        }
        key.counted()
    };
    let allowed_and_limited = Counts::from([(Outcome::Allowed, 2), (Outcome::Limited, 1)]);
    assert_eq!(after_three(OneKey::new(), READ), allowed_and_limited);
    let out_of_scope = Counts::from([(Outcome::OutOfScope, 3)]);
    assert_eq!(after_three(OneKey::new(), Some("articles:write")), out_of_scope);
    let counts = Counts::from([(Outcome::Suspended, 3)]);
    assert_eq!(after_three(OneKey::changed(suspended), READ), counts);
    let counts = Counts::from([(Outcome::Revoked, 3)]);
    assert_eq!(after_three(OneKey::changed(revoked), READ), counts);
    let counts = Counts::from([(Outcome::Expired, 3)]);
    assert_eq!(after_three(OneKey::changed(expired), READ), counts);
}

/// Elsewhere, expiry was looked at before the secret, and so revealed which keys exist.
#[test]
fn without_the_secret_a_dead_key_looks_like_one_that_never_was() {
    for change in [suspended, revoked, expired, at_home] {
        let key = OneKey::changed(change);
        for text in [&TEXT[..TEXT.len() - 1], &format!("{TEXT}."), &TEXT.to_uppercase()] {
            assert_eq!(key.present(text), "unknown");
        }
        assert_eq!(key.counted(), Counts::default());
    }
}

#[test]
fn a_caller_without_a_restriction_is_told_so() {
    let key = OneKey::changed(|record| record.scopes = Scopes::default());
    let caller = key.verify(None, NOW).unwrap();
    assert_eq!((caller.owner(), caller.expires_at()), (None, None));
    assert_eq!((caller.scopes().count(), key.counted()[Outcome::Allowed]), (0, 1));
}

#[test]
fn a_denial_never_repeats_the_text() {
    let key = OneKey::new();
    while key.verify(None, NOW).is_ok() {}
    let strange = verify(&key.index, &key.usage, &Asked::of("kw_somebody-elses"), NOW);
    for denied in [key.verify(None, NOW).unwrap_err(), strange.unwrap_err()] {
        let shown = format!("{denied} {denied:?}");
        assert!(!shown.contains(TEXT) && !shown.contains("somebody"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_and_counted_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        scope in prop::option::of(any::<String>()),
    ) {
        let key = OneKey::new();
        let text = String::from_utf8_lossy(&bytes);
        let scopes: Vec<&str> = scope.iter().map(String::as_str).collect();
        let asked = Asked { scopes: &scopes, ..Asked::of(&text) };
        let verdict = verify(&key.index, &key.usage, &asked, NOW);
        prop_assert_eq!(verdict.unwrap_err(), Denied::Unknown);
        prop_assert_eq!(key.usage.unknown(), 1);
    }
}
