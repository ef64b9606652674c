//! Lists that are too long to be looked at whole.

use keyward::conformance::pages::{check, fill, fitting_nothing};
use keyward::conformance::sample::query;
use keyward::query::{KeyFilter, KeyQuery};
use keyward::store::{KeyStore as _, Reports as _};
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::server::{Server, block_on, open_as, place, store};

/// How often the connections of a role read tables that grow with the keys from end to end.
const SCANS: &str = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_user_tables \
    WHERE schemaname = $1 AND relname IN ('keys', 'key_uses', 'former_secrets', 'audit', 'usage')";
/// How many entries they read of the index over the tiers of keys.
const OF_TIERS: &str = "SELECT idx_tup_read FROM pg_stat_user_indexes \
    WHERE schemaname = $1 AND indexrelname = 'keys_tier'";

/// A schema with keys, and how much of something connections did that are gone.
async fn filled(counted: &str) -> (OpenOptions, i64) {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    let store = open_as("fills", &place).await;
    fill(&store).await;
    store.close().await.unwrap();
    let before = done(counted, &place, "fills").await;
    (place, before)
}

/// What the connections of a role did. These are gone when it is counted: a server counts what a
/// connection did at its end, at the latest.
async fn done(counted: &str, place: &OpenOptions, role: &str) -> i64 {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    let role = format!("{role}_{}", place.schema);
    let client = Server::shared().client().await;
    while client.query_one(OPEN, &[&role]).await.unwrap().get::<_, i64>(0) != 0 {}
    client.query_one(counted, &[&place.schema]).await.unwrap().get(0)
}

#[test]
fn no_list_reads_a_table_from_end_to_end() {
    block_on(async {
        let (place, before) = filled(SCANS).await;
        let store = open_as("lists", &place).await;
        check(&store).await;
        store.close().await.unwrap();
        assert_eq!(done(SCANS, &place, "lists").await, before);
    });
}

#[test]
fn a_page_reads_no_more_of_an_index_than_it_looks_at() {
    block_on(async {
        let (place, before) = filled(OF_TIERS).await;
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
        let store = store().await;
        fill(&store).await;
        let first = store.list_keys(fitting_nothing()).await.unwrap();
        assert!(first.keys.is_empty() && first.next.is_some(), "{first:?}");
    });
}
