//! Signals to the program: an orderly end loses no count, no other signal ends it, and SIGHUP has
//! the settings read anew.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, command, new_admin_key};

/// Nothing is flushed before the end.
const SELDOM: [(&str, &str); 2] = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FLUSH_EVERY", "5m")];
const REQUESTS: u64 = 3;

/// Sends requests with a new key, whose id it returns.
fn count(server: &Server) -> u64 {
    let (id, secret) = server.issue("counted");
    for _ in 0..REQUESTS {
        assert_eq!(server.get("/key", &secret).status, 200);
    }
    id
}

#[track_caller]
fn check_counted(folder: &Path, id: u64) {
    let server = Server::start(folder);
    let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], REQUESTS);
}

#[test]
fn every_orderly_end_flushes() {
    for signal in ["TERM", "INT", "QUIT"] {
        let folder = tempdir().unwrap();
        let server = Server::start_with(folder.path(), &SELDOM);
        let id = count(&server);
        server.signal(signal);
        let (status, errors) = server.wait();
        assert!(status.success(), "{signal}: {errors}");
        check_counted(folder.path(), id);
    }
}

#[test]
fn a_server_that_stops_later_is_not_ready_and_serves_until_a_second_signal() {
    let folder = tempdir().unwrap();
    let later = ("KEYWARD_STOP_DELAY", "10m");
    let server = Server::start_with(folder.path(), &[SELDOM[0], SELDOM[1], later]);
    let ready = || server.send("GET", "/readyz", &[], "");
    assert_eq!(ready().status, 200);
    server.signal("TERM");
    let unready = (0..100_000).map(|_| ready()).find(|response| response.status != 200).unwrap();
    assert_eq!(unready.brief(), r#"503 {"detail":"The server is about to stop"}"#);
    let id = count(&server);
    server.signal("TERM");
    let (status, errors) = server.wait();
    assert!(status.success(), "{errors}");
    assert!(errors.contains("serving for 600 s to come"), "{errors}");
    check_counted(folder.path(), id);
}

#[test]
fn other_signals_end_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &SELDOM);
    let id = count(&server);
    for signal in ["HUP", "USR1", "USR2", "PIPE", "XFSZ"] {
        server.signal(signal);
        assert_eq!(server.send("GET", "/healthz", &[], "").status, 200, "{signal}");
    }
    let (status, errors) = server.stop();
    assert!(status.success(), "{errors}");
    check_counted(folder.path(), id);
}

/// The log of a server, as it comes.
struct Lines {
    coming: Receiver<String>,
    all: String,
}

impl Lines {
    fn of(server: &mut Server) -> Self {
        Self { coming: server.log_lines(), all: String::new() }
    }

    /// Waits for a line with these words that was not read yet.
    #[track_caller]
    fn wait_for(&mut self, words: &str) {
        loop {
            let line = self.coming.recv().expect("it ended without the words");
            self.all += &line;
            if line.contains(words) {
                return;
            }
        }
    }

    /// All of it, once the server has ended.
    fn all(self) -> String {
        self.all + &self.coming.iter().collect::<String>()
    }
}

#[test]
fn settings_are_read_anew_and_all_are_kept_if_one_is_invalid() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (first, second, third) = (new_admin_key(), new_admin_key(), new_admin_key());
    let file = "admin_api_key_file = \"admin.key\"\nlog = \"debug\"\n";
    write("admin.key", &first);
    write("keyward.toml", file);
    let mut server = Server::start_with(folder.path(), &[("KEYWARD_FAILURES_PER_MINUTE", "0")]);
    let mut log = Lines::of(&mut server);
    let forwarded = "x-forwarded-for: 192.0.2.1";
    let status = |key: &str| {
        let key = format!("x-admin-key: {key}");
        server.send("GET", "/admin/tiers", &[&key, forwarded], "").status
    };
    assert_eq!(status(&first), 200);

    // A file that the settings name.
    write("admin.key", &second);
    server.signal("HUP");
    log.wait_for("Read the settings anew");
    assert_eq!((status(&second), status(&first)), (200, 403));

    // Networks and proxies; and a setting that needs a restart.
    let proxied = "trusted_proxies = \"127.0.0.1\"\nadmin_networks = \"192.0.2.0/24\"\n";
    write("keyward.toml", &format!("{file}{proxied}connections_max = 7\n"));
    server.signal("HUP");
    let elsewhere = || {
        let key = format!("x-admin-key: {second}");
        server.send("GET", "/admin/tiers", &[&key, "x-forwarded-for: 198.51.100.1"], "").status
    };
    log.wait_for("Read the settings anew");
    assert_eq!((status(&second), elsewhere()), (200, 403));

    // With an invalid setting, none changes: not the key, nor the networks.
    write("admin.key", &third);
    write("keyward.toml", &format!("{file}flush_every = \"often\"\n"));
    server.signal("HUP");
    log.wait_for("Kept all settings as they were");
    assert_eq!((status(&second), status(&third), elsewhere()), (200, 403, 403));
    // All settings are valid, but the key is weak.
    write("keyward.toml", &format!("{file}{proxied}"));
    write("admin.key", "weak");
    server.signal("HUP");
    log.wait_for("Kept all settings as they were");
    assert_eq!((status(&second), status("weak"), elsewhere()), (200, 403, 403));
    write("admin.key", &third);
    write("keyward.toml", &file.replace("debug", "info"));
    server.signal("HUP");
    log.wait_for("Read the settings anew");
    assert_eq!(status(&third), 200);

    let (ended, _) = server.stop();
    assert!(ended.success());
    let log = log.all();
    for words in [
        "The admin key is another one now",
        "A setting is another one now setting=\"admin_networks\"",
        "A setting needs a restart to take effect setting=\"connections_max\" from=\"1024\" to=\"7\"",
        "Kept all settings as they were",
        "A setting is another one now setting=\"log\"",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    for key in [first, second, third] {
        assert!(!log.contains(&key));
    }
}

