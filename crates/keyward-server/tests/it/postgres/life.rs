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
    let server = place.start(folder.path());
    assert_eq!((status(&server, &kept), status(&server, &revoked)), (200, 401));
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

#[test]
fn a_flag_about_files_is_rejected() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let mut command = crate::server::command(folder.path(), &place.environment());
    let output = command.arg("--after-restore=1").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--after-restore is about a database in a file"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}
