//! The connections of a node: what one of them waits for, and what it may never hear.

use futures_util::future::{Either, select};
use keyward::audit::Mark;
use keyward::store::{KeyStore as _, NodeId, Renewed};
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::proxy::Proxy;
use crate::server::{Server, block_on};

use super::{LEASE, shared};

/// Rows of others may be locked, such as by a node that is paused: its own is renewed meanwhile.
#[test]
fn a_renewal_does_not_wait_for_what_is_done_to_other_rows() {
    block_on(async {
        let place = shared().await;
        let store = PostgresStore::open(&place).await.unwrap();
        let cluster = store.cluster().unwrap();
        let own = cluster.register().await.unwrap().node;
        let other = cluster.register().await.unwrap().node;
        cluster.renew(own, Mark::START).await.unwrap();
        let holder = Server::shared().client().await;
        let lock = format!("BEGIN; SELECT FROM {}.node WHERE seen = 0 FOR UPDATE", place.schema);
        holder.batch_execute(&lock).await.unwrap();
        let Either::Right((renewed, mark)) =
            select(cluster.mark(vec![(other, 0)]), cluster.renew(own, Mark::START)).await
        else {
            panic!("the lock was not waited for");
        };
        renewed.unwrap();
        holder.batch_execute("COMMIT").await.unwrap();
        mark.await.unwrap();
    });
}

/// On such a connection a hint may be lost for ever, and no task waits for a response.
#[test]
fn a_silent_connection_that_listens_is_made_anew() {
    block_on(async {
        let place = shared().await;
        let (proxy, through) = Proxy::start(&place);
        let store = PostgresStore::open(&through).await.unwrap();
        let cluster = store.cluster().unwrap();
        cluster.hint().await;
        let before = proxy.connections();
        proxy.silence();
        // One that it is given up, and one that another one listens.
        let heard = async {
            cluster.hint().await;
            cluster.hint().await;
        };
        tokio::time::timeout(4 * LEASE, heard).await.unwrap();
        assert_eq!(proxy.connections(), before + 1);
    });
}

/// A connection that failed within a transaction is not used again.
#[test]
fn what_failed_does_not_fail_what_comes_next() {
    block_on(async {
        // No text of PostgreSQL has such a character, and the server is the one that says so.
        let place = OpenOptions { name: "a\0b".to_owned(), ..shared().await };
        let store = PostgresStore::open(&place).await.unwrap();
        let cluster = store.cluster().unwrap();
        cluster.register().await.unwrap_err();
        let renewed = cluster.renew(NodeId([9; 16]), Mark::START).await.unwrap();
        assert_eq!(renewed, Renewed::Gone);
    });
}
