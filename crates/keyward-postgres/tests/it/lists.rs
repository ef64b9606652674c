//! Lists that are too long to be looked at whole.

use keyward::UnixMillis;
use keyward::audit::Audit;
use keyward::conformance::Store as _;
use keyward::conformance::sample::{digest, insert, new_key, owner, query};
use keyward::query::{AuditFilter, AuditQuery, KeyCount, KeyFilter, KeyOrder, KeyQuery};
use keyward::record::{KeyState, Stage};
use keyward::store::{KeyStore as _, Reports as _};
use keyward::stored::Unkept;
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::server::{Server, block_on, open_as, place};

/// More keys than are gathered and put in order, and more than one page looks at.
const KEYS: u64 = 5_000;

/// A store with so many keys: every second in `pro`, every eighth suspended, every third of an
/// owner that is, with few names, uses and expiries, so that many are alike in each.
async fn filled() -> (OpenOptions, PostgresStore) {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    let store = open_as("fills", &place).await;
    insert(&store, new_key(0), Audit::program(UnixMillis(1))).await;
    let pattern = store.export_keys(None, 1).await.unwrap().remove(0);
    let copy = |number: u64| {
        let mut copy = Unkept { id: None, ..pattern.clone() };
        copy.name = format!("key {}", number % 7).parse().unwrap();
        copy.tier = if number.is_multiple_of(2) { "pro" } else { "basic" }.parse().unwrap();
        copy.state = if number.is_multiple_of(8) { KeyState::Suspended } else { KeyState::Active };
        copy.created_at = UnixMillis(number * 3_600_000 / 100);
        copy.last_used_at = (!number.is_multiple_of(3)).then_some(UnixMillis(number % 5));
        copy.expires_at = (!number.is_multiple_of(2)).then_some(UnixMillis(2_000 + number % 6));
        copy.owner = number.is_multiple_of(3).then(|| owner("acme"));
        copy.secret.digest = digest(number);
        copy
    };
    for first in (1..KEYS).step_by(1_000) {
        let keys = (first..(first + 1_000).min(KEYS)).map(copy).collect();
        store.import_keys(keys, false, Audit::program(UnixMillis(1))).await.unwrap();
    }
    store.set_owner_suspended(owner("acme"), true, Audit::program(UnixMillis(1))).await.unwrap();
    (place, store)
}

/// How often the connections of a role read tables that grow with the keys from end to end.
const SCANS: &str = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_user_tables \
    WHERE schemaname = $1 AND relname IN ('keys', 'key_uses', 'former_secrets', 'audit', 'usage')";
/// How many entries they read of the index over the tiers of keys.
const OF_TIERS: &str = "SELECT idx_tup_read FROM pg_stat_user_indexes \
    WHERE schemaname = $1 AND indexrelname = 'keys_tier'";

/// What the connections of a role did. These are gone when it is counted: a server counts what a
/// connection did at its end, at the latest.
async fn done(counted: &str, place: &OpenOptions, role: &str) -> i64 {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    let role = format!("{role}_{}", place.schema);
    let client = Server::shared().client().await;
    while client.query_one(OPEN, &[&role]).await.unwrap().get::<_, i64>(0) != 0 {}
    client.query_one(counted, &[&place.schema]).await.unwrap().get(0)
}

