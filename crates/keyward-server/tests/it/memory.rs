//! The memory of the program keeps no secret that it issued, and no admin key.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use memchr::memmem;
use tempfile::tempdir;

use crate::server::{Response, Server, command, issued, new_admin_key};

/// Most looks at the memory until nothing is left: a connection that was closed at this end is
/// closed at the other a moment later.
const LOOKS_MAX: usize = 200;
/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;

/// The program in this folder, so that its memory can be looked at.
///
/// Only root may look at it. Another user becomes root in a user namespace; where that is forbidden
/// too, these tests fail and report it, for they could show nothing.
fn watched(folder: &Path, environment: &[(&str, &str)]) -> Command {
    let plain = command(folder, environment);
    if is_root() {
        return plain;
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(folder).env_clear().envs(environment.iter().copied());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The regions of memory that contain one of these texts, but for the stacks of threads:
/// SECURITY.md says that a text may stay there until another request writes over it.
fn regions_with(id: u32, texts: &[String]) -> BTreeSet<String> {
    let memory = File::open(format!("/proc/{id}/mem"));
    let memory = memory.expect("only root may look: run as root, or let users have name spaces");
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let (mut found, mut guard) = (BTreeSet::new(), None);
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let at = |text| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (at(from), at(to));
        // One page without access, and a stack right after it.
        let is_stack = guard == Some(from);
        guard = (rights.starts_with("---") && to - from == 4_096).then_some(to);
        if rights.starts_with("rw") && !is_stack && holds(&memory, from, to, texts) {
            found.insert(fields.nth(3).unwrap_or(range).to_owned());
        }
    }
    found
}

fn holds(memory: &File, mut from: u64, to: u64, texts: &[String]) -> bool {
    let longest = texts.iter().map(String::len).max().unwrap();
    let mut bytes = vec![0; CHUNK + longest];
    while from < to {
        let wanted = bytes.len().min(usize::try_from(to - from).unwrap());
        // A region may be gone since, or have no memory.
        let Ok(read) = memory.read_at(&mut bytes[..wanted], from) else { return false };
        if read == 0 {
            return false;
        }
        if texts.iter().any(|text| memmem::find(&bytes[..read], text.as_bytes()).is_some()) {
            return true;
        }
        // A text that begins in one piece may end in the next.
        from += CHUNK as u64;
    }
    false
}

/// Looks until none of the texts is anywhere but in these regions.
#[track_caller]
fn check_gone(server: &Server, texts: &[String], but: &[&str]) {
    let but: BTreeSet<_> = but.iter().copied().map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for _ in 0..LOOKS_MAX {
        found = regions_with(server.id(), texts);
        if found == but {
            return;
        }
    }
    panic!("it is still in {found:?}");
}

/// Issues keys, uses and rotates them, with this admin key; all connections are closed then.
/// Returns the secret texts: half of a secret alone would give it away.
fn live(server: &Server, admin_key: &str) -> Vec<String> {
    let admin = |method: &str, path: &str, body: &str| -> Response {
        server.send(method, path, &[&format!("x-admin-key: {admin_key}")], body)
    };
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let response = admin("POST", "/admin/api-keys", r#"{"name":"short-lived"}"#);
        assert_eq!(response.status, 201, "{}", response.body);
        let (id, secret) = issued(&response);
        assert_eq!(server.get("/key", &secret).status, 200);
        let named = admin("POST", "/admin/api-keys", &format!(r#"{{"name":"{secret}"}}"#));
        assert_eq!(named.status, 422, "{}", named.body);
        let rotated = admin("POST", &format!("/admin/api-keys/{id}/rotate"), "");
        let (_, second) = issued(&rotated);
        assert_eq!(server.get("/key", &second).status, 200);
        secrets.extend([secret, second]);
    }
    let half = |secret: &String| {
        let digits = &secret[secret.len() - 45..];
        [digits[..22].to_owned(), digits[22..].to_owned()]
    };
    secrets.iter().flat_map(half).collect()
}

fn halves_of(admin_key: &str) -> [String; 2] {
    let (first, second) = admin_key.split_at(admin_key.len() / 2);
    [first.to_owned(), second.to_owned()]
}

#[test]
fn secrets_and_the_admin_key_are_wiped_from_memory() {
    let folder = tempdir().unwrap();
    let admin_key = new_admin_key();
    fs::write(folder.path().join("admin.key"), &admin_key).unwrap();
    let next = new_admin_key();
    fs::write(folder.path().join("next.key"), &next).unwrap();
    let environment = [
        ("KEYWARD_ADMIN_API_KEY_FILE", "admin.key"),
        ("KEYWARD_ADMIN_API_KEY_NEXT_FILE", "next.key"),
    ];
    let server = Server::spawn(&mut watched(folder.path(), &environment));
    let mut texts = live(&server, &admin_key);
    texts.extend(live(&server, &next));
    texts.extend(halves_of(&admin_key));
    texts.extend(halves_of(&next));
    check_gone(&server, &texts, &[]);
    // These tests can find a text that is in memory: the name of a key.
    let name = ["short-lived".to_owned()];
    assert!(!regions_with(server.id(), &name).is_empty(), "no text can be found");
}

#[test]
fn an_admin_key_of_the_environment_stays_in_the_environment_only() {
    let folder = tempdir().unwrap();
    let admin_key = new_admin_key();
    let server =
        Server::spawn(&mut watched(folder.path(), &[("ADMIN_API_KEY", admin_key.as_str())]));
    let secrets = live(&server, &admin_key);
    check_gone(&server, &secrets, &[]);
    check_gone(&server, &halves_of(&admin_key), &["[stack]"]);
}

#[test]
fn the_program_leaves_no_dump() {
    let folder = tempdir().unwrap();
    let plain = command(folder.path(), &[]);
    let mut command = Command::new("/bin/sh");
    command.env_clear();
    // Dumps are on where that is permitted.
    command.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.current_dir(folder.path()).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let server = Server::spawn(&mut command);
    if !is_root() {
        // A file of our process that belongs to root is closed to every other user.
        let memory = fs::metadata(format!("/proc/{}/mem", server.id())).unwrap();
        assert_eq!(memory.uid(), 0);
    }
    server.signal("ABRT");
    let (status, _) = server.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    assert!(!folder.path().join("core").exists());
}
