//! Nodes of a cluster share the limits of keys.

use std::path::Path;
use std::thread;

use tempfile::tempdir;

use super::Place;
use crate::server::{Server, issued};

/// A node of a cluster.
fn node(place: &Place, folder: &Path) -> Server {
    let cluster = [("KEYWARD_CLUSTER", "on"), ("KEYWARD_STOP_DELAY", "0s")];
    let environment: Vec<_> = place.environment().into_iter().chain(cluster).collect();
    Server::start_with(folder, &environment)
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
