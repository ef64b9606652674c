//! `keyward doctor` about a database in PostgreSQL.

use std::process::{Command, Output};

use tempfile::tempdir;

use super::{Place, shared};

fn doctor(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    let Output { status, stdout, .. } =
        command.args(["doctor", "--json", "--listen", "127.0.0.1:0"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    let text = |check: &serde_json::Value, name: &str| {
        check[name].as_str().unwrap_or_default().replace(&shared().url(), "URL")
    };
    let checks = json["checks"].as_array().unwrap().iter();
    let lines = checks.map(|check| {
        let [what, grade, found, advice] =
            ["check", "status", "found", "advice"].map(|name| text(check, name));
        format!("{what}: {grade}: {found} => {advice}")
    });
    (status.code(), lines.collect::<Vec<_>>().join("\n"))
}

#[track_caller]
fn has(told: &str, line: &str) {
    assert!(told.lines().any(|one| one.starts_with(line)), "{line} in\n{told}");
}

#[test]
fn a_database_that_is_well_and_one_without_a_schema() {
    let folder = tempdir().unwrap();
    let place = Place::new();
    let (code, told) = doctor(&place.environment());
    assert_eq!(code, Some(0), "{told}");
    has(&told, "database: ok: postgres://keyward@");
    for line in [
        "schema: ok: 3, ",
        "latest reading: ok",
        // The owner serves, who could.
        "audit trail: warn",
        "names: ok",
        "database clock: ok",
        "commits: ok",
        "standbys: ok",
        "old rows: ok",
    ] {
        has(&told, line);
    }
    assert!(!told.contains("disk: "), "its disk is not this machine's: {told}");
    let server = place.start(folder.path());
    let (code, told) = doctor(&place.environment());
    assert_eq!(code, Some(0), "{told}");
    drop(server);

    let absent = Place { schema: "absent".to_owned(), ..place };
    let (code, told) = doctor(&absent.environment());
    assert_eq!(code, Some(1), "{told}");
    has(&told, "schema: fail: schema absent of postgres://keyward@");
    assert!(told.contains("run `keyward migrate` once"), "{told}");
    has(&told, "commits: ok");
}

#[test]
fn a_server_that_is_not_there_is_a_fault_of_the_database() {
    let environment = [("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward")];
    let (code, told) = doctor(&environment);
    assert_eq!(code, Some(1), "{told}");
    has(&told, "database: fail: postgres://keyward@127.0.0.1:1/keyward does not let this program");
}