/// Everything on the pages of a list, each key by its number.
async fn all(store: &PostgresStore, mut query: KeyQuery) -> Vec<u64> {
    let mut ids = Vec::new();
    loop {
        let page = store.list_keys(query.clone()).await.unwrap();
        assert!(page.keys.len() <= query.max as usize);
        ids.extend(page.keys.iter().map(|key| key.key.id.get()));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

#[test]
fn pages_together_are_the_whole_list_in_order() {
    block_on(async {
        let (place, store) = filled().await;
        store.close().await.unwrap();
        let before = done(SCANS, &place, "fills").await;
        let store = open_as("lists", &place).await;
        let everything = store.export_keys(None, 20_000).await.unwrap();
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
            for order in [KeyOrder::Created, KeyOrder::Name, KeyOrder::LastUsed, KeyOrder::Expires]
            {
                for descending in [false, true] {
                    let mut expected: Vec<&Unkept> =
                        everything.iter().filter(|key| fits(key, &filter)).collect();
                    expected.sort_by_key(|key| (position(key, order), key.id));
                    if descending {
                        expected.reverse();
                    }
                    let expected: Vec<_> =
                        expected.iter().map(|key| key.id.unwrap().get()).collect();
                    let query = KeyQuery { order, descending, max: 997, ..query(filter.clone()) };
                    let found = all(&store, query).await;
                    assert!(found == expected, "{filter:?} {order:?} {descending}");
                }
            }
            let count = store.count_keys(filter.clone(), UnixMillis(1_000)).await.unwrap();
            let expected = everything.iter().filter(|key| fits(key, &filter)).count() as u64;
            assert_eq!(count, KeyCount::exact(expected), "{filter:?}");
        }
        store.close().await.unwrap();
        let scans = done(SCANS, &place, "lists").await;
        assert_eq!(scans, before, "no list reads a table from end to end");
    });
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

fn position(key: &Unkept, order: KeyOrder) -> (String, u64) {
    match order {
        KeyOrder::Created => (String::new(), 0),
        KeyOrder::Name => (key.name.as_str().to_owned(), 0),
        KeyOrder::LastUsed => (String::new(), key.last_used_at.map_or(0, |at| at.0 + 1)),
        KeyOrder::Expires => (String::new(), key.expires_at.map_or(u64::MAX, |at| at.0)),
    }
}

#[test]
fn a_page_reads_no_more_of_an_index_than_it_looks_at() {
    block_on(async {
        let (place, store) = filled().await;
        store.close().await.unwrap();
        let before = done(OF_TIERS, &place, "fills").await;
        let store = open_as("lists", &place).await;
        let filter = KeyFilter { tier: Some("pro".parse().unwrap()), ..KeyFilter::default() };
        let page = store.list_keys(KeyQuery { max: 1, ..query(filter) }).await.unwrap();
        assert_eq!(page.keys.len(), 1);
        store.close().await.unwrap();
        // Whether there are more than 2 000, and a hundred looks for the page.
        assert!(done(OF_TIERS, &place, "lists").await - before <= 2_101);
    });
}

#[test]
fn a_page_may_be_empty_and_not_the_last() {
    block_on(async {
        let (_, store) = filled().await;
        // Many are in `pro` and many expire, but none does both.
        let filter = KeyFilter {
            tier: Some("pro".parse().unwrap()),
            expires_before: Some(UnixMillis(5_000)),
            ..KeyFilter::default()
        };
        let query = KeyQuery { order: KeyOrder::Name, ..query(filter) };
        let first = store.list_keys(query.clone()).await.unwrap();
        assert!(first.keys.is_empty() && first.next.is_some(), "{first:?}");
        assert!(all(&store, query).await.is_empty());
    });
}

#[test]
fn the_trail_is_paged_by_any_filter() {
    block_on(async {
        let (_, store) = filled().await;
        for at in [5_000_000, 9_000_000, 7_200_000] {
            insert(&store, new_key(KEYS + at), Audit::program(UnixMillis(at))).await;
        }
        let find = async |filter: AuditFilter, descending| {
            let max = 2.try_into().unwrap();
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
        };
        let none = AuditFilter::default;
        let verb = AuditFilter { verb: Some(keyward::audit::Verb::Issue), ..none() };
        assert_eq!(find(verb.clone(), false).await, [1, 5_000_000, 9_000_000, 7_200_000]);
        assert_eq!(find(verb, true).await, [7_200_000, 9_000_000, 5_000_000, 1]);
        let since = AuditFilter { since: Some(UnixMillis(5_000_001)), ..none() };
        assert_eq!(find(since.clone(), false).await, [9_000_000, 7_200_000]);
        let span = AuditFilter { until: Some(UnixMillis(9_000_000)), ..since };
        assert_eq!(find(span, true).await, [7_200_000]);
        let absent = AuditFilter { actor: Some("absent".to_owned()), ..none() };
        assert!(find(absent, false).await.is_empty());
    });
}
