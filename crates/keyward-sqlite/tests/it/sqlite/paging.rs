//! Pages put together are the list: for any filter, order and size of a page.

use keyward::UnixMillis;
use keyward::memory::MemoryStore;
use keyward::query::{KeyCount, KeyFilter, KeyOrder, KeyQuery};
use keyward::record::{KeyState, Stage};
use proptest::prelude::*;

use crate::sample::{Store, audit, copy, owner};
use keyward::conformance::lists::{NOW, ids};
use keyward::stored::Unkept;

const NAMES: [&str; 5] = ["weather", "Weather", "the news", "newsletter", "a"];
const PARTS: [&str; 3] = ["eat", "NEWS", "the"];
const OWNERS: [&str; 2] = ["org_1", "org_2"];
const TIERS: [&str; 2] = ["basic", "pro"];
const HINTS: [&str; 3] = ["kw_abcd", "kw_abXY", ""];
/// Around the present time, and each several times.
const TIMES: [u64; 5] = [0, 999, 1_000, 1_001, 2_000];

fn time() -> impl Strategy<Value = UnixMillis> {
    prop::sample::select(&TIMES[..]).prop_map(UnixMillis)
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn keys() -> impl Strategy<Value = Vec<Unkept>> {
    let state = prop::sample::select(vec![
        KeyState::Active,
        KeyState::Suspended,
        KeyState::Revoked { at: UnixMillis(1) },
    ]);
    let times = (time(), prop::option::of(time()), prop::option::of(time()));
    let words = (one_of(&NAMES), one_of(&TIERS), prop::option::of(one_of(&OWNERS)), one_of(&HINTS));
    let key = (state, times, words).prop_map(|(state, times, (name, tier, owns, hint))| {
        let mut key = copy(0);
        (key.created_at, key.last_used_at, key.expires_at) = times;
        key.state = state;
        key.name = name.parse().unwrap();
        key.tier = tier.parse().unwrap();
        key.owner = owns.map(owner);
        key.secret.hint = hint.to_owned();
        key
    });
    prop::collection::vec(key, 0..40).prop_map(|mut keys| {
        for (number, key) in (1..).zip(&mut keys) {
            key.secret.digest = crate::sample::digest(number);
        }
        keys
    })
}

fn filter() -> impl Strategy<Value = KeyFilter> {
    let rarely = |time| prop::option::weighted(0.2, time);
    let words = (
        prop::option::weighted(0.3, prop::sample::select(&Stage::ALL[..])),
        prop::option::weighted(0.3, one_of(&TIERS)),
        prop::option::weighted(0.3, one_of(&OWNERS)),
        prop::option::weighted(0.3, one_of(&PARTS)),
        prop::option::weighted(0.2, one_of(&["kw_", "kw_ab", "kw_abc", "x"])),
    );
    let times = (rarely(time()), rarely(time()), rarely(time()), rarely(time()));
    (words, times).prop_map(|((state, tier, owns, part, hint), times)| KeyFilter {
        state,
        tier: tier.map(|tier| tier.parse().unwrap()),
        owner: owns.map(owner),
        name_part: part.map(str::to_owned),
        hint_start: hint.map(str::to_owned),
        expires_before: times.0,
        idle_since: times.1,
        created_from: times.2,
        created_before: times.3,
    })
}

fn order() -> impl Strategy<Value = KeyOrder> {
    let all = [KeyOrder::Created, KeyOrder::Name, KeyOrder::LastUsed, KeyOrder::Expires];
    prop::sample::select(all.to_vec())
}

/// The owner that is suspended.
const SUSPENDED: &str = "org_2";

fn stage(key: &Unkept) -> Stage {
    let owner_suspended = key.owner == Some(owner(SUSPENDED));
    match key.state {
        KeyState::Active if owner_suspended => Stage::Suspended,
        KeyState::Active if key.expires_at.is_some_and(|at| at <= NOW) => Stage::Expired,
        KeyState::Active => Stage::Active,
        KeyState::Suspended => Stage::Suspended,
        KeyState::Revoked { .. } => Stage::Revoked,
    }
}

/// The rules of the list, one by one.
fn fits(key: &Unkept, filter: &KeyFilter) -> bool {
    let name = key.name.as_str().to_lowercase();
    let misfits = [
        filter.state.is_some_and(|state| state != stage(key)),
        filter.tier.as_ref().is_some_and(|tier| *tier != key.tier),
        filter.owner.is_some() && filter.owner != key.owner,
        filter.name_part.as_ref().is_some_and(|part| !name.contains(&part.to_lowercase())),
        filter.hint_start.as_ref().is_some_and(|start| !key.secret.hint.starts_with(start)),
        filter
            .expires_before
            .is_some_and(|before| !key.expires_at.is_some_and(|at| NOW < at && at < before)),
        filter.idle_since.is_some_and(|since| {
            since <= key.created_at || key.last_used_at.is_some_and(|at| since <= at)
        }),
        filter.created_from.is_some_and(|from| key.created_at < from),
        filter.created_before.is_some_and(|before| before <= key.created_at),
    ];
    misfits == [false; 9]
}

fn model(keys: &[Unkept], query: &KeyQuery) -> Vec<u64> {
    let fitting = (1..).zip(keys).filter(|(_, key)| fits(key, &query.filter));
    let mut fitting: Vec<(u64, &Unkept)> = fitting.collect();
    match query.order {
        KeyOrder::Created => {}
        KeyOrder::Name => fitting.sort_by_key(|(_, key)| key.name.as_str().as_bytes()),
        KeyOrder::LastUsed => fitting.sort_by_key(|(_, key)| key.last_used_at),
        KeyOrder::Expires => {
            fitting.sort_by_key(|(_, key)| key.expires_at.unwrap_or(UnixMillis(u64::MAX)));
        }
    }
    if query.descending {
        fitting.reverse();
    }
    fitting.into_iter().map(|(id, _)| id).collect()
}

async fn check(store: &dyn Store, keys: &[Unkept], queries: &[KeyQuery]) {
    store.set_owner_suspended(owner(SUSPENDED), true, audit(1)).await.unwrap();
    store.import_keys(keys.to_vec(), false, audit(1)).await.unwrap();
    for query in queries {
        let expected = model(keys, query);
        assert_eq!(ids(store, query.clone()).await, expected, "{query:?}");
        let count = store.count_keys(query.filter.clone(), NOW).await.unwrap();
        assert_eq!(count, KeyCount::exact(expected.len() as u64), "{query:?}");
    }
}

fn query() -> impl Strategy<Value = KeyQuery> {
    (filter(), order(), any::<bool>(), 1_u32..12).prop_map(|(filter, order, descending, max)| {
        KeyQuery { filter, order, descending, after: None, max, now: NOW }
    })
}

fn on_this_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

proptest! {
    // Each opens a store, so there are few of them, with many questions each.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn memory(keys in keys(), queries in prop::collection::vec(query(), 40)) {
        on_this_thread(check(&MemoryStore::default(), &keys, &queries));
    }

    #[test]
    fn sqlite(keys in keys(), queries in prop::collection::vec(query(), 40)) {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::sample::open(&directory.path().join("keyward.db"));
        on_this_thread(check(&store, &keys, &queries));
    }
}