#[test]
fn an_admin_key_is_replaced_without_rejecting_any_client() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (old, new) = (new_admin_key(), new_admin_key());
    write("old.key", &old);
    write("new.key", &new);
    write("keyward.toml", "log = \"debug\"\nadmin_api_key_file = \"old.key\"\n");
    let mut server = Server::start_with(folder.path(), &[("KEYWARD_FAILURES_PER_MINUTE", "0")]);
    let mut log = Lines::of(&mut server);
    let status = |key: &str| {
        server.send("GET", "/admin/tiers", &[&format!("x-admin-key: {key}")], "").status
    };
    let both = || (status(&old), status(&new));
    assert_eq!(both(), (200, 403));

    write(
        "keyward.toml",
        "log = \"debug\"\nadmin_api_key_file = \"old.key\"\n\
         admin_api_key_next_file = \"new.key\"\n",
    );
    server.signal("HUP");
    log.wait_for("Read the settings anew");
    assert_eq!(both(), (200, 200));

    // A URL with either of them is rejected.
    for key in [&old, &new] {
        assert_eq!(server.send("GET", &format!("/key?key={key}"), &[], "").status, 400);
    }

    write("keyward.toml", "admin_api_key_file = \"new.key\"\n");
    server.signal("HUP");
    log.wait_for("Read the settings anew");
    assert_eq!(both(), (403, 200));

    let (ended, _) = server.stop();
    assert!(ended.success());
    let log = log.all();
    for words in [
        "The next admin key is another one now",
        "Let in with the admin key that is being replaced address=127.0.0.1",
        "The admin key is another one now",
        "Refused an admin key address=127.0.0.1",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(!log.contains(&old) && !log.contains(&new));
}

/// A program whose terminal has closed.
struct Orphan {
    /// Its process.
    id: String,
    /// Its log, as far as it was not read yet.
    log: BufReader<File>,
    /// The key of the counted requests.
    key_id: u64,
}

impl Orphan {
    /// Starts the program in a terminal, which goes once something was counted. Whether a closed
    /// terminal is ignored is inherited, so it is set: `env` has an option for each.
    fn make(folder: &Path, signal: &str) -> Self {
        let fifo = folder.join("log");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // Either end waits for the other one.
        let opening = thread::spawn(|| File::open(fifo).unwrap());
        let plain = command(folder, &SELDOM);
        let program = plain.get_program().to_str().unwrap();
        let serve = format!("exec env {signal} {program} serve --listen 127.0.0.1:0 2> log");
        let mut script = Command::new("script");
        script.args(["-q", "-c", &format!("echo $$ > pid; {serve}"), "/dev/null"]);
        script.current_dir(folder).env_clear().envs(SELDOM);
        script.env("SHELL", "/bin/sh").env("PATH", "/usr/bin:/bin");
        script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let server = Server::spawn(&mut script);
        let key_id = count(&server);
        // The terminal goes with the program that made it.
        server.kill();
        let id = fs::read_to_string(folder.join("pid")).unwrap().trim().to_owned();
        Self { id, log: BufReader::new(opening.join().unwrap()), key_id }
    }

    /// Waits until it has ended in order.
    #[track_caller]
    fn wait(mut self) -> u64 {
        self.wait_for("Stopped: usage is flushed");
        self.log.read_to_string(&mut String::new()).unwrap();
        self.key_id
    }

    #[track_caller]
    fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "it ended without {words}");
        }
    }
}

#[test]
fn a_closed_terminal_is_an_orderly_end() {
    let folder = tempdir().unwrap();
    let orphan = Orphan::make(folder.path(), "--default-signal=HUP");
    check_counted(folder.path(), orphan.wait());
}

#[test]
fn a_closed_terminal_ends_nothing_under_nohup() {
    let folder = tempdir().unwrap();
    // As `nohup` does.
    let mut orphan = Orphan::make(folder.path(), "--ignore-signal=HUP");
    orphan.wait_for("Read the settings anew");
    assert!(Command::new("kill").args(["-TERM", &orphan.id]).status().unwrap().success());
    check_counted(folder.path(), orphan.wait());
}
