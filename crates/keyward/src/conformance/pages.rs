//! Promises about lists that are too long to be looked at whole.

use std::num::NonZeroU32;

use crate::UnixMillis;
use crate::audit::{Audit, Verb};
use crate::query::{AuditFilter, AuditQuery, KeyCount, KeyFilter, KeyOrder, KeyQuery};
use crate::record::{KeyState, Stage};
use crate::stored::Unkept;

use super::Store;
use super::lists::ids;
use super::sample::{copy, insert, new_key, owner, query};

/// More keys than are gathered and put in order, and more than one page looks at.
pub const KEYS: u64 = 5_000;

const ORDERS: [KeyOrder; 4] =
    [KeyOrder::Created, KeyOrder::Name, KeyOrder::LastUsed, KeyOrder::Expires];

/// Adds so many keys: every second in `pro`, every eighth suspended, every third of an owner that
/// is, with few names, uses and expiries, so that many are alike in each.
pub async fn fill(new: &dyn Store) {
    let audit = || Audit::program(UnixMillis(1));
    insert(new, new_key(0), audit()).await;
    let key = |number: u64| {
        let is_pro = number.is_multiple_of(2);
        let is_owned = number.is_multiple_of(3);
        Unkept {
            name: format!("key {}", number % 7).parse().unwrap(),
            tier: if is_pro { "pro" } else { "basic" }.parse().unwrap(),
            state: if number.is_multiple_of(8) { KeyState::Suspended } else { KeyState::Active },
            created_at: UnixMillis(number * 3_600_000 / 100),
            last_used_at: (!is_owned).then_some(UnixMillis(number % 5)),
            expires_at: (!is_pro).then_some(UnixMillis(2_000 + number % 6)),
            owner: is_owned.then(|| owner("acme")),
            ..copy(number)
        }
    };
    for first in (1..KEYS).step_by(1_000) {
        let keys = (first..(first + 1_000).min(KEYS)).map(key).collect();
        new.import_keys(keys, false, audit()).await.unwrap();
    }
    new.set_owner_suspended(owner("acme"), true, audit()).await.unwrap();
}

pub async fn pages_together_are_the_whole_list_in_order(store: &dyn Store) {
    fill(store).await;
    check(store).await;
}

/// Checks lists and counts of what [`fill`] added, by every order.
pub async fn check(filled: &dyn Store) {
    let everything = filled.export_keys(None, 20_000).await.unwrap();
    assert_eq!(everything.len() as u64, KEYS);
    let none = KeyFilter::default;
    let pro = || Some("pro".parse().unwrap());
    let filters = [
        none(),
        KeyFilter { tier: pro(), ..none() },
        KeyFilter { state: Some(Stage::Active), ..none() },
        KeyFilter { state: Some(Stage::Suspended), ..none() },
        KeyFilter { state: Some(Stage::Suspended), tier: pro(), ..none() },
        KeyFilter { state: Some(Stage::Active), owner: Some(owner("acme")), ..none() },
        KeyFilter { name_part: Some("EY 3".to_owned()), ..none() },
        KeyFilter { name_part: Some("key".to_owned()), tier: pro(), ..none() },
        KeyFilter { expires_before: Some(UnixMillis(2_003)), ..none() },
        KeyFilter { idle_since: Some(UnixMillis(3)), state: Some(Stage::Suspended), ..none() },
        KeyFilter { created_from: Some(UnixMillis(100_000_000)), ..none() },
    ];
    for filter in filters {
        let fitting: Vec<_> = everything.iter().filter(|key| fits(key, &filter)).collect();
        for (order, descending) in ORDERS.iter().flat_map(|order| [(*order, false), (*order, true)])
        {
            let mut expected = fitting.clone();
            expected.sort_by_key(|key| (place(key, order), key.id));
            if descending {
                expected.reverse();
            }
            let expected: Vec<_> = expected.iter().map(|key| key.id.unwrap().get()).collect();
            let query = KeyQuery { order, descending, max: 997, ..query(filter.clone()) };
            assert!(ids(filled, query).await == expected, "{filter:?} {order:?} {descending}");
        }
        let count = filled.count_keys(filter.clone(), UnixMillis(1_000)).await.unwrap();
        assert_eq!(count, KeyCount::exact(fitting.len() as u64), "{filter:?}");
    }
}

