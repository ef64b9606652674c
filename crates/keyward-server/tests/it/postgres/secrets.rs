//! The password of a URL is in no output of the program.

use std::fs;
use std::process::Output;

use tempfile::tempdir;

use super::{Place, shared};
use crate::server::{ADMIN_KEY, Server, command};

/// A text that nothing else has in it.
const PASSWORD: &str = "xq7-Pass_of-this-Url";

/// The server, with a password in the URL; it lets each role in without one.
fn with_password(url: &str) -> String {
    url.replacen("keyward@", &format!("keyward:{PASSWORD}@"), 1)
}

#[track_caller]
fn check(told: &str) {
    assert!(!told.contains(PASSWORD), "{told}");
    // Neither a part of it, as an error of a parser could quote it.
    assert!(!told.contains("xq7") && !told.contains("this-Url"), "{told}");
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_program_that_serves_shows_no_password() {
    let (folder, place) = (tempdir().unwrap(), Place::new());
    let place = Place { url: with_password(&place.url), schema: place.schema };
    let more = [("KEYWARD_LOG", "trace"), ("KEYWARD_ACCESS_LOG", "on")];
    let environment: Vec<_> = place.environment().into_iter().chain(more).collect();
    let mut server = Server::start_with(folder.path(), &environment);
    let log = server.read_log();
    check(&server.greeting);
    let (id, secret) = server.issue("caller");
    assert_eq!(server.get("/key", &secret).status, 200);
    check(&server.admin("GET", "/metrics", "").body);
    check(&server.admin("GET", "/admin/backup", "").body);
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", server.id())).unwrap();
    check(&cmdline);
    server.signal("HUP");
    assert!(server.stop().0.success());
    let log = log.join().unwrap();
    assert!(log.contains("DEBUG") || log.contains("TRACE"), "{log}");
    check(&log);
}

#[test]
fn no_command_shows_it() {
    let (folder, url) = (tempdir().unwrap(), with_password(&shared().url()));
    let nowhere = format!("postgres://keyward:{PASSWORD}@127.0.0.1:1/keyward");
    let urls = [
        url.as_str(),
        &nowhere,
        &nowhere.replace("127.0.0.1", "no-such-host.invalid"),
        // Each is rejected for another reason.
        &nowhere.replace(":1/", ":x/"),
        &nowhere.replace("/keyward", "/keyward?sslmode=prefer"),
        &nowhere.replace("127.0.0.1:1", "db.example:1/?sslrootcert=absent.pem&"),
        &nowhere.replace("postgres:", "mysql:"),
        &nowhere.replace('@', "?"),
    ];
    let config = folder.path().join("keyward.toml");
    for url in urls {
        let file = format!("database = \"{url}\"\nadmin_api_key = \"{ADMIN_KEY}\"\n");
        for words in [&["serve"][..], &["settings"], &["settings", "--json"], &["doctor"]] {
            let run = |environment: &[(&str, &str)], more: &[&str]| {
                let mut command = command(folder.path(), environment);
                let mut command = without_arguments(&mut command);
                check(&text(&command.args(words).args(more).output().unwrap()));
            };
            // Nothing is served with the schema that is not there.
            let schema = ("KEYWARD_DATABASE_SCHEMA", "absent");
            let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("DATABASE_URL", url), schema];
            run(&environment, &[]);
            run(&[schema], &["--database", url]);
            run(&[schema], &[url]);
            fs::write(&config, &file).unwrap();
            run(&[schema], &[]);
            fs::write(&config, file.replace('"', "")).unwrap();
            run(&[schema], &[]);
            fs::remove_file(&config).unwrap();
        }
    }
}

/// The program of this command, in its folder, with its environment alone.
fn without_arguments(command: &mut std::process::Command) -> std::process::Command {
    let mut other = std::process::Command::new(command.get_program());
    let environment = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    other.env_clear().envs(environment).current_dir(command.get_current_dir().unwrap());
    other
}
