//! Tests of what waits for a flush.

use super::*;
use crate::limit::Limits;
use crate::stored::Key;
use crate::tier::Tier;
use crate::time::{Now, SteadyNanos};

/// Multiplied so that the keys spread over the shards as digests do.
fn digest_of(id: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Digest::from_stored(bytes)
}

fn key(id: KeyId, name: &str, digest: Digest) -> Key {
    Key::plain(id, name.parse().unwrap(), "basic".parse().unwrap(), digest)
}

fn filled(keys: u64) -> (Index, Vec<Digest>) {
    let limits = Limits::new(Vec::new()).unwrap();
    let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
    let index = Index::default();
    let mut digests = Vec::new();
    for id in 1..=keys {
        let digest = digest_of(id);
        let key = key(KeyId::new(id).unwrap(), "a", digest);
        index.insert(Entry::new(&key, std::sync::Arc::clone(&tier)));
        digests.push(digest);
    }
    (index, digests)
}

fn count(usage: &Usage, index: &Index, digest: &Digest, outcome: Outcome, at: u64) {
    index.ask(digest, |entry| usage.count(entry, outcome, UnixMillis(at))).unwrap();
}

fn collect_all(usage: &Usage, index: &Index) -> Vec<UsageRow> {
    let mut collector = Collector::default();
    let mut all = Vec::new();
    loop {
        let rows = collector.take(usage, index, UnixMillis(2));
        if rows.is_empty() {
            return all;
        }
        all.extend(rows);
    }
}

#[test]
fn what_is_taken_is_taken_once() {
    let (index, digests) = filled(1);
    let usage = Usage::default();
    for _ in 0..3 {
        count(&usage, &index, &digests[0], Outcome::Allowed, 1);
    }
    let rows = collect_all(&usage, &index);
    let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
    assert_eq!(row.counts[Outcome::Allowed], 3);
    assert_eq!(row.last_used_at, Some(UnixMillis(1)));
    assert!(collect_all(&usage, &index).is_empty());
}

#[test]
fn totals_have_each_request_once_and_never_decrease() {
    let (index, digests) = filled(2);
    let usage = Usage::default();
    let mut before = usage.totals();
    for round in 1..4 {
        for (digest, outcome) in digests.iter().cycle().zip(Outcome::ALL) {
            count(&usage, &index, digest, outcome, round);
        }
        assert_eq!(usage.totals(), before, "it is without counts not taken yet");
        collect_all(&usage, &index);
        let after = usage.totals();
        for outcome in Outcome::ALL {
            assert_eq!(after[outcome], before[outcome] + 1, "{outcome:?}");
        }
        before = after;
    }
}

#[test]
fn more_keys_than_the_queue_holds_lose_nothing() {
    let keys = QUEUE_LEN as u64 + 5_000;
    let (index, digests) = filled(keys);
    let usage = Usage::default();
    for digest in &digests {
        count(&usage, &index, digest, Outcome::Limited, 1);
    }
    let rows = collect_all(&usage, &index);
    assert_eq!(rows.iter().map(|row| row.counts[Outcome::Limited]).sum::<u64>(), keys);
    let ids: HashSet<_> = rows.iter().map(|row| row.key_id).collect();
    assert_eq!(ids.len() as u64, keys);
}

/// Changes the keys.
fn replace(index: &Index, digests: &[Digest]) {
    for (id, digest) in (1..).zip(digests) {
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = Tier::new("basic".parse().unwrap(), limits);
        let key = key(KeyId::new(id).unwrap(), "b", *digest);
        let after = Entry::new(&key, std::sync::Arc::new(tier));
        index.replace(after, &|| Now::new(UnixMillis(0), SteadyNanos(0)));
    }
}

#[test]
fn what_was_counted_before_a_key_was_changed_is_taken_once() {
    let (index, digests) = filled(3);
    let usage = Usage::default();
    for round in 1..4 {
        for digest in &digests {
            count(&usage, &index, digest, Outcome::Allowed, round);
        }
        replace(&index, &digests);
        replace(&index, &digests);
        let rows = collect_all(&usage, &index);
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.counts[Outcome::Allowed] == 1));
        assert!(rows.iter().all(|row| row.last_used_at == Some(UnixMillis(round))));
    }
}