fn fits(key: &Unkept, filter: &KeyFilter) -> bool {
    let active = key.state == KeyState::Active && key.owner.is_none();
    let name = key.name.as_str();
    filter.state.is_none_or(|state| active == (state == Stage::Active))
        && filter.owner.as_ref().is_none_or(|owner| key.owner.as_ref() == Some(owner))
        && filter.tier.as_ref().is_none_or(|tier| key.tier == *tier)
        && filter.name_part.as_ref().is_none_or(|part| name.contains(&part.to_lowercase()))
        && filter.expires_before.is_none_or(|at| key.expires_at.is_some_and(|it| it < at))
        && filter.idle_since.is_none_or(|at| key.last_used_at < Some(at) && key.created_at < at)
        && filter.created_from.is_none_or(|at| at <= key.created_at)
}

fn place(key: &Unkept, order: KeyOrder) -> (String, u64) {
    match order {
        KeyOrder::Created => (String::new(), 0),
        KeyOrder::Name => (key.name.as_str().to_owned(), 0),
        KeyOrder::LastUsed => (String::new(), key.last_used_at.map_or(0, |at| at.0 + 1)),
        KeyOrder::Expires => (String::new(), key.expires_at.map_or(u64::MAX, |at| at.0)),
    }
}

/// A list of what [`fill`] added that nothing fits: many are in `pro` and many expire, and none
/// does both.
#[must_use]
pub fn fitting_nothing() -> KeyQuery {
    let (tier, expires_before) = (Some("pro".parse().unwrap()), Some(UnixMillis(5_000)));
    let filter = KeyFilter { tier, expires_before, ..KeyFilter::default() };
    KeyQuery { order: KeyOrder::Name, ..query(filter) }
}

pub async fn a_list_of_nothing_ends(store: &dyn Store) {
    fill(store).await;
    assert!(ids(store, fitting_nothing()).await.is_empty());
}

pub async fn the_trail_is_paged_by_any_filter(store: &dyn Store) {
    fill(store).await;
    for at in [5_000_000, 9_000_000, 7_200_000] {
        insert(store, new_key(KEYS + at), Audit::program(UnixMillis(at))).await;
    }
    let none = AuditFilter::default;
    let verb = AuditFilter { verb: Some(Verb::Issue), ..none() };
    assert_eq!(times(store, verb.clone(), false).await, [1, 5_000_000, 9_000_000, 7_200_000]);
    assert_eq!(times(store, verb, true).await, [7_200_000, 9_000_000, 5_000_000, 1]);
    let since = AuditFilter { since: Some(UnixMillis(5_000_001)), ..none() };
    assert_eq!(times(store, since.clone(), false).await, [9_000_000, 7_200_000]);
    let span = AuditFilter { until: Some(UnixMillis(9_000_000)), ..since };
    assert_eq!(times(store, span, true).await, [7_200_000]);
    let absent = AuditFilter { actor: Some("absent".to_owned()), ..none() };
    assert!(times(store, absent, false).await.is_empty());
}

/// The times of the entries that fit, all pages together.
async fn times(store: &dyn Store, filter: AuditFilter, descending: bool) -> Vec<u64> {
    let max = NonZeroU32::new(2).unwrap();
    let mut query = AuditQuery { filter, after: None, descending, max };
    let mut times = Vec::new();
    loop {
        let page = store.audit_entries(query.clone()).await.unwrap();
        times.extend(page.entries.iter().map(|entry| entry.at.0));
        query.after = page.next;
        if query.after.is_none() {
            return times;
        }
    }
}
