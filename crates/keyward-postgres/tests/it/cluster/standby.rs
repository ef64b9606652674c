//! A primary that waits for a standby in vain: it may have been replaced.

use keyward::audit::Mark;
use keyward::store::KeyStore as _;
use keyward_postgres::{LEASE_MIN, Migration, OpenOptions, PostgresStore};

use crate::server::block_on;
use crate::starter::Started;

/// A renewal is a write that the standby has to have, so a primary that is cut off from it grants
/// no lease, whatever it says in the end.
#[test]
fn a_primary_without_its_standby_grants_nothing() {
    block_on(async {
        let server = Started::start(&["fsync=off"]).unwrap();
        let mut place = OpenOptions::new(server.url().parse().unwrap());
        (place.without_fsync, place.several) = (true, true);
        let migration = Migration { lease: Some(LEASE_MIN), ..Migration::default() };
        PostgresStore::migrate_with(&place, &migration).await.unwrap();
        let store = PostgresStore::open(&place).await.unwrap();
        let cluster = store.cluster().unwrap();
        let node = cluster.register().await.unwrap().node;
        cluster.renew(node, Mark::START).await.unwrap();
        let (client, connection) =
            tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let set = async |name: &str| {
            let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
            client.batch_execute(&set).await.unwrap();
            client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
            let waits = "SELECT current_setting('synchronous_standby_names')";
            while client.query_one(waits, &[]).await.unwrap().get::<_, String>(0) != name {}
        };
        set("nobody").await;
        // The connection of the renewals reads its settings anew when it likes.
        while cluster.renew(node, Mark::START).await.is_ok() {}
        for _ in 0..2 {
            cluster.renew(node, Mark::START).await.unwrap_err();
        }
        cluster.register().await.unwrap_err();
        set("").await;
        cluster.renew(node, Mark::START).await.unwrap();
    });
}
