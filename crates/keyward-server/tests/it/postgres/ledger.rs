//! A node with a ledger, and a database that went back in time while no node was alive.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;
use tokio_postgres::NoTls;

use super::Place;
use crate::server::{ADMIN_KEY, Server, after_restore, command};

/// The environment of a node whose ledger is in the directory that it works in.
fn environment(place: &Place) -> Vec<(&str, &str)> {
    place.environment().into_iter().chain([("KEYWARD_LEDGER", "node.ledger")]).collect()
}

/// Undoes the newest entry, which revoked this key, as its owner would by restoring a backup.
fn forget_revocation(place: &Place, key: u64, newest: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (schema, left) = (&place.schema, newest - 1);
    let lose = format!(
        "BEGIN; SET LOCAL search_path = {schema}; DELETE FROM audit WHERE {left} < id; \
         UPDATE keys SET state = 'active', revoked_at_ms = NULL, version = 1 WHERE id = {key}; \
         UPDATE tiers SET keys = 2 WHERE name = 'basic'; UPDATE cluster SET change_id = {left}, \
             digest = (SELECT digest FROM audit WHERE id = {left}); COMMIT"
    );
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&place.url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(&lose).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

/// What the check of the ledger says, and whether all is well.
fn doctor(folder: &Path, place: &Place) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().envs(environment(place)).current_dir(folder);
    let Output { status, stdout, .. } =
        command.args(["doctor", "--json", "--listen", "127.0.0.1:0"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    let mut checks = json["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["check"] == "ledger").unwrap();
    (status.success(), format!("{}: {}", check["status"], check["found"]))
}

/// The newest change that the ledger of a server knows.
fn newest(server: &Server) -> u64 {
    let page = server.admin("GET", "/admin/audit?limit=1", "").json();
    page["newest"]["id"].as_u64().unwrap()
}

#[test]
fn a_database_that_went_back_while_no_node_lived_is_served_only_after_it_is_accepted() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let (well, said) = doctor(folder.path(), &place);
    assert!(well && said.contains("knows of no change yet"), "{said}");
    let server = Server::start_with(folder.path(), &environment(&place));
    let (_, kept) = server.issue("kept");
    let (id, revoked) = server.issue("revoked");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    let page = server.admin("GET", "/admin/audit?order=desc&limit=1", "").json();
    let last = page["entries"][0]["id"].as_u64().unwrap();
    // It is written aside, once the change is applied.
    while newest(&server) != last {}
    server.kill();
    let (well, said) = doctor(folder.path(), &place);
    assert!(well && said.contains(&format!("has change {last}, the newest that ")), "{said}");

    forget_revocation(&place, id, last);
    let (well, said) = doctor(folder.path(), &place);
    assert!(!well && said.starts_with(r#""fail": "#) && said.contains("lacks changes"), "{said}");
    let rejected = command(folder.path(), &environment(&place)).output().unwrap();
    assert_eq!(rejected.status.code(), Some(1));
    let said = String::from_utf8(rejected.stderr).unwrap();
    for word in ["lacks changes that were made", "node.ledger", "A backup was restored"] {
        assert!(said.contains(word), "{said}");
    }
    let flag = after_restore(&said);
    assert_eq!(flag, format!("--after-restore={last}"));

    let server = Server::spawn(command(folder.path(), &environment(&place)).arg(&flag));
    let told = &server.greeting;
    assert!(told.contains("Accepted, once: ") && told.contains("revoked again: keys 2"), "{told}");
    assert_eq!(server.get("/key", &revoked).status, 401, "a revoked key works again");
    assert_eq!(server.get("/key", &kept).status, 200);
    assert!(100_000 < server.issue("next").0, "an id may be given twice");
    let verified = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["audit", "verify", "--server", &format!("http://{}", server.address)])
        .env_clear()
        .env("ADMIN_API_KEY", ADMIN_KEY)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert!(server.stop().0.success());
    let server = Server::start_with(folder.path(), &environment(&place));
    assert!(!server.greeting.contains("Accepted"), "{}", server.greeting);
    assert!(doctor(folder.path(), &place).0);
}

#[test]
fn without_a_ledger_there_is_nothing_to_accept() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let mut without = command(folder.path(), &place.environment());
    let rejected = without.arg("--after-restore=1").output().unwrap();
    assert_eq!(rejected.status.code(), Some(1));
    let said = String::from_utf8(rejected.stderr).unwrap();
    assert!(said.contains("name its file as the setting `ledger`"), "{said}");
}
