//! The work of the owner: it is made once, on record, and rejected where it would mislead nodes.

use std::time::Duration;

use keyward::audit::Chain;
use keyward::conformance::sample::{issue, trail};
use keyward_postgres::{
    MigrateError, Migration, MigrationDone, OpenError, OpenOptions, PostgresStore,
};

use crate::server::{Server, as_role, block_on, make_role, place};

async fn migrate(
    place: &OpenOptions,
    migration: &Migration,
) -> Result<MigrationDone, MigrateError> {
    PostgresStore::migrate_with(place, migration).await
}

/// Makes the schema, or brings it to the present.
async fn done(place: &OpenOptions) -> MigrationDone {
    migrate(place, &Migration::default()).await.unwrap()
}

async fn error(place: &OpenOptions, migration: &Migration) -> MigrateError {
    migrate(place, migration).await.unwrap_err()
}

fn lease(millis: u64) -> Migration {
    Migration { lease: Some(Duration::from_millis(millis)), ..Migration::default() }
}

fn role(role: &str) -> Migration {
    Migration { serve_role: Some(role.to_owned()), ..Migration::default() }
}

/// Runs statements in the schema of a place.
async fn run(place: &OpenOptions, sql: &str) {
    Server::shared().execute(&format!("SET search_path = {}; {sql}", place.schema)).await;
}

/// The details of all entries, whose chain is whole.
async fn details(place: &OpenOptions) -> Vec<String> {
    let store = PostgresStore::open(place).await.unwrap();
    let entries = trail(&store).await;
    let mut chain = Chain::default();
    entries.iter().for_each(|entry| chain.follow(entry).unwrap());
    assert!(entries.iter().all(|entry| entry.verb == "migrate" && entry.actor == "program"));
    entries.into_iter().map(|entry| entry.details.unwrap()).collect()
}

#[test]
fn a_trail_begins_with_the_migration_and_goes_on_from_it() {
    block_on(async {
        let place = place();
        let first = done(&place).await;
        assert_eq!((first.schema.before, first.entry.unwrap().0), (0, 1));
        assert_eq!((first.lease, first.level), (Duration::from_secs(5), 1));
        let again = done(&place).await;
        assert_eq!((again.schema.before, again.entry), (again.schema.now, None));
        let made = r#"{"before":null,"after":{"schema":3,"lease_ms":5000,"level":1}}"#;
        assert_eq!(details(&place).await, [made]);
        let store = PostgresStore::open(&place).await.unwrap();
        issue(&store, 1).await;
        let entries = trail(&store).await;
        let mut chain = Chain::default();
        entries.iter().for_each(|entry| chain.follow(entry).unwrap());
        assert_eq!((chain.entries(), entries[1].verb.as_str()), (2, "issue"));
    });
}

#[test]
fn of_several_that_come_together_one_writes_the_first_entry() {
    block_on(async {
        let place = place();
        let migration = Migration::default();
        let all = (0..4).map(|_| migrate(&place, &migration));
        let all = futures_util::future::try_join_all(all).await.unwrap();
        assert_eq!(all.iter().filter(|done| done.entry.is_some()).count(), 1);
        assert_eq!(details(&place).await.len(), 1);
    });
}

/// A schema whose trail is empty, as one of tests is, gets its first entry as well.
#[test]
fn a_schema_without_an_entry_gets_its_first() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        assert_eq!(done(&place).await.entry.unwrap().0, 1);
        assert_eq!(details(&place).await.len(), 1);
    });
}

#[test]
fn a_lease_is_changed_on_record_and_within_its_bounds() {
    block_on(async {
        let place = place();
        let made = migrate(&place, &lease(2_500)).await.unwrap();
        assert_eq!((made.lease, made.lease_before), (Duration::from_millis(2_500), None));
        assert_eq!(done(&place).await.lease, Duration::from_millis(2_500), "it stays");
        let changed = migrate(&place, &lease(20_000)).await.unwrap();
        assert_eq!(changed.lease_before, Some(Duration::from_millis(2_500)));
        assert_eq!(migrate(&place, &lease(20_000)).await.unwrap().entry, None);
        for millis in [0, 1_999, 20_001] {
            assert!(matches!(error(&place, &lease(millis)).await, MigrateError::Lease));
        }
        let changed = r#"{"before":{"lease_ms":2500},"after":{"lease_ms":20000}}"#;
        assert_eq!(details(&place).await[1..], [changed]);
    });
}

const NODE: &str = "INSERT INTO node (id, acked, seen, marked, version, name) \
    VALUES (gen_random_uuid(), 1, 1, false, 0, 'a.example')";

/// A node waits for others by the lease that it joined with.
#[test]
fn a_lease_stays_while_nodes_run() {
    block_on(async {
        let place = place();
        done(&place).await;
        run(&place, NODE).await;
        let error = error(&place, &lease(3_000)).await;
        let MigrateError::NodesRun { nodes } = &error else { panic!("{error}") };
        assert_eq!(nodes, "a.example");
        assert_eq!(done(&place).await.lease, Duration::from_secs(5));
        assert!(migrate(&place, &lease(5_000)).await.is_ok(), "that is no change");
        run(&place, "DELETE FROM node").await;
        assert_eq!(migrate(&place, &lease(3_000)).await.unwrap().lease, Duration::from_secs(3));
    });
}

