//! The cost of a new key, and that rows put off for it are missing nowhere.

use std::fs;

use keyward::UnixMillis;
use keyward::change::{KeyChange, KeyEdit};
use keyward::query::{KeyFilter, KeyOrder, KeyQuery};
use keyward::store::{KeyStore as _, Reports as _};
use keyward::stored::Unkept;
use keyward_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::sample::{
    Store as _, audit, batch, change, digest, id, insert, issue, new_key, open, opened, owner,
    query, used,
};

/// More than one page of each index, and more than is put off.
const KEYS: u64 = 3_000;

fn named(number: u64, name: &str) -> Unkept {
    let mut new = new_key(number);
    new.name = name.parse().unwrap();
    new
}

fn by_name(part: &str) -> KeyFilter {
    KeyFilter { name_part: Some(part.to_owned()), ..KeyFilter::default() }
}

async fn ids(store: &SqliteStore, query: KeyQuery) -> Vec<u64> {
    let page = store.list_keys(query).await.unwrap();
    page.keys.iter().map(|key| key.key.id.get()).collect()
}

#[tokio::test]
async fn a_new_key_writes_few_pages() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = open(&path);
    insert(&store, new_key(0), audit(1)).await;
    let pattern = store.export_keys(None, 1).await.unwrap().remove(0);
    for first in (1..KEYS).step_by(1_000) {
        let copy = |number: u64| {
            let mut copy = Unkept { id: None, ..pattern.clone() };
            copy.name = format!("weather-bot-{number}").parse().unwrap();
            copy.secret.digest = digest(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            copy
        };
        let keys = (first..(first + 1_000).min(KEYS)).map(copy).collect();
        store.import_keys(keys, false, audit(1)).await.unwrap();
    }
    // The first in its hour notes that.
    insert(&store, named(KEYS, "weather-bot"), audit(2)).await;
    let wal = || fs::metadata(directory.path().join("keyward.db-wal")).unwrap().len();
    let mut written = Vec::new();
    for number in 1..=101 {
        let name = format!("billing-export-{number}");
        let before = wal();
        insert(&store, named(KEYS + number, &name), audit(2)).await;
        written.push(wal() - before);
    }
    // The least is written by a key that splits no page.
    written.sort_unstable();
    assert!(written[0] <= 42_000, "{written:?}");
    assert!(written.iter().sum::<u64>() / 101 <= 50_000, "{written:?}");
}

#[tokio::test]
async fn a_new_key_is_in_every_list_at_once() {
    let (_directory, store, _raw) = opened();
    for number in 1..=3 {
        insert(&store, named(number, &format!("bot-{number}")), audit(number)).await;
        let query = |filter| KeyQuery { max: 10, ..query(filter) };
        let all: Vec<u64> = (1..=number).collect();
        assert_eq!(ids(&store, query(by_name("BOT"))).await, all);
        let count = store.count_keys(by_name("bot"), UnixMillis(9)).await.unwrap();
        assert_eq!(count.at_least, number);
        let by_use = KeyQuery { order: KeyOrder::LastUsed, ..query(KeyFilter::default()) };
        assert_eq!(ids(&store, by_use).await, all);
        let idle = KeyFilter { idle_since: Some(UnixMillis(99)), ..KeyFilter::default() };
        assert_eq!(ids(&store, query(idle.clone())).await, all);
        assert_eq!(store.count_keys(idle, UnixMillis(9)).await.unwrap().at_least, number);
    }
}

