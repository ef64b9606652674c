//! Promises about usage: every batch counts, and counts once.

use crate::UnixMillis;
use crate::count::{Counts, Outcome};
use crate::query::{Bucket, Hours, TopBy};
use crate::time::UnixHour;
use crate::usage::UsageRow;

use super::Store;
use super::sample::{audit, batch, details, edit, id, issue, usage, used, verbs};

const ALWAYS: Hours = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };

fn hours(from: u32, to: u32) -> Hours {
    Hours { from: UnixHour(from), to: UnixHour(to) }
}

/// The hours or days of a key and the requests allowed in each.
async fn allowed(
    store: &dyn Store,
    key: u64,
    hours: Hours,
    bucket: Bucket,
    max: u32,
) -> Vec<(u32, u64)> {
    let usage = store.usage(id(key), hours, bucket, max).await.unwrap();
    usage.iter().map(|(hour, counts)| (hour.0, counts[Outcome::Allowed])).collect()
}

pub async fn counts_add_up_and_each_outcome_is_kept_apart(store: &dyn Store) {
    let key = issue(store, 1).await;
    let counts = Counts::from([
        (Outcome::Allowed, 1),
        (Outcome::Limited, 2),
        (Outcome::OutOfScope, 3),
        (Outcome::OutOfNetwork, 4),
        (Outcome::Suspended, 5),
        (Outcome::Revoked, 6),
        (Outcome::Expired, 7),
        (Outcome::Introspected, 8),
    ]);
    let row = UsageRow { key_id: key, hour: UnixHour(5), counts, last_used_at: None };
    store.add_usage(batch(1, 1, vec![row])).await.unwrap();
    assert_eq!(usage(store, key, 0).await, [(UnixHour(5), counts)]);
    store.add_usage(batch(1, 2, vec![row, row])).await.unwrap();
    let mut sum = counts;
    sum.add(&counts);
    sum.add(&counts);
    assert_eq!(sum[Outcome::OutOfNetwork], 12);
    assert_eq!(usage(store, key, 0).await, [(UnixHour(5), sum)]);
    assert_eq!(store.usage_top(ALWAYS, TopBy::Requests, 10).await.unwrap().total, sum);
}

pub async fn a_batch_that_comes_again_counts_once(store: &dyn Store) {
    let key = issue(store, 1).await;
    for _ in 0..3 {
        store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    }
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(5, 1)]);
    store.add_usage(batch(1, 2, vec![used(key, 5)])).await.unwrap();
    store.add_usage(batch(1, 2, vec![used(key, 5)])).await.unwrap();
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(5, 2)]);
}

pub async fn writers_are_told_apart(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    store.add_usage(batch(2, 1, vec![used(key, 5)])).await.unwrap();
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(5, 2)]);
}

async fn add(store: &dyn Store, key: u64, hours: &[u32]) {
    let rows = hours.iter().map(|hour| used(id(key), *hour)).collect();
    let writer = u8::try_from(key).unwrap();
    store.add_usage(batch(writer, 1, rows)).await.unwrap();
}

pub async fn usage_comes_from_the_first_hour_to_before_the_last(store: &dyn Store) {
    issue(store, 1).await;
    add(store, 1, &[8, 5, 7, 6]).await;
    let check = async |from, to, expected: &[(u32, u64)]| {
        assert_eq!(allowed(store, 1, hours(from, to), Bucket::Hour, 10).await, expected);
    };
    check(6, 8, &[(6, 1), (7, 1)]).await;
    check(5, 9, &[(5, 1), (6, 1), (7, 1), (8, 1)]).await;
    check(8, 8, &[]).await;
    check(9, 100, &[]).await;
    check(8, 5, &[]).await;
}

pub async fn the_latest_rows_come_oldest_first(store: &dyn Store) {
    issue(store, 1).await;
    add(store, 1, &[8, 30, 5, 54, 7, 6]).await;
    let latest = allowed(store, 1, hours(5, 9), Bucket::Hour, 2).await;
    assert_eq!(latest, [(7, 1), (8, 1)]);
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Day, 2).await, [(24, 1), (48, 1)]);
}

pub async fn days_begin_at_midnight(store: &dyn Store) {
    issue(store, 1).await;
    add(store, 1, &[23, 24, 47, 48, 0, 24]).await;
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Day, 9).await, [(0, 2), (24, 3), (48, 1)]);
    // Only the hours asked for count, even if the day has others.
    assert_eq!(allowed(store, 1, hours(25, 49), Bucket::Day, 9).await, [(24, 1), (48, 1)]);
}

