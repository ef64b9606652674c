//! What a transaction holds: an import is several, and what writes nothing is no commit.

use std::pin::pin;

use futures_util::future::{Either, join, ready, select};
use keyward::change::KeyChange;
use keyward::conformance::sample::{audit, id, issue, new_key, trail};
use keyward::record::KeyId;
use keyward::rules::{Change, Decided, Imported};
use keyward::store::KeyStore as _;
use keyward_postgres::{OpenOptions, PostgresStore};
use tokio_postgres::{Client, NoTls};

use crate::server::{Server, block_on, place};
use crate::starter::Started;

fn suspend(key: KeyId) -> Change {
    Change::Key { id: key, change: KeyChange::Suspend, expected: None }
}

/// Other changes need not wait for the whole of an import.
#[test]
fn a_change_goes_between_two_pieces_of_an_import() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        issue(&store, 1).await;
        let holder = Server::shared().client().await;
        let schema = &place.schema;
        let lock = format!("BEGIN; SELECT FROM {schema}.cluster FOR UPDATE");
        holder.batch_execute(&lock).await.unwrap();
        // One secret comes twice, in different pieces.
        let keys = (0..600).map(|at| {
            let mut key = new_key(if at == 599 { 1_000 } else { 1_000 + at });
            key.owner = Some(format!("org_{}", at % 3).parse().unwrap());
            key
        });
        let import = Change::Import { keys: keys.collect(), dry_run: false };
        let import = store.commit(import, audit(2));
        let Either::Right(((), import)) = select(import, ready(())).await else {
            panic!("the lock was not waited for");
        };
        let suspended = store.commit(suspend(id(1)), audit(3));
        let Either::Right(((), suspended)) = select(suspended, ready(())).await else {
            panic!("the lock was not waited for");
        };
        holder.batch_execute("COMMIT").await.unwrap();
        let (import, suspended) = join(import, suspended).await;
        suspended.unwrap().outcome.unwrap();
        let import = import.unwrap();
        assert_eq!(import.newest.change.0, 601);
        let Ok(Decided::Imported { keys, owners }) = import.outcome else { panic!("not imported") };
        let ids = keys.iter().filter_map(|key| match key {
            Imported::Added(key) => Some(key.id.get()),
            Imported::Skipped(_) | Imported::Rejected(_) => None,
        });
        assert_eq!(ids.collect::<Vec<_>>(), (2..=600).collect::<Vec<_>>());
        assert!(matches!(keys.last(), Some(Imported::Skipped(there)) if *there == id(2)));
        let owners: Vec<_> = owners.iter().map(|row| (row.owner.as_str(), row.keys)).collect();
        assert_eq!(owners, [("org_0", 200), ("org_1", 200), ("org_2", 199)]);
        let trail = trail(&store).await;
        let at = trail.iter().position(|entry| entry.verb == "suspend");
        assert_eq!(at, Some(251), "after the first piece");
        let pieces = format!(
            "SELECT count(*) FROM {schema}.audit WHERE verb = 'import' \
             GROUP BY xmin::text ORDER BY min(id)"
        );
        let pieces = holder.query(&pieces, &[]).await.unwrap();
        let pieces: Vec<i64> = pieces.iter().map(|row| row.get(0)).collect();
        assert_eq!(pieces, [250, 250, 99]);
    });
}

/// What became of the transaction that had the lock last, if it wrote nothing.
async fn ended(client: &Client, schema: &str) -> String {
    let status = format!("SELECT pg_xact_status(xmax::text::xid8) FROM {schema}.cluster");
    client.query_one(&status, &[]).await.unwrap().get(0)
}

#[test]
fn a_change_that_writes_nothing_waits_for_no_disk() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let client = Server::shared().client().await;
        let key = issue(&store, 1).await;
        let first = store.commit(suspend(key), audit(2)).await.unwrap();
        let again = store.commit(suspend(key), audit(3)).await.unwrap();
        assert_eq!(again.newest, first.newest);
        assert_eq!(ended(&client, &place.schema).await, "aborted");
        store.commit(suspend(id(9)), audit(4)).await.unwrap().outcome.unwrap_err();
        assert_eq!(ended(&client, &place.schema).await, "aborted");
    });
}

/// That a key is suspended already is acknowledged when the standby knows of it.
#[test]
fn a_change_that_writes_nothing_waits_for_a_standby() {
    let server = Started::start(&["fsync=off"]).unwrap();
    block_on(async {
        let address = server.url().parse().unwrap();
        let place = OpenOptions { without_fsync: true, ..OpenOptions::new(address) };
        PostgresStore::migrate(&place, None).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let key = issue(&store, 1).await;
        store.commit(suspend(key), audit(2)).await.unwrap();
        let connect = async || {
            let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        };
        let client = connect().await;
        let set = "ALTER SYSTEM SET synchronous_standby_names = 'absent'";
        client.batch_execute(set).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        // When a new session knows of it, all others were told.
        const KNOWN: &str = "SELECT current_setting('synchronous_standby_names') <> ''";
        while !connect().await.query_one(KNOWN, &[]).await.unwrap().get::<_, bool>(0) {}
        const WAITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let waits =
            async { while client.query_one(WAITS, &[]).await.unwrap().get::<_, i64>(0) == 0 {} };
        // The server makes commits wait a moment after that.
        match select(store.commit(suspend(key), audit(3)), pin!(waits)).await {
            Either::Right(_) => {}
            Either::Left((again, _)) => {
                again.unwrap();
                assert_eq!(ended(&client, &place.schema).await, "committed");
            }
        }
    });
}