#[test]
fn nor_is_it_lost_when_the_queue_is_full() {
    let keys = QUEUE_LEN as u64 + 5_000;
    let (index, digests) = filled(keys);
    let usage = Usage::default();
    for digest in &digests {
        count(&usage, &index, digest, Outcome::Limited, 1);
    }
    replace(&index, &digests);
    assert!(usage.overflowed.load(Ordering::Relaxed));
    let rows = collect_all(&usage, &index);
    let limited = rows.iter().map(|row| row.counts[Outcome::Limited]);
    assert_eq!(limited.sum::<u64>(), keys);
}

#[test]
fn a_batch_is_bounded() {
    let (index, digests) = filled(3 * BATCH_ROWS_MAX as u64);
    let usage = Usage::default();
    for digest in &digests {
        count(&usage, &index, digest, Outcome::Allowed, 1);
    }
    let rows = Collector::default().take(&usage, &index, UnixMillis(2));
    assert_eq!(rows.len(), BATCH_ROWS_MAX);
}

#[test]
fn more_denials_than_a_counter_holds_are_all_there() {
    let (index, digests) = filled(1);
    let usage = Usage::default();
    for _ in 0..3 * COUNTER_FULL + 7 {
        count(&usage, &index, &digests[0], Outcome::Revoked, 1);
    }
    let rows = collect_all(&usage, &index);
    let revoked = rows.iter().map(|row| row.counts[Outcome::Revoked]);
    assert_eq!(revoked.sum::<u64>(), 3 * COUNTER_FULL + 7);
    assert_eq!(usage.totals()[Outcome::Revoked], 3 * COUNTER_FULL + 7);
}

#[test]
fn what_leaves_the_index_is_taken_once() {
    let (index, digests) = filled(1);
    let usage = Usage::default();
    count(&usage, &index, &digests[0], Outcome::Allowed, 1);
    let passed = index.put_former(digests[0], digest_of(2), UnixMillis(1)).unwrap();
    usage.keep(passed);
    assert_eq!(collect_all(&usage, &index).len(), 1);
    assert!(collect_all(&usage, &index).is_empty());
}

/// A flush finds a key by a secret that it no longer has.
#[test]
fn what_was_counted_before_a_rotation_is_taken_once() {
    let (index, digests) = filled(1);
    let usage = Usage::default();
    for (round, next) in (2..5).enumerate() {
        let (before, after) = (digest_of(next - 1), digest_of(next));
        count(&usage, &index, &digests[0], Outcome::Allowed, 1);
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
        let entry = Entry::new(&key(KeyId::new(1).unwrap(), "a", after), tier);
        let clock = || Now::new(UnixMillis(0), SteadyNanos(0));
        index.rotate(entry, before, UnixMillis(9), &clock);
        count(&usage, &index, &after, Outcome::Allowed, 1);
        let rows = collect_all(&usage, &index);
        assert_eq!(rows.len(), 1, "{round}");
        assert_eq!((rows[0].key_id.get(), rows[0].counts[Outcome::Allowed]), (1, 2));
    }
}

#[test]
fn tiers_have_what_their_keys_were_allowed_and_limited() {
    let (index, digests) = filled(2);
    let usage = Usage::default();
    for outcome in [Outcome::Allowed, Outcome::Allowed, Outcome::Limited, Outcome::Revoked] {
        count(&usage, &index, &digests[0], outcome, 1);
    }
    for _ in 0..COUNTER_FULL {
        count(&usage, &index, &digests[1], Outcome::Limited, 1);
    }
    assert!(2 <= usage.pending());
    assert_eq!(usage.tier_totals(), TierTotals::default());
    collect_all(&usage, &index);
    let counts = TierCounts { allowed: 2, limited: 1 + COUNTER_FULL };
    let named = vec![("basic".parse().unwrap(), counts)];
    let expected = TierTotals { named, ..TierTotals::default() };
    assert_eq!((usage.pending(), usage.tier_totals()), (0, expected));
}
