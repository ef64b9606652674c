//! Promises about lists of keys: all matches, in order, for pages of any size.

use crate::UnixMillis;
use crate::query::{KeyCount, KeyFilter, KeyOrder, KeyQuery};
use crate::record::{KeyState, Stage};
use crate::stored::Unkept;

use super::Store;
use super::sample::{audit, copy, id, issue, owner, query, rotate};

pub const NOW: UnixMillis = UnixMillis(1_000);

/// Adds keys that differ from a plain one by `changes`; the first has the id 1.
async fn add(store: &dyn Store, changes: Vec<fn(&mut Unkept)>) {
    let copies = (1..).zip(changes).map(|(number, change)| {
        let mut copy = copy(number);
        change(&mut copy);
        copy
    });
    store.import_keys(copies.collect(), false, audit(1)).await.unwrap();
}

fn plain(_: &mut Unkept) {}

/// The ids of a list, all pages together.
pub async fn ids(store: &dyn Store, mut query: KeyQuery) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let page = store.list_keys(query.clone()).await.unwrap();
        assert!(page.keys.len() <= query.max as usize);
        all.extend(page.keys.iter().map(|key| key.key.id.get()));
        if page.next.is_none() {
            return all;
        }
        query.after = page.next;
    }
}

/// Checks which keys fit a filter, and that as many are counted.
async fn check(store: &dyn Store, filter: KeyFilter, expected: &[u64]) {
    assert_eq!(ids(store, query(filter.clone())).await, expected, "{filter:?}");
    let count = store.count_keys(filter.clone(), NOW).await.unwrap();
    assert_eq!(count, KeyCount::exact(expected.len() as u64), "{filter:?}");
}

pub async fn without_a_filter_all_keys_come_in_the_order_of_their_ids(store: &dyn Store) {
    check(store, KeyFilter::default(), &[]).await;
    for number in 1..=3 {
        issue(store, number).await;
    }
    check(store, KeyFilter::default(), &[1, 2, 3]).await;
    let latest = KeyQuery { descending: true, ..query(KeyFilter::default()) };
    assert_eq!(ids(store, latest).await, [3, 2, 1]);
}

pub async fn states_follow_the_time_and_the_owner(store: &dyn Store) {
    store.set_owner_suspended(owner("org_1"), true, audit(1)).await.unwrap();
    let changes: Vec<fn(&mut Unkept)> = vec![
        plain,
        |copy| copy.expires_at = Some(UnixMillis(1_000)),
        |copy| copy.expires_at = Some(UnixMillis(1_001)),
        |copy| copy.state = KeyState::Suspended,
        |copy| copy.state = KeyState::Revoked { at: UnixMillis(1) },
        |copy| copy.owner = Some(owner("org_1")),
        |copy| {
            copy.state = KeyState::Suspended;
            copy.expires_at = Some(UnixMillis(1));
        },
        |copy| {
            copy.state = KeyState::Revoked { at: UnixMillis(1) };
            copy.owner = Some(owner("org_1"));
            copy.expires_at = Some(UnixMillis(1));
        },
    ];
    add(store, changes).await;
    let of = |stage| KeyFilter { state: Some(stage), ..KeyFilter::default() };
    check(store, of(Stage::Active), &[1, 3]).await;
    check(store, of(Stage::Expired), &[2]).await;
    check(store, of(Stage::Suspended), &[4, 6, 7]).await;
    check(store, of(Stage::Revoked), &[5, 8]).await;
}

pub async fn tiers_and_owners_are_matched_whole(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        plain,
        |copy| copy.tier = "pro".parse().unwrap(),
        |copy| copy.owner = Some(owner("org_1")),
        |copy| copy.owner = Some(owner("org_10")),
        |copy| copy.owner = Some(owner("ORG_1")),
    ];
    add(store, changes).await;
    let tier = |tier: &str| Some(tier.parse().unwrap());
    check(store, KeyFilter { tier: tier("pro"), ..KeyFilter::default() }, &[2]).await;
    check(store, KeyFilter { tier: tier("basic"), ..KeyFilter::default() }, &[1, 3, 4, 5]).await;
    check(store, KeyFilter { tier: tier("gold"), ..KeyFilter::default() }, &[]).await;
    let of = |name| KeyFilter { owner: Some(owner(name)), ..KeyFilter::default() };
    check(store, of("org_1"), &[3]).await;
    check(store, of("org_2"), &[]).await;
    check(store, KeyFilter { tier: tier("pro"), ..of("org_1") }, &[]).await;
    check(store, KeyFilter { tier: tier("basic"), ..of("org_1") }, &[3]).await;
}

