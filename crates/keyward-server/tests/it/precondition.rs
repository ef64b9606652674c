//! Changes that are made only to a key as it was seen.

use std::sync::Barrier;
use std::thread;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

#[test]
fn of_many_edits_of_one_version_one_is_made() {
    const EDITORS: usize = 16;
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("seen by all");
    for version in 1..=5 {
        let (start, tag) = (Barrier::new(EDITORS), format!("if-match: \"{version}\""));
        let edit = |editor: usize| {
            let mut connection = server.connect();
            let headers = [&*format!("x-admin-key: {ADMIN_KEY}"), &tag];
            let body = format!(r#"{{"name":"edit {version} of {editor}"}}"#);
            start.wait();
            connection.send("PATCH", "/admin/api-keys/1", &headers, &body)
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let edits: Vec<_> =
                (0..EDITORS).map(|editor| scope.spawn(move || edit(editor))).collect();
            edits.into_iter().map(|edit| edit.join().unwrap()).collect()
        });
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        let stale = answers.iter().filter(|answer| answer.status == 412).count();
        assert_eq!((made.len(), stale), (1, EDITORS - 1));
        let shown = server.admin("GET", "/admin/api-keys/1", "").json();
        assert_eq!(shown["name"], made[0].json()["name"]);
        assert_eq!(shown["version"], version + 1);
    }
}
