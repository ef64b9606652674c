//! Opening: which servers, schemas and roles are rejected, and in which words.

use keyward::conformance::Store as _;
use keyward::conformance::sample::{audit, batch, issue, new_key, revoke, usage, used};
use keyward::rules::{Change, OwnerChange};
use keyward::store::{Backup as _, KeyStore as _, Reports as _, StoreError};
use keyward_postgres::{Migrated, OpenError, OpenOptions, PostgresStore};

use crate::server::{Server, as_role, block_on, make_role, place, store};

async fn error(place: &OpenOptions) -> OpenError {
    PostgresStore::open(place).await.unwrap_err()
}

#[test]
fn a_schema_is_made_once_however_many_come_for_it() {
    block_on(async {
        let place = place();
        let OpenError::OlderSchema { found: 0, known, .. } = error(&place).await else {
            panic!("there is no schema")
        };
        let both = futures_util::future::try_join_all(
            (0..4).map(|_| PostgresStore::migrate(&place, None)),
        );
        let all = both.await.unwrap();
        let made: Vec<_> = all.iter().filter(|it| it.before == 0).collect();
        assert_eq!(made, [&Migrated { before: 0, now: known, finds_parts: true }]);
        assert!(all.iter().all(|it| it.now == known));
        issue(&PostgresStore::open(&place).await.unwrap(), 1).await;
        PostgresStore::migrate(&place, None).await.unwrap();
        let again = PostgresStore::open(&place).await.unwrap();
        assert_eq!(again.export_keys(None, 10).await.unwrap().len(), 1, "it stays as it is");
    });
}

#[test]
fn two_schemas_of_one_database_have_nothing_to_do_with_each_other() {
    block_on(async {
        let (one, other) = (store().await, store().await);
        issue(&one, 1).await;
        assert!(other.export_keys(None, 10).await.unwrap().is_empty());
    });
}

#[test]
fn the_schema_of_a_newer_program_is_left_alone() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let schema = &place.schema;
        let newer = format!("INSERT INTO {schema}.keyward_migrations (number) VALUES (1000)");
        Server::shared().execute(&newer).await;
        assert!(PostgresStore::open(&place).await.is_ok(), "it leaves room for this version");
        let room = format!("UPDATE {schema}.cluster SET schema_min = 1000");
        Server::shared().execute(&room).await;
        for error in [error(&place).await, PostgresStore::migrate(&place, None).await.unwrap_err()]
        {
            assert!(matches!(error, OpenError::NewerSchema { found: 1000, .. }), "{error}");
        }
        let bad = OpenOptions { schema: "Keyward".to_owned(), ..place };
        assert!(matches!(error(&bad).await, OpenError::SchemaName));
    });
}

#[test]
fn a_server_that_forgets_or_takes_no_changes_is_rejected() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let durable = OpenOptions { without_fsync: false, ..place.clone() };
        assert!(matches!(error(&durable).await, OpenError::NoFsync { .. }));
        let role = format!("reader_of_{}", place.schema);
        let make = format!(
            "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET \
             default_transaction_read_only = on"
        );
        Server::shared().execute(&make).await;
        let error = error(&as_role(&place, &role)).await;
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    });
}

