//! Nodes of a cluster share the limits of keys.

use std::path::Path;
use std::process::Command;
use std::thread;

use keyward_postgres::{Migration, OpenOptions, PostgresStore};
use tempfile::tempdir;

use super::Place;
use crate::postgres_starter::Started;
use crate::server::{Server, command, issued};

/// A node of a cluster.
fn node(place: &Place, folder: &Path) -> Server {
    let cluster = [("KEYWARD_CLUSTER", "on"), ("KEYWARD_STOP_DELAY", "0s")];
    let environment: Vec<_> = place.environment().into_iter().chain(cluster).collect();
    Server::start_with(folder, &environment)
}

/// A schema without the database of limits: a server that went on from an older version, or whose
/// role could not make one.
#[test]
fn without_the_database_of_limits_a_start_says_what_to_do() {
    let (folder, started) = (tempdir().unwrap(), Started::start(&[]).unwrap());
    let place = Place { url: started.url(), schema: "keyward".to_owned() };
    let options = OpenOptions::new(place.url.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(PostgresStore::migrate_with(&options, &Migration::default())).unwrap();
    let mut environment = place.environment().to_vec();
    environment.push(("KEYWARD_CLUSTER", "on"));
    let output = command(folder.path(), &environment).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let missing = "_tickets, in which servers with --cluster share limits, is not there; run \
                   `keyward migrate` once";
    assert!(told.contains(missing), "{told}");
    // That is the remedy.
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_keyward"));
    migrate.arg("migrate").current_dir(folder.path()).env_clear().envs(environment);
    let migrated = migrate.output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let (ended, log) = node(&place, folder.path()).stop();
    assert!(ended.success(), "{log}");
}

/// How many of these requests had this status.
fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|it| **it == status).count()
}

#[test]
fn a_burst_at_two_nodes_is_let_in_as_one_would_let_it_in() {
    const MOST: usize = 40;
    let (folders, place) = ([tempdir().unwrap(), tempdir().unwrap()], Place::new());
    let nodes = folders.each_ref().map(|folder| node(&place, folder.path()));
    let issue = |limits: &str| {
        let body = format!(r#"{{"name":"a","tier":"basic","limits":{limits}}}"#);
        issued(&nodes[0].admin("POST", "/admin/api-keys", &body)).1
    };
    let limited = issue(r#"[{"name":"a","amount":40,"per":"30d","burst":40}]"#);
    let free = issue("[]");
    // Changes come in their order.
    for node in &nodes {
        while node.get("/key", &free).status == 401 {
            thread::yield_now();
        }
    }
    let limited = &limited;
    let statuses: Vec<u16> = thread::scope(|scope| {
        let requests = |at: usize| {
            let node = &nodes[at % 2];
            scope.spawn(move || {
                (0..10).map(|_| node.get("/key", limited).status).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..10).map(requests).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (allowed, unavailable) = (count(&statuses, 200), count(&statuses, 503));
    assert_eq!(count(&statuses, 429) + allowed + unavailable, 100, "{statuses:?}");
    // On a machine that is too busy for 25 ms, a request may take and not be let in.
    assert!(allowed <= MOST && MOST <= allowed + unavailable, "{allowed} and {unavailable}");
    for node in nodes {
        let (ended, log) = node.stop();
        assert!(ended.success(), "{log}");
    }
}
