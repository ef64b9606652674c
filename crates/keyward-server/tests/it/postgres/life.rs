//! The life of keys, of the program, and of its connections.

use std::fs;

use tempfile::tempdir;

use super::Place;
use crate::cli::keyward;
use crate::server::Server;

const DENIED: &str = r#"401 {"detail":"Invalid or inactive API key"}"#;

fn status(server: &Server, secret: &str) -> u16 {
    server.get("/key", secret).status
}

#[test]
fn keys_survive_in_postgresql_and_revoked_ones_stay_dead() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let server = place.start(folder.path());
    assert!(server.greeting.contains("postgres://keyward@"), "{}", server.greeting);
    assert!(server.greeting.contains("/key"), "{}", server.greeting);
    let (_, kept) = server.issue("kept");
    let (revoked_id, revoked) = server.issue("revoked");
    assert_eq!((status(&server, &kept), status(&server, &revoked)), (200, 200));
    assert_eq!(server.get("/key", "kw_wrong").brief(), DENIED);
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{revoked_id}"), "").status, 204);
    assert_eq!(server.get("/key", &revoked).brief(), DENIED);
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");

    let server = place.start(folder.path());
    let usage = server.admin("GET", "/admin/api-keys/1/usage", "");
    assert!(usage.body.contains(r#""allowed":1"#), "counts are flushed at the end: {}", usage.body);
    assert_eq!((status(&server, &kept), status(&server, &revoked)), (200, 401));
    let listed = server.admin("GET", "/admin/api-keys?total=true", "").json();
    assert_eq!(listed["total"], 2, "{listed}");
    let verbs = server.admin("GET", "/admin/audit?order=asc", "").json();
    let verbs = verbs["entries"].as_array().unwrap().iter().map(|entry| entry["verb"].clone());
    let verbs: Vec<_> = verbs.collect();
    assert!(verbs.ends_with(&["issue".into(), "issue".into(), "revoke".into()]), "{verbs:?}");
    // All of it is in PostgreSQL.
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_killed_program_starts_again_with_all_that_it_acknowledged() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let server = place.start(folder.path());
    let (id, revoked) = server.issue("revoked");
    let (_, kept) = server.issue("kept");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    server.kill();
    // It waits until it is certain that the other one was killed.
    let server = place.start(folder.path());
    assert_eq!((status(&server, &kept), status(&server, &revoked)), (200, 401));
    let (ended, log) = server.stop();
    assert!(ended.success() && log.contains("Another server has this schema; waiting"), "{log}");
}

#[test]
fn a_second_server_of_a_schema_does_not_start() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let mut environment = place.environment().to_vec();
    environment.push(("KEYWARD_NODE_NAME", "first"));
    let server = Server::start_with(folder.path(), &environment);
    let (_, secret) = server.issue("kept");
    let output = crate::server::command(folder.path(), &place.environment()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(": first; stop it first, or start every server"), "{told}");
    // The first one notices nothing.
    assert_eq!(status(&server, &secret), 200);
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");
}

/// Two servers that were started as several: what one revokes is dead at the other.
#[test]
fn servers_of_a_cluster_share_a_schema() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let mut environment = place.environment().to_vec();
    environment.extend([("KEYWARD_CLUSTER", "on"), ("KEYWARD_STOP_DELAY", "0s")]);
    let start = || Server::start_with(folder.path(), &environment);
    let (first, second) = (start(), start());
    for _ in 0..20 {
        let (id, secret) = first.issue("shared");
        assert_eq!(status(&second, &secret), 200);
        assert_eq!(second.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
        assert_eq!((status(&first, &secret), status(&second, &secret)), (401, 401));
    }
    let ((first, log), (second, other)) = (first.stop(), second.stop());
    assert!(first.success() && second.success(), "{log}\n{other}");
}

#[test]
fn a_copy_is_made_by_the_programs_of_postgresql() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let server = place.start(folder.path());
    let response = server.admin("GET", "/admin/backup", "");
    assert_eq!(response.status, 501, "{}", response.body);
    let advice = format!("`pg_dump --schema={}`", place.schema);
    assert!(response.body.contains(&advice), "{}", response.body);
    let url = format!("http://{}", server.address);
    let output = keyward(&url, &["backup", "copy.db"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&advice) && told.contains("`keyward export`"), "{told}");
}
