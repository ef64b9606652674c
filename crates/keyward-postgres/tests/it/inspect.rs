//! The facts about a server, before a program serves.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use keyward::UnixMillis;
use keyward::conformance::sample::issue;
use keyward::store::KeyStore as _;
use keyward_postgres::{Inspection, OpenError, OpenOptions, PostgresStore, ServerClock, inspect};

use crate::pooler::Pooler;
use crate::server::{Server, as_role, block_on, place};

const NOW: UnixMillis = UnixMillis(1_000);

async fn found(place: &OpenOptions) -> Inspection {
    inspect(place, || NOW).await.unwrap()
}

#[test]
fn a_server_that_is_well_is_described() {
    block_on(async {
        let place = place();
        let role = format!("inspects_{}", place.schema);
        Server::shared().execute(&format!("CREATE ROLE {role} LOGIN")).await;
        let serving = as_role(&place, &role);
        let error = found(&serving).await.schema.unwrap_err();
        assert!(matches!(error, OpenError::OlderSchema { found: 0, .. }), "{error}");
        PostgresStore::migrate(&place, Some(&role)).await.unwrap();
        let store = PostgresStore::open(&serving).await.unwrap();
        issue(&store, 1).await;
        let all = found(&serving).await;
        assert!(all.schema.is_ok(), "{:?}", all.schema);
        let ServerClock { before, at, after } = all.clock;
        assert_eq!((before, after), (NOW, NOW));
        assert!(1_700_000_000_000 < at.0, "{at:?}");
        assert!(all.version.starts_with(|c: char| c.is_ascii_digit()), "{}", all.version);
        assert!(!all.is_encrypted && !all.may_alter_trail && all.finds_parts);
        assert_eq!(all.commits.synchronous_commit, "on");
        assert_eq!((all.nodes, all.latest_reading), (0, None));
        assert!(found(&place).await.may_alter_trail, "the owner could");
        store.close().await.unwrap();
    });
}

#[test]
fn commits_are_on_disk_whatever_the_role_is_set_to() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let role = format!("lazy_{}", place.schema);
        let make = format!(
            "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET synchronous_commit = off"
        );
        Server::shared().execute(&make).await;
        let found = found(&as_role(&place, &role)).await;
        assert_eq!(found.commits.synchronous_commit, "on");
    });
}

#[test]
fn a_name_has_no_index_without_its_extension() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        Server::shared().execute(&format!("DROP INDEX {}.keys_parts", place.schema)).await;
        assert!(!found(&place).await.finds_parts);
    });
}

/// A standby, as far as the server can tell.
struct Standby(UnixStream);

impl Standby {
    async fn start() -> Self {
        const REPLICATES: &[u8] = b"user\0keyward\0replication\0true\0\0";
        let client = Server::shared().client().await;
        let row = client.query_one("SELECT pg_current_wal_flush_lsn()::text", &[]).await.unwrap();
        let from: String = row.get(0);
        let mut stream = UnixStream::connect(Server::shared().socket()).unwrap();
        // Protocol 3.0, "Start-up Message".
        let len = u32::try_from(8 + REPLICATES.len()).unwrap();
        stream.write_all(&[&len.to_be_bytes()[..], &[0, 3, 0, 0], REPLICATES].concat()).unwrap();
        let mut standby = Self(stream);
        standby.read_until(b'Z');
        let start = format!("START_REPLICATION PHYSICAL {from}\0");
        standby.send(b'Q', start.as_bytes());
        standby.read_until(b'W');
        // The log goes on, and comes here: without an error, which could follow only now.
        client.query_one("SELECT txid_current()", &[]).await.unwrap();
        standby.read_until(b'd');
        standby
    }

    /// "Hot standby feedback message": it still needs rows that this transaction sees.
    async fn keep(&mut self) {
        let client = Server::shared().client().await;
        let row = client.query_one("SELECT txid_current()", &[]).await.unwrap();
        let seen = u32::try_from(row.get::<_, i64>(0)).unwrap();
        let (time, zero) = (0_u64.to_be_bytes(), 0_u32.to_be_bytes());
        let of = [b"h", &time[..], &seen.to_be_bytes(), &zero, &zero, &zero].concat();
        self.send(b'd', &of);
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let len = u32::try_from(4 + body.len()).unwrap();
        self.0.write_all(&[&[kind], &len.to_be_bytes()[..], body].concat()).unwrap();
    }

    fn read_until(&mut self, kind: u8) {
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head).unwrap();
            let len = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            let mut body = vec![0; len - 4];
            self.0.read_exact(&mut body).unwrap();
            assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
            if head[0] == kind {
                return;
            }
        }
    }
}

#[test]
fn standbys_slots_and_prepared_transactions_are_seen() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let before = found(&place).await;
        assert_eq!((before.commits.standbys, before.kept), (0, Default::default()));
        let mut standby = Standby::start().await;
        let make = "SELECT pg_create_physical_replication_slot('forgotten')";
        Server::shared().execute(make).await;
        let client = Server::shared().client().await;
        client.batch_execute("BEGIN; SELECT 1; PREPARE TRANSACTION 'left'").await.unwrap();
        let after = found(&place).await;
        assert_eq!(after.commits.standbys, 1);
        assert_eq!(after.commits.synchronous_standbys, "");
        assert_eq!(after.kept.feedback, 0);
        let (prepared, _) = &after.kept.prepared[0];
        assert_eq!(
            (prepared.as_str(), after.kept.slots.as_slice()),
            ("left", &["forgotten".to_owned()][..])
        );
        // Said again until it is seen: if the server has ended this connection, that fails.
        while found(&place).await.kept.feedback == 0 {
            standby.keep().await;
        }
        client.batch_execute("ROLLBACK PREPARED 'left'").await.unwrap();
        Server::shared().execute("SELECT pg_drop_replication_slot('forgotten')").await;
    });
}

#[test]
fn a_pooler_that_lends_connections_for_a_transaction_is_rejected() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let (_pooler, through) = Pooler::start(&place);
        for error in [
            PostgresStore::open(&through).await.unwrap_err(),
            PostgresStore::migrate(&through, None).await.unwrap_err(),
            inspect(&through, || NOW).await.unwrap_err(),
        ] {
            assert!(matches!(error, OpenError::Pooled { .. }), "{error}");
        }
    });
}