pub async fn usage_is_told_apart_by_key(store: &dyn Store) {
    let (first, second) = (issue(store, 1).await, issue(store, 2).await);
    let rows = vec![used(first, 5), used(second, 6)];
    store.add_usage(batch(1, 1, rows)).await.unwrap();
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(5, 1)]);
    assert_eq!(allowed(store, 2, ALWAYS, Bucket::Hour, 10).await, [(6, 1)]);
    assert_eq!(allowed(store, 3, ALWAYS, Bucket::Hour, 10).await, []);
}

/// What `allowed` and `limited` requests of a key in one hour add up to.
fn row(key: u64, hour: u32, allowed: u64, limited: u64) -> UsageRow {
    let counts = Counts::from([(Outcome::Allowed, allowed), (Outcome::Limited, limited)]);
    UsageRow { key_id: id(key), hour: UnixHour(hour), counts, last_used_at: None }
}

async fn top(store: &dyn Store, hours: Hours, by: TopBy, max: u32) -> Vec<(u64, u64, u64)> {
    let top = store.usage_top(hours, by, max).await.unwrap().top;
    assert!(top.iter().all(|(id, name, _)| *name == format!("key-{id}")));
    top.iter()
        .map(|(id, _, counts)| (id.get(), counts[Outcome::Allowed], counts[Outcome::Limited]))
        .collect()
}

async fn named_keys(store: &dyn Store, keys: u64) {
    for number in 1..=keys {
        let key = issue(store, number).await;
        let name = format!("key-{key}").parse().unwrap();
        super::sample::change(store, key, edit(|edit| edit.name = Some(name)), audit(9)).await;
    }
}

pub async fn the_most_used_come_first(store: &dyn Store) {
    named_keys(store, 4).await;
    let rows = vec![row(1, 5, 20, 1), row(2, 5, 1, 7), row(3, 5, 8, 2), row(2, 6, 3, 0)];
    store.add_usage(batch(1, 1, rows)).await.unwrap();
    let by_requests = [(1, 20, 1), (2, 4, 7), (3, 8, 2)];
    assert_eq!(top(store, ALWAYS, TopBy::Requests, 10).await, by_requests);
    assert_eq!(top(store, ALWAYS, TopBy::Requests, 2).await, by_requests[..2]);
    let by_denials = [(2, 4, 7), (3, 8, 2), (1, 20, 1)];
    assert_eq!(top(store, ALWAYS, TopBy::Denials, 10).await, by_denials);
    let total = Counts::from([(Outcome::Allowed, 32), (Outcome::Limited, 10)]);
    assert_eq!(store.usage_top(ALWAYS, TopBy::Denials, 1).await.unwrap().total, total);
}

pub async fn the_most_used_are_those_of_the_hours_asked_for(store: &dyn Store) {
    named_keys(store, 2).await;
    let rows = vec![row(1, 4, 9, 0), row(1, 5, 1, 0), row(2, 6, 2, 1), row(2, 7, 9, 0)];
    store.add_usage(batch(1, 1, rows)).await.unwrap();
    let within = top(store, hours(5, 7), TopBy::Requests, 10).await;
    assert_eq!(within, [(2, 2, 1), (1, 1, 0)]);
    assert_eq!(top(store, hours(5, 7), TopBy::Denials, 10).await, [(2, 2, 1)]);
    let total = store.usage_top(hours(5, 7), TopBy::Requests, 10).await.unwrap().total;
    assert_eq!((total[Outcome::Allowed], total[Outcome::Limited]), (3, 1));
    assert_eq!(top(store, hours(8, 99), TopBy::Requests, 10).await, []);
}

pub async fn last_use_only_moves_forward_and_by_a_minute(store: &dyn Store) {
    let key = issue(store, 1).await;
    let row = |at| UsageRow { last_used_at: at, ..used(key, 5) };
    // The first use is on record at once.
    let times = [Some(0), None, Some(59_999), Some(60_000), Some(0), None, Some(120_001)];
    let expected = [0, 0, 0, 60_000, 60_000, 60_000, 120_001].map(Some);
    for (number, (at, expected)) in (1..).zip(times.into_iter().zip(expected)) {
        store.add_usage(batch(1, number, vec![row(at.map(UnixMillis))])).await.unwrap();
        let last = details(store, key).await.key.last_used_at;
        assert_eq!(last, expected.map(UnixMillis), "batch {number}");
    }
}