#[tokio::test]
async fn a_key_that_is_renamed_or_used_while_it_waits_is_found_so() {
    let (_directory, store, _raw) = opened();
    let first = insert(&store, named(1, "weather"), audit(1)).await;
    let second = insert(&store, named(2, "billing"), audit(2)).await;
    let name = Some("export".parse().unwrap());
    let edit = || KeyChange::Edit(Box::new(KeyEdit { name: name.clone(), ..KeyEdit::default() }));
    change(&store, first, edit(), audit(3)).await;
    store.add_usage(batch(1, 1, vec![used(second, 5), used(id(99), 5)])).await.unwrap();
    assert!(store.find_key(second).await.unwrap().unwrap().key.last_used_at.is_some());

    assert_eq!(ids(&store, query(by_name("export"))).await, [1]);
    assert_eq!(ids(&store, query(by_name("weather"))).await, [0; 0]);
    let by_use = KeyQuery { order: KeyOrder::LastUsed, ..query(KeyFilter::default()) };
    assert_eq!(ids(&store, by_use).await, [1, 2]);
    assert!(store.find_key(second).await.unwrap().unwrap().key.last_used_at.is_some());
    // The same for one of which nothing waits.
    change(&store, second, edit(), audit(4)).await;
    assert_eq!(ids(&store, query(by_name("export"))).await, [1, 2]);
    assert_eq!(ids(&store, query(by_name("billing"))).await, [0; 0]);
}

#[tokio::test]
async fn what_waited_when_the_store_was_closed_is_found_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = open(&path);
    insert(&store, named(1, "weather"), audit(1)).await;
    store.close().await.unwrap();
    drop(store);
    let store = open(&path);
    insert(&store, named(2, "weather"), audit(2)).await;
    assert_eq!(ids(&store, query(by_name("weather"))).await, [1, 2]);
}

#[tokio::test]
async fn imported_keys_are_found_by_their_names_whatever_their_ids() {
    let (_directory, store, _raw) = opened();
    insert(&store, named(1, "weather 1"), audit(1)).await;
    let pattern = store.export_keys(None, 1).await.unwrap().remove(0);
    let import = async |number: u64, at: Option<u64>| {
        let mut copy = pattern.clone();
        (copy.id, copy.secret.digest) = (at.map(id), digest(number));
        copy.name = format!("weather {number}").parse().unwrap();
        let told = store.import_keys(vec![copy], false, audit(number)).await.unwrap();
        assert_eq!(told.len(), 1);
    };
    import(2, Some(500)).await;
    insert(&store, named(3, "weather 3"), audit(3)).await;
    import(4, Some(90)).await;
    import(5, Some(2_000)).await;
    import(6, None).await;
    assert_eq!(ids(&store, query(by_name("weather"))).await, [1, 90, 500, 501, 2_000, 2_001]);
    let by_use = KeyQuery { order: KeyOrder::LastUsed, ..query(KeyFilter::default()) };
    assert_eq!(ids(&store, by_use).await, [1, 90, 500, 501, 2_000, 2_001]);
}

#[tokio::test]
async fn not_more_waits_than_a_list_can_write_at_once() {
    let (_directory, store, raw) = opened();
    let issued = (1..=1_100).map(|number| issue(&store, number));
    for key in issued {
        key.await;
    }
    assert!(waiting(&raw) < 768, "{}", waiting(&raw));
    assert_eq!(waiting(&raw), 1_100 % 512);
}

fn waiting(raw: &Connection) -> u64 {
    let sql = "SELECT count(*) FROM keys WHERE id > (SELECT last_id FROM listed_keys)";
    raw.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_owner_with_many_keys_is_suspended_as_cheaply_as_one_with_none() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("keyward.db"));
    insert(&store, new_key(0), audit(1)).await;
    let pattern = store.export_keys(None, 1).await.unwrap().remove(0);
    let copy = |number: u64| {
        let mut copy = Unkept { id: None, ..pattern.clone() };
        copy.owner = Some(owner("many"));
        copy.secret.digest = digest(number);
        copy
    };
    store.import_keys((1..KEYS).map(copy).collect(), false, audit(1)).await.unwrap();
    let wal = || fs::metadata(directory.path().join("keyward.db-wal")).unwrap().len();
    let mut written = Vec::new();
    for name in ["none", "many", "none", "many"] {
        for suspended in [true, false] {
            let before = wal();
            store.set_owner_suspended(owner(name), suspended, audit(2)).await.unwrap();
            written.push(wal() - before);
        }
    }
    // The row, the list of suspended keys, the trail and its indexes.
    assert!(written.iter().all(|bytes| *bytes <= 42_000), "{written:?}");
}