#[test]
fn a_role_that_serves_can_alter_neither_the_trail_nor_forget_a_key() {
    block_on(async {
        let place = place();
        let role = format!("serves_{}", place.schema);
        Server::shared().execute(&format!("CREATE ROLE {role} LOGIN")).await;
        PostgresStore::migrate(&place, None).await.unwrap();
        let serving = as_role(&place, &role);
        assert!(matches!(error(&serving).await, OpenError::OlderSchema { found: 0, .. }));
        let schema = &place.schema;
        let usage_only = format!("GRANT USAGE ON SCHEMA {schema} TO {role}");
        let reading = format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}");
        Server::shared().execute(&format!("{usage_only}; {reading}")).await;
        let OpenError::Rights { missing, .. } = error(&serving).await else {
            panic!("it may not write")
        };
        assert!(missing.contains("INSERT on audit") && !missing.contains("SELECT"), "{missing}");
        PostgresStore::migrate(&place, Some(&role)).await.unwrap();
        let store = PostgresStore::open(&serving).await.unwrap();
        serve(&store).await;
        let (client, connection) = tokio_postgres::connect(
            &Server::shared().url().replace("keyward@", &format!("{role}@")),
            tokio_postgres::NoTls,
        )
        .await
        .unwrap();
        tokio::spawn(connection);
        for forbidden in [
            "UPDATE {}.audit SET actor = 'other'",
            "DELETE FROM {}.audit",
            "TRUNCATE {}.audit",
            "DELETE FROM {}.keys",
            "DELETE FROM {}.former_secrets",
            "DELETE FROM {}.owners",
            "DELETE FROM {}.tiers",
            "DELETE FROM {}.usage",
            "ALTER TABLE {}.audit DISABLE TRIGGER ALL",
            "DROP TABLE {}.keys",
        ] {
            let error = client.batch_execute(&forbidden.replace("{}", schema)).await.unwrap_err();
            let code = error.code().unwrap();
            assert_eq!(
                code,
                &tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE,
                "{forbidden}"
            );
        }
    });
}

/// Everything that a program which serves does.
async fn serve(store: &PostgresStore) {
    let key = issue(store, 1).await;
    let limits = store.tiers().await.unwrap().remove(0).limits;
    let before = keyward::rules::TierBefore::Any;
    let name = "gold".parse().unwrap();
    store.make(Change::PutTier { name, limits, before }, audit(2)).await.unwrap();
    store.delete_tier("gold".parse().unwrap(), audit(3)).await.unwrap();
    let owner = keyward::conformance::sample::owner("org_1");
    let change = OwnerChange::Suspend;
    store.make(Change::Owner { owner, change, expected: None }, audit(4)).await.unwrap();
    store.make(Change::Import { keys: vec![new_key(5)], dry_run: false }, audit(5)).await.unwrap();
    store
        .change_key(key, keyward::conformance::sample::rotation(9, 5), None, audit(6))
        .await
        .unwrap();
    revoke(store, key, audit(7)).await;
    store.add_usage(batch(1, 1, vec![used(key, 3)])).await.unwrap();
    store.keep_leaks(Vec::new()).await.unwrap();
    store.forget_leaks(Vec::new()).await.unwrap();
    store.note_clock_is_right(true).await.unwrap();
    assert_eq!(usage(store, key, 0).await.len(), 1);
}

#[test]
fn nothing_shows_the_password() {
    block_on(async {
        let url = "postgres://keyward:hunter2@127.0.0.1:1/keyward";
        let unreachable = OpenOptions::new(url.parse().unwrap());
        let error = error(&unreachable).await;
        let OpenError::Unreachable { .. } = &error else { panic!("{error:?}") };
        let source = std::error::Error::source(&error).unwrap();
        let told = format!("{error} {error:?} {source} {unreachable:?}");
        assert!(told.contains("127.0.0.1:1") && !told.contains("hunter2"), "{told}");
        assert!(!format!("{:?}", store().await).contains("hunter2"));
    });
}

#[test]
fn a_copy_is_made_by_other_programs() {
    block_on(async {
        let store = store().await;
        let error = store.back_up(std::path::Path::new("copy.db")).await.unwrap_err();
        let StoreError::Unsupported(told) = error else { panic!("{error:?}") };
        assert!(
            told.contains("pg_dump --schema=test_") && told.contains("keyward export"),
            "{told}"
        );
    });
}

/// Such as the former primary of two that are named, when it is a standby now.
#[test]
fn a_server_that_takes_no_changes_any_more_is_not_asked() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let role = make_role("demoted", &place).await;
        let store = PostgresStore::open(&as_role(&place, &role)).await.unwrap();
        store.ping().await.unwrap();
        let set = format!("ALTER ROLE {role} SET default_transaction_read_only = on");
        Server::shared().execute(&set).await;
        let client = Server::shared().client().await;
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{role}'"
        );
        while client.query_one(&end, &[]).await.unwrap().get::<_, i64>(0) != 0 {}
        // The first one may find out that its connection has ended.
        drop(store.ping().await);
        let error = store.ping().await.unwrap_err();
        assert!(format!("{error:?}").contains("set to read-only"), "{error:?}");
    });
}
