//! `keyward migrate` on a real PostgreSQL: what it says, and that it shows no password.

mod moves;
mod place;

use std::process::{Command, Output};

use insta::assert_snapshot;
use tempfile::tempdir;

use place::{Place, place};

const PASSWORD: &str = "hunter2";

/// Runs the command as the owner of this place, whose password is in the environment alone.
fn migrate(place: &Place, words: &[&str]) -> Output {
    keyward(&[("DATABASE_URL", &place.url(&place.owner, PASSWORD))], words)
}

fn keyward(environment: &[(&str, &str)], words: &[&str]) -> Output {
    let folder = tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    command.arg("migrate").args(words).output().unwrap()
}

/// All that was printed, and the exit status.
fn told(place: &Place, output: &Output) -> String {
    let [out, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let text = format!("{out}{errors}status {}", output.status.code().unwrap());
    assert!(!text.contains(PASSWORD), "{text}");
    let text = text.replace(&place.directory(), "SOCKETS");
    text.replace(&place.owner, "OWNER").replace(&place.role, "ROLE").replace(&place.name, "NAME")
}

#[test]
fn what_was_done_is_said() {
    let place = place();
    let first = told(&place, &migrate(&place, &["--serve-role", &place.role]));
    let again = told(&place, &migrate(&place, &[]));
    let lease = told(&place, &migrate(&place, &["--lease", "3s", "--finish"]));
    let json = told(&place, &migrate(&place, &["--json"]));
    assert_snapshot!([first, again, lease, json].join("\n\n"));
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let place = place();
    let mut all = Vec::new();
    let mut tell = |output: &Output| all.push(told(&place, output));
    tell(&keyward(&[], &[]));
    tell(&keyward(&[("DATABASE_URL", "sqlite:keyward.db")], &[]));
    tell(&migrate(&place, &["--lease", "1s"]));
    tell(&migrate(&place, &["--lease", "soon"]));
    tell(&migrate(&place, &["--serve-role", "nobody_at_all"]));
    tell(&migrate(&place, &["--serve-role", &place.owner]));
    tell(&migrate(&place, &["--database-schema", "Keys"]));
    let role = place.url(&place.role, PASSWORD);
    tell(&keyward(&[("DATABASE_URL", &role)], &[]));
    assert!(migrate(&place, &[]).status.success());
    tell(&keyward(&[("DATABASE_URL", &role)], &[]));
    place.execute(
        "INSERT INTO keyward.node (id, acked, seen, marked, version, name) \
         VALUES (gen_random_uuid(), 1, 1, false, 1, 'a.example')",
    );
    tell(&migrate(&place, &["--lease", "3s"]));
    assert_snapshot!(all.join("\n\n"));
}

/// Wherever the URL is put, and whatever its fault is.
#[test]
fn no_password_is_shown() {
    let place = place();
    let good = place.url(&place.owner, PASSWORD);
    let flag = keyward(&[], &["--database", &good]);
    assert!(told(&place, &flag).contains("set the URL as DATABASE_URL"));
    assert_eq!(flag.status.code(), Some(2));
    for words in [vec![good.as_str()], vec!["--databse", &good], vec!["--lease", &good]] {
        let output = keyward(&[], &words);
        assert_eq!(output.status.code(), Some(2), "{}", told(&place, &output));
    }
    for url in [
        "postgres://u:hunter2@127.0.0.1:1/keyward",
        "postgres://u:hunter2@127.0.0.1:x/keyward",
        "postgres://u:hun?ter2hunter2@127.0.0.1/keyward",
        "postgres://u:hunter2@db.example/keyward?sslmode=prefer",
        "postgres:///keyward?host=/nowhere&password=hunter2",
        "mysql://u:hunter2@127.0.0.1/keyward",
        "u:hunter2@127.0.0.1/keyward",
    ] {
        let output = keyward(&[("DATABASE_URL", url)], &[]);
        assert!(!output.status.success(), "{}", told(&place, &output));
        assert!(!told(&place, &output).contains("ter2"));
        told(&place, &keyward(&[], &["--database", url]));
    }
}