pub async fn usage_is_no_change_of_a_key(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    assert_eq!(details(store, key).await.key.version.get(), 1);
    assert_eq!(verbs(store).await, ["issue"]);
}

/// Forgets the days before that of `from`, as of the day after the last one.
async fn forget(store: &dyn Store, from: u32) {
    // Far more often than any store needs for so little.
    for _ in 0..100 {
        if !store.tend_usage(UnixHour(1_000), UnixHour(from)).await.unwrap() {
            return;
        }
    }
    panic!("there is always more to do");
}

pub async fn whole_days_before_an_hour_are_forgotten(store: &dyn Store) {
    named_keys(store, 2).await;
    add(store, 1, &[0, 23, 24, 47, 48, 80]).await;
    add(store, 2, &[23, 47]).await;
    let check = async |expected: &[(u32, u64)], top_two: &[(u64, u64, u64)]| {
        assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, expected);
        assert_eq!(top(store, ALWAYS, TopBy::Requests, 10).await, top_two);
    };
    forget(store, 0).await;
    let all = [(0, 1), (23, 1), (24, 1), (47, 1), (48, 1), (80, 1)];
    check(&all, &[(1, 6, 0), (2, 2, 0)]).await;
    // Of the day that the hour is in, everything stays.
    forget(store, 47).await;
    check(&all[2..], &[(1, 4, 0), (2, 1, 0)]).await;
    forget(store, 48).await;
    check(&all[4..], &[(1, 2, 0)]).await;
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Day, 10).await, [(48, 1), (72, 1)]);
    forget(store, u32::MAX).await;
    check(&[], &[]).await;
    assert_eq!(store.usage_top(ALWAYS, TopBy::Requests, 1).await.unwrap().total, Counts::default());
}

pub async fn counts_of_a_forgotten_day_are_there_until_the_next_time(store: &dyn Store) {
    issue(store, 1).await;
    add(store, 1, &[5, 30]).await;
    forget(store, 24).await;
    let key = id(1);
    store.add_usage(batch(1, 2, vec![used(key, 6), used(key, 30)])).await.unwrap();
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(6, 1), (30, 2)]);
    forget(store, 24).await;
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(30, 2)]);
    // A forgotten batch was added all the same.
    store.add_usage(batch(1, 2, vec![used(key, 6)])).await.unwrap();
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, [(30, 2)]);
}

pub async fn counts_of_a_day_that_is_over_are_added(store: &dyn Store) {
    named_keys(store, 2).await;
    let check = async |hours_of_one: &[(u32, u64)], days: &[(u32, u64)], top_two: &[_]| {
        assert_eq!(allowed(store, 1, ALWAYS, Bucket::Hour, 10).await, hours_of_one);
        assert_eq!(allowed(store, 1, ALWAYS, Bucket::Day, 10).await, days);
        assert_eq!(top(store, ALWAYS, TopBy::Requests, 10).await, top_two);
        // The days at the ends are not whole.
        let sum = days.iter().map(|(_, sum)| sum).sum::<u64>();
        assert_eq!(top(store, hours(24, 70), TopBy::Requests, 1).await, [(1, sum - 1, 0)]);
    };
    add(store, 1, &[23, 24, 24, 47, 60]).await;
    add(store, 2, &[24]).await;
    forget(store, 0).await;
    let of_days = [(0, 1), (24, 3), (48, 1)];
    check(&[(23, 1), (24, 2), (47, 1), (60, 1)], &of_days, &[(1, 5, 0), (2, 1, 0)]).await;
    store.add_usage(batch(1, 2, vec![used(id(1), 24), used(id(1), 25)])).await.unwrap();
    let of_hours = [(23, 1), (24, 3), (25, 1), (47, 1), (60, 1)];
    let of_days = [(0, 1), (24, 5), (48, 1)];
    check(&of_hours, &of_days, &[(1, 7, 0), (2, 1, 0)]).await;
    forget(store, 0).await;
    check(&of_hours, &of_days, &[(1, 7, 0), (2, 1, 0)]).await;
    assert_eq!(allowed(store, 1, ALWAYS, Bucket::Day, 2).await, of_days[1..]);
    assert_eq!(allowed(store, 1, hours(25, 60), Bucket::Day, 9).await, [(24, 2)]);
}