pub async fn names_are_found_by_a_part_of_either_case(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.name = "Weather-Bot".parse().unwrap(),
        |copy| copy.name = "the weatherman".parse().unwrap(),
        |copy| copy.name = "100% \"quoted\" _ä_".parse().unwrap(),
        |copy| copy.name = "ÜBERSICHT".parse().unwrap(),
        |copy| copy.name = "abcxbcd".parse().unwrap(),
    ];
    add(store, changes).await;
    let with = |part: &str| KeyFilter { name_part: Some(part.to_owned()), ..KeyFilter::default() };
    check(store, with("weather"), &[1, 2]).await;
    check(store, with("ATH"), &[1, 2]).await;
    check(store, with("r-b"), &[1]).await;
    check(store, with("Weather-Bot"), &[1]).await;
    check(store, with("00%"), &[3]).await;
    check(store, with("\"quo"), &[3]).await;
    check(store, with("_Ä_"), &[3]).await;
    check(store, with("übersicht"), &[4]).await;
    check(store, with("w%r"), &[]).await;
    check(store, with("a_h"), &[]).await;
    // All of its trigrams are there, and it is not.
    check(store, with("abcd"), &[]).await;
}

pub async fn hints_are_found_by_their_beginning(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.secret.hint = "kw_AbCd".to_owned(),
        |copy| copy.secret.hint = "kw_abcd".to_owned(),
        |copy| copy.secret.hint = "acme_live_0000".to_owned(),
        |copy| copy.secret.hint = String::new(),
    ];
    add(store, changes).await;
    let with =
        |start: &str| KeyFilter { hint_start: Some(start.to_owned()), ..KeyFilter::default() };
    check(store, with("kw_"), &[1, 2]).await;
    check(store, with("kw_Ab"), &[1]).await;
    check(store, with("kw_AbCd"), &[1]).await;
    check(store, with("kw_AbCde"), &[]).await;
    check(store, with("_live"), &[]).await;
    check(store, with("kw%"), &[]).await;
}

pub async fn a_hint_is_that_of_the_present_secret(store: &dyn Store) {
    let key = issue(store, 1).await;
    rotate(store, key, 2, 10, 50).await;
    let with =
        |start: &str| KeyFilter { hint_start: Some(start.to_owned()), ..KeyFilter::default() };
    check(store, with("kw_0002"), &[1]).await;
    check(store, with("kw_1"), &[]).await;
}

pub async fn expiry_is_found_between_now_and_then(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        plain,
        |copy| copy.expires_at = Some(UnixMillis(999)),
        |copy| copy.expires_at = Some(UnixMillis(1_000)),
        |copy| copy.expires_at = Some(UnixMillis(1_001)),
        |copy| copy.expires_at = Some(UnixMillis(1_999)),
        |copy| copy.expires_at = Some(UnixMillis(2_000)),
    ];
    add(store, changes).await;
    let before = |at| KeyFilter { expires_before: Some(UnixMillis(at)), ..KeyFilter::default() };
    check(store, before(2_000), &[4, 5]).await;
    check(store, before(2_001), &[4, 5, 6]).await;
    check(store, before(1_000), &[]).await;
    check(store, before(u64::MAX / 4), &[4, 5, 6]).await;
}

pub async fn idle_keys_are_old_and_not_used_since(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.created_at = UnixMillis(499),
        |copy| copy.created_at = UnixMillis(500),
        |copy| copy.last_used_at = Some(UnixMillis(499)),
        |copy| copy.last_used_at = Some(UnixMillis(500)),
        |copy| copy.last_used_at = Some(UnixMillis(0)),
    ];
    add(store, changes).await;
    let since = |at| KeyFilter { idle_since: Some(UnixMillis(at)), ..KeyFilter::default() };
    check(store, since(500), &[1, 3, 5]).await;
    check(store, since(501), &[1, 2, 3, 4, 5]).await;
}

pub async fn creation_is_found_from_and_before(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.created_at = UnixMillis(30),
        |copy| copy.created_at = UnixMillis(10),
        |copy| copy.created_at = UnixMillis(20),
    ];
    add(store, changes).await;
    let between = |from: Option<u64>, before: Option<u64>| KeyFilter {
        created_from: from.map(UnixMillis),
        created_before: before.map(UnixMillis),
        ..KeyFilter::default()
    };
    check(store, between(Some(20), None), &[1, 3]).await;
    check(store, between(None, Some(20)), &[2]).await;
    check(store, between(Some(10), Some(30)), &[2, 3]).await;
    check(store, between(Some(11), Some(20)), &[]).await;
}

