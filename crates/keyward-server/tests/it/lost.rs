//! The database is taken away from under a server, or opened by a second one under another name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, command};

const BODY: &str = r#"{"name":"new"}"#;

/// Whether the server makes changes, of keys and of articles alike; it responds with 503 if not.
fn takes_changes(server: &Server) -> bool {
    let mut changes = vec![(server.admin("POST", "/admin/api-keys", BODY).status, 201)];
    if cfg!(feature = "news") {
        let article = r#"{"articles":[{"source":"s","title":"t","url":"https://a.example/1"}]}"#;
        changes.push((server.admin("POST", "/admin/articles", article).status, 200));
    }
    let is_made = changes[0].0 == 201;
    for (status, made) in changes {
        assert_eq!(status, if is_made { made } else { 503 });
    }
    is_made
}

fn is_ready(server: &Server) -> u16 {
    server.send("GET", "/readyz", &[], "").status
}

/// The numbers of log lines that report a lost database, and its return.
fn reports(log: &str) -> (usize, usize) {
    let count = |words| log.lines().filter(|line| line.contains(words)).count();
    (count("not in its place"), count("in its place again"))
}

#[test]
fn a_database_that_is_moved_away_takes_no_change_and_is_found_again() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FLUSH_EVERY", "50ms")];
    let server = Server::start_with(folder.path(), &environment);
    let (id, secret) = server.issue("kept");
    let (path, aside) = (folder.path().join("keyward.db"), folder.path().join("aside.db"));
    for _ in 0..2 {
        fs::rename(&path, &aside).unwrap();
        assert_eq!(is_ready(&server), 503);
        assert!(!takes_changes(&server));
        // Reads go on in the open file, also on new connections.
        assert_eq!(server.get("/key", &secret).status, 200);
        assert_eq!(server.admin("GET", "/admin/api-keys", "").status, 200);
        assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 503);
        // A new file is not the one that was opened.
        File::create(&path).unwrap();
        assert_eq!((is_ready(&server), takes_changes(&server)), (503, false));
        assert_eq!(server.get("/key", &secret).status, 200);
        fs::rename(&aside, &path).unwrap();
        assert_eq!((takes_changes(&server), is_ready(&server)), (true, 200));
    }
    let (status, errors) = server.stop();
    assert!(status.success(), "{errors}");
    // Once for each time, however many requests and flushes met it.
    assert_eq!(reports(&errors), (2, 2), "{errors}");
    assert!(!errors.contains("The store failed"), "{errors}");

    // Counts of the meantime were kept for later.
    let server = Server::start(folder.path());
    let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], 4, "{usage}");
    let keys = server.admin("GET", "/admin/api-keys", "").json();
    assert_eq!(keys["api_keys"].as_array().unwrap().len(), 3);
}

#[test]
fn a_database_that_is_deleted_or_whose_log_is_lost_takes_no_change() {
    let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(4_096).unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    type Attack<'a> = (&'a str, &'a dyn Fn(&Path));
    let attacks: [Attack<'_>; 4] = [
        ("keyward.db", &remove),
        ("keyward.db-wal", &remove),
        ("keyward.db-shm", &remove),
        ("keyward.db-wal", &cut),
    ];
    for (name, attack) in attacks {
        let folder = tempdir().unwrap();
        let server = Server::start(folder.path());
        let (_, secret) = server.issue("kept");
        assert_eq!((is_ready(&server), takes_changes(&server)), (200, true));
        attack(&folder.path().join(name));
        assert_eq!(is_ready(&server), 503, "{name}");
        assert!(!takes_changes(&server), "{name}");
        // Keys stay known, whether or not other data can be read.
        let mut paths = vec!["/key"];
        paths.extend(cfg!(feature = "news").then_some("/articles"));
        for path in paths {
            let status = server.get(path, &secret).status;
            assert!([200, 503].contains(&status), "{name}: {path}: {status}");
        }
        assert_eq!(server.get("/key", &secret.to_lowercase()).status, 401, "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_server_is_rejected_under_another_name_or_without_the_lock_file() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = Server::start(folder.path());
    let lock = fs::read_to_string(path("keyward.db.lock")).unwrap();
    fs::hard_link(path("keyward.db"), path("other.db")).unwrap();
    std::os::unix::fs::symlink(path("keyward.db"), path("link.db")).unwrap();
    let rejected = |database: &str| {
        let database = format!("sqlite:{database}");
        let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("DATABASE_URL", &database)];
        let output = command(folder.path(), &environment).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{database}");
        String::from_utf8(output.stderr).unwrap()
    };
    for name in ["keyward.db", "other.db", "link.db"] {
        let errors = rejected(name);
        assert!(errors.contains("is in use by"), "{name}: {errors}");
        assert_eq!(fs::read_to_string(path("keyward.db.lock")).unwrap(), lock);
    }
    fs::remove_file(path("keyward.db.lock")).unwrap();
    let errors = rejected("keyward.db");
    assert!(errors.contains("is in use by another process"), "{errors}");
    assert_eq!((is_ready(&first), takes_changes(&first)), (200, true));
    assert!(first.stop().0.success());
    // Without another process, each of its names opens it.
    drop(Server::start(folder.path()));
}

#[cfg(unix)]
#[test]
fn a_lock_file_that_is_a_link_is_rejected() {
    let folder = tempdir().unwrap();
    let target = folder.path().join("notes");
    fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, folder.path().join("keyward.db.lock")).unwrap();
    let output = command(folder.path(), &[("ADMIN_API_KEY", ADMIN_KEY)]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("keyward.db.lock is a link"), "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert!(!folder.path().join("keyward.db").exists());
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("news.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE api_keys (id INTEGER PRIMARY KEY)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    // The tutorial's variable, which its own program reads as well.
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("DATABASE_URL", "sqlite:news.db")];
    let serve = command(folder.path(), &environment).output().unwrap();
    assert_eq!(serve.status.code(), Some(1));
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_keyward"));
    doctor.arg("doctor").current_dir(folder.path()).env_clear().envs(environment);
    let doctor = doctor.output().unwrap();
    assert_eq!(doctor.status.code(), Some(1));
    for told in [serve.stderr, doctor.stdout] {
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("is a database of another program"), "{told}");
        assert!(told.contains("keyward import --from sqlite:"), "{told}");
    }
    assert!(before == fs::read(&path).unwrap());
    let lock = |name: &OsString| name != "news.db.lock";
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(files.filter(lock).collect::<Vec<_>>(), ["news.db"]);
}