/// A node that is joining when the lease is to change is waited for, and then found.
#[test]
fn a_node_does_not_slip_in_while_the_lease_changes() {
    block_on(async {
        let place = place();
        done(&place).await;
        let joining = Server::shared().client().await;
        let begin = format!("SET search_path = {}; BEGIN; {NODE}", place.schema);
        joining.batch_execute(&begin).await.unwrap();
        let role = make_role("owner", &place).await;
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}' \
             AND wait_event_type = 'Lock' AND query LIKE '%LOCK TABLE%'"
        );
        let owner = as_role(&place, &role);
        let shorter = lease(3_000);
        let changing = migrate(&owner, &shorter);
        // Within a transaction, the table of sessions stays as it was.
        let watching = Server::shared().client().await;
        let joined = async {
            while watching.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
            joining.batch_execute("COMMIT").await.unwrap();
        };
        let (changed, ()) = futures_util::future::join(changing, joined).await;
        assert!(matches!(changed, Err(MigrateError::NodesRun { .. })), "{changed:?}");
    });
}

#[test]
fn an_update_is_finished_when_every_node_has_it() {
    block_on(async {
        let place = place();
        let finish = Migration { finish: true, ..Migration::default() };
        let made = migrate(&place, &finish).await.unwrap();
        assert_eq!((made.level, made.level_before), (1, None));
        run(&place, &format!("UPDATE cluster SET level = 0; {NODE}")).await;
        let error = error(&place, &finish).await;
        let MigrateError::OldNodes { nodes } = &error else { panic!("{error}") };
        assert_eq!(nodes, "a.example");
        assert!(PostgresStore::open(&place).await.is_ok());
        run(&place, "UPDATE node SET version = 1").await;
        let finished = migrate(&place, &finish).await.unwrap();
        assert_eq!((finished.level, finished.level_before), (1, Some(0)));
        let raised = r#"{"before":{"level":0},"after":{"level":1}}"#;
        assert_eq!(details(&place).await[1..], [raised]);
        run(&place, "UPDATE cluster SET level = 2").await;
        let error = PostgresStore::open(&place).await.unwrap_err();
        assert!(matches!(error, OpenError::NewerLevel { found: 2, known: 1, .. }), "{error}");
    });
}

#[test]
fn only_the_owner_migrates() {
    block_on(async {
        let place = place();
        let schema = &place.schema;
        let (owner, other) = (format!("owns_{schema}"), format!("not_{schema}"));
        let make = format!(
            "CREATE ROLE {owner} LOGIN; CREATE ROLE {other} LOGIN; \
             GRANT CREATE ON DATABASE postgres TO {owner}"
        );
        Server::shared().execute(&make).await;
        let (owns, not) = (as_role(&place, &owner), as_role(&place, &other));
        let plain = Migration::default();
        let told = error(&not, &plain).await;
        assert!(matches!(told, MigrateError::MayNotCreate { .. }), "{told}");
        let told = error(&owns, &role("nobody_at_all")).await;
        assert!(matches!(told, MigrateError::NoRole { .. }), "{told}");
        for mighty in [&owner, "keyward"] {
            let told = error(&owns, &role(mighty)).await;
            assert!(matches!(told, MigrateError::MightyRole { .. }), "{told}");
        }
        assert_eq!(migrate(&owns, &role(&other)).await.unwrap().entry.unwrap().0, 1);
        let told = error(&not, &plain).await;
        let MigrateError::NotOwner { owner: named, .. } = &told else { panic!("{told}") };
        assert_eq!(named, &owner);
        issue(&PostgresStore::open(&not).await.unwrap(), 1).await;
    });
}

#[test]
fn tables_of_another_program_are_left_alone() {
    block_on(async {
        let place = place();
        let schema = &place.schema;
        let make = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.keys (id int)");
        Server::shared().execute(&make).await;
        let told = error(&place, &Migration::default()).await;
        assert!(matches!(told, MigrateError::Foreign { .. }), "{told}");
        // An owner of databases may make the schema, and have it filled by another role.
        run(&place, "DROP TABLE keys").await;
        assert_eq!(done(&place).await.schema.before, 0);
    });
}

/// The extension is one for a whole database, and no schema that wants it fails for the others.
#[test]
fn schemas_that_are_made_together_share_the_extension() {
    block_on(async {
        let places: Vec<_> = (0..4).map(|_| place()).collect();
        let server = Server::shared();
        let database = &places[0].schema;
        server.execute(&format!("CREATE DATABASE {database}")).await;
        let url = server.url().replace("/postgres?", &format!("/{database}?"));
        let migration = Migration::default();
        let places: Vec<_> = places
            .iter()
            .map(|place| OpenOptions { address: url.parse().unwrap(), ..place.clone() })
            .collect();
        let all = places.iter().map(|place| migrate(place, &migration));
        let all = futures_util::future::try_join_all(all).await.unwrap();
        assert!(all.iter().all(|done| done.schema.finds_parts));
    });
}

/// The extension is a matter of time alone.
#[test]
fn without_pg_trgm_the_rest_is_made() {
    block_on(async {
        let place = place();
        let schema = &place.schema;
        let role = format!("plain_{schema}");
        let server = Server::shared();
        server.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        server.execute(&format!("CREATE DATABASE {schema}")).await;
        let url = server.url().replace("/postgres?", &format!("/{schema}?"));
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let make = format!("CREATE SCHEMA {schema} AUTHORIZATION {role}");
        client.batch_execute(&make).await.unwrap();
        let url = url.replace("keyward@", &format!("{role}@"));
        let plain = OpenOptions { address: url.parse().unwrap(), ..place.clone() };
        assert!(!done(&plain).await.schema.finds_parts);
        assert!(PostgresStore::open(&plain).await.is_ok());
        client.batch_execute("CREATE EXTENSION pg_trgm").await.unwrap();
        let found = done(&plain).await;
        assert!(found.schema.finds_parts && found.entry.is_none());
    });
}