pub async fn creation_is_found_whatever_the_order_in_which_ids_came(store: &dyn Store) {
    // All in one hour, each by a change of its own.
    for (number, key) in [50, 7, 90, 3].into_iter().enumerate() {
        let mut copy = copy(number as u64 + 1);
        copy.id = Some(id(key));
        copy.created_at = UnixMillis(20);
        store.import_keys(vec![copy], false, audit(1)).await.unwrap();
    }
    let all = KeyFilter { created_from: Some(UnixMillis(20)), ..KeyFilter::default() };
    check(store, all, &[3, 7, 50, 90]).await;
    let all = KeyFilter { created_before: Some(UnixMillis(21)), ..KeyFilter::default() };
    check(store, all, &[3, 7, 50, 90]).await;
}

async fn ordered(store: &dyn Store, order: KeyOrder) -> [Vec<u64>; 2] {
    let query = KeyQuery { order, ..query(KeyFilter::default()) };
    [ids(store, query.clone()).await, ids(store, KeyQuery { descending: true, ..query }).await]
}

pub async fn names_are_ordered_byte_by_byte(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.name = "b".parse().unwrap(),
        |copy| copy.name = "ä".parse().unwrap(),
        |copy| copy.name = "a".parse().unwrap(),
        |copy| copy.name = "B".parse().unwrap(),
        |copy| copy.name = "a".parse().unwrap(),
        |copy| copy.name = "aa".parse().unwrap(),
    ];
    add(store, changes).await;
    let expected = [vec![4, 3, 5, 6, 1, 2], vec![2, 1, 6, 5, 3, 4]];
    assert_eq!(ordered(store, KeyOrder::Name).await, expected);
}

pub async fn never_used_comes_before_and_never_expiring_comes_after_all_others(store: &dyn Store) {
    let changes: Vec<fn(&mut Unkept)> = vec![
        |copy| copy.last_used_at = Some(UnixMillis(9)),
        plain,
        |copy| copy.last_used_at = Some(UnixMillis(0)),
        |copy| copy.expires_at = Some(UnixMillis(9)),
        |copy| copy.expires_at = Some(UnixMillis(10)),
    ];
    add(store, changes).await;
    let expected = [vec![2, 4, 5, 3, 1], vec![1, 3, 5, 4, 2]];
    assert_eq!(ordered(store, KeyOrder::LastUsed).await, expected);
    let expected = [vec![4, 5, 1, 2, 3], vec![3, 2, 1, 5, 4]];
    assert_eq!(ordered(store, KeyOrder::Expires).await, expected);
}

pub async fn what_changed_is_found_as_it_is_now(store: &dyn Store) {
    let key = issue(store, 1).await;
    let rename = super::sample::edit(|edit| {
        edit.name = Some("Weather-Bot".parse().unwrap());
        edit.owner = Some(Some(owner("org_1")));
        edit.expires_at = Some(Some(UnixMillis(2_000)));
    });
    super::sample::change(store, key, rename, audit(2)).await;
    store.set_owner_suspended(owner("org_1"), true, audit(3)).await.unwrap();
    let found = KeyFilter {
        name_part: Some("weather".to_owned()),
        owner: Some(owner("org_1")),
        state: Some(Stage::Suspended),
        expires_before: Some(UnixMillis(2_001)),
        ..KeyFilter::default()
    };
    check(store, found.clone(), &[1]).await;
    let rename = super::sample::edit(|edit| edit.name = Some("Other".parse().unwrap()));
    super::sample::change(store, id(1), rename, audit(4)).await;
    check(store, found, &[]).await;
}

pub async fn pages_go_on_where_the_last_one_ended(store: &dyn Store) {
    for number in 1..=5 {
        issue(store, number).await;
    }
    let first = KeyQuery { max: 2, ..query(KeyFilter::default()) };
    let page = store.list_keys(first.clone()).await.unwrap();
    assert_eq!(page.keys.len(), 2);
    // A key that comes meanwhile neither moves the page nor shows twice.
    issue(store, 6).await;
    let second = KeyQuery { after: page.next, ..first.clone() };
    assert_eq!(ids(store, second).await, [3, 4, 5, 6]);
    let exact = KeyQuery { max: 6, ..first };
    assert_eq!(store.list_keys(exact).await.unwrap().next, None);
}
