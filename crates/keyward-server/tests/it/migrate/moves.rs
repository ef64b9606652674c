//! A file that moves into PostgreSQL: everything comes, and a move that is killed leaves one side
//! that can be used.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use insta::assert_snapshot;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;
use tokio_postgres::types::Type;

use super::place::{Place, Session, place};
use super::told;

const DATABASE: &[u8] = include_bytes!("../../../../keyward-sqlite/tests/it/golden/schema-11.db");
const LEDGER: &[u8] =
    include_bytes!("../../../../keyward-sqlite/tests/it/golden/schema-11.db.ledger");

/// The table of articles as the first version made it, with one in it.
#[cfg(feature = "news")]
const ARTICLE: &str = concat!(
    include_str!("../../../../keyward-news/migrations/0001_articles.sql"),
    "CREATE TABLE news_migrations (number INTEGER PRIMARY KEY, applied_at_ms INTEGER NOT NULL) \
     STRICT; INSERT INTO news_migrations VALUES (1, 1);
     INSERT INTO articles (source, identity, title, url, description, category, published_at_ms)
     VALUES ('s', 'i', 't', 'https://a.example/1', '', '', 1);"
);

/// A file with a little of everything, and an empty database.
struct Desk {
    folder: TempDir,
    place: Place,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyward.db");
        fs::write(&path, DATABASE).unwrap();
        fs::write(folder.path().join("keyward.db.ledger"), LEDGER).unwrap();
        #[cfg(feature = "news")]
        Connection::open(path).unwrap().execute_batch(ARTICLE).unwrap();
        Self { folder, place: place() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        let url = self.place.url(&self.place.owner, "hunter2");
        command.env_clear().env("DATABASE_URL", url).current_dir(self.folder.path()).args(words);
        command
    }

    fn moving(&self) -> Command {
        self.command(&["migrate", "--from", "sqlite:keyward.db"])
    }

    /// Moves, and returns the output.
    fn moved(&self) -> String {
        self.told(&self.moving().output().unwrap())
    }

    fn told(&self, output: &Output) -> String {
        let folder = self.folder.path().canonicalize().unwrap();
        told(&self.place, output).replace(folder.to_str().unwrap(), "FOLDER")
    }

    /// What a server says that is to serve from the file; nothing if it would serve.
    fn is_rejected(&self) -> Option<String> {
        let mut serve = self.command(&["doctor", "--json"]);
        let output = serve.env("DATABASE_URL", "sqlite:keyward.db").output().unwrap();
        let told = self.told(&output);
        told.contains("was moved to").then_some(told)
    }

    fn keys(&self) -> i64 {
        self.place.number("SELECT count(*) FROM keyward.keys")
    }

    /// Begins a move that is held up in the statement that begins like this.
    fn held_up(&self, statement: &str) -> Child {
        let child = self.moving().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' \
             AND wait_event_type = 'Lock' AND query LIKE '{statement}%'",
            self.place.owner
        );
        while self.place.number(&waiting) == 0 {}
        child
    }

    /// Makes the schema, and COMMIT wait for a lock that this session holds until it ends.
    fn with_slow_commit(&self) -> Session {
        assert!(self.command(&["migrate"]).output().unwrap().status.success());
        self.place.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'; \
             CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON keyward.leaks_kept \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
        );
        let session = self.place.session();
        session.execute("SELECT pg_advisory_lock(7)");
        session
    }
}

#[test]
fn everything_is_moved_as_it_was() {
    let desk = Desk::new();
    let role = desk.place.role.clone();
    let moved = desk.moving().args(["--serve-role", &role]).output().unwrap();
    let rejected = desk.is_rejected().unwrap();
    assert!(rejected.contains("keyward.db was moved to postgres://"), "{rejected}");
    assert_snapshot!([desk.told(&moved), desk.moved()].join("\n\n"));
    compare(&desk);
    assert_eq!(desk.place.number("SELECT key_id FROM keyward.cluster"), 42);
    assert_eq!(desk.place.number("SELECT tier_id FROM keyward.cluster"), 6);
    assert_eq!(desk.place.number("SELECT keys FROM keyward.cluster"), 15);
    let parts = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'keyward' \
                 AND indexname IN ('keys_digest', 'keys_parts', 'audit_key', 'usage_key')";
    assert_eq!(desk.place.number(parts), 4, "all indexes are there again");
}

/// Tables of the file itself, and what follows from other tables.
const OF_THE_FILE: [&str; 5] =
    ["keyward_ledger", "keyward_migrations", "keyward_moved", "listed_keys", "news_migrations"];
/// Columns whose values are others: the present hour ends nowhere in a file.
const OTHERS: [(&str, &str); 5] = [
    ("clock", "id"),
    ("leaks_kept", "id"),
    ("usage_batches", "id"),
    ("key_hours", "last_id"),
    ("audit_hours", "last_id"),
];

/// Compares each column of each table of the file with what came of it.
fn compare(desk: &Desk) {
    let file = Connection::open(desk.folder.path().join("keyward.db")).unwrap();
    let tables = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let tables: Vec<String> = strings(&file, tables);
    let mut compared = 0;
    for table in tables.iter().filter(|table| !OF_THE_FILE.contains(&table.as_str())) {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        for column in strings(&file, &columns) {
            if OTHERS.contains(&(table.as_str(), column.as_str())) {
                continue;
            }
            let there: Vec<_> = values(&file, &format!("SELECT {column} FROM {table}"));
            // The migration itself is an entry.
            let from = match table.as_str() {
                "audit" => "keyward.audit WHERE id <= 39".to_owned(),
                "audit_hours" => "keyward.audit_hours WHERE first_id <= 39".to_owned(),
                "articles" => "keyward_news.articles".to_owned(),
                other => format!("keyward.{other}"),
            };
            let here = arrived(desk, &format!("SELECT {column} FROM {from}"));
            assert_eq!(sorted(there), sorted(here), "{table}.{column}");
            compared += 1;
        }
    }
    let articles = if cfg!(feature = "news") { 9 } else { 0 };
    assert_eq!(compared, 80 + articles);
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort_unstable();
    values
}

fn strings(file: &Connection, sql: &str) -> Vec<String> {
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The values of a column in the file.
fn values(file: &Connection, sql: &str) -> Vec<String> {
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    let told = |value: Value| match value {
        Value::Blob(bytes) => format!("{bytes:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Null => "-".to_owned(),
        Value::Real(number) => panic!("{number}"),
    };
    rows.map(|value| told(value.unwrap())).collect()
}

/// The values of a column in PostgreSQL.
fn arrived(desk: &Desk, sql: &str) -> Vec<String> {
    let told = |row: tokio_postgres::Row| {
        let none = || "-".to_owned();
        match *row.columns()[0].type_() {
            Type::BYTEA => {
                row.get::<_, Option<Vec<u8>>>(0).map_or_else(none, |bytes| format!("{bytes:?}"))
            }
            Type::TEXT => row.get::<_, Option<String>>(0).unwrap_or_else(none),
            Type::BOOL => i32::from(row.get::<_, bool>(0)).to_string(),
            Type::INT4 => row.get::<_, i32>(0).to_string(),
            _ => row.get::<_, Option<i64>>(0).map_or_else(none, |number| number.to_string()),
        }
    };
    desk.place.rows(sql).into_iter().map(told).collect()
}

/// Killed while it copies: the file goes on, and PostgreSQL has nothing of it.
#[test]
fn a_move_that_is_killed_while_it_copies_is_none() {
    let desk = Desk::new();
    assert!(desk.command(&["migrate"]).output().unwrap().status.success());
    let session = desk.place.session();
    session.execute("BEGIN; LOCK TABLE keyward.usage_batches IN ACCESS EXCLUSIVE MODE");
    let mut child = desk.held_up("COPY usage_batches");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(desk.is_rejected().is_none());
    session.execute("COMMIT");
    assert_eq!(desk.keys(), 0);
    assert!(desk.moved().contains("Its audit trail is whole"));
    assert!(desk.is_rejected().is_some());
    compare(&desk);
}

/// Killed after the file was marked, and the server did not keep it: the same command finishes it.
#[test]
fn a_move_that_is_killed_before_it_is_kept_is_finished() {
    let desk = Desk::new();
    let session = desk.with_slow_commit();
    let mut child = desk.held_up("NOTIFY");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(desk.is_rejected().is_some(), "never are both of use");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'",
        desk.place.owner
    );
    desk.place.execute(&end);
    session.execute("SELECT pg_advisory_unlock(7)");
    assert!(desk.moved().contains("Its audit trail is whole"));
    assert!(desk.is_rejected().is_some());
    compare(&desk);
}

/// Killed while the server was keeping it, which it did: there is nothing left to do.
#[test]
fn a_move_that_is_killed_while_it_is_kept_is_recognised() {
    let desk = Desk::new();
    let session = desk.with_slow_commit();
    let mut child = desk.held_up("NOTIFY");
    child.kill().unwrap();
    child.wait().unwrap();
    session.execute("SELECT pg_advisory_unlock(7)");
    // It waits for the session that is still committing.
    assert!(desk.moved().contains("already"));
    assert!(desk.is_rejected().is_some());
    compare(&desk);
}

/// A server that cannot keep it says so, and the file goes on.
#[test]
fn a_move_that_fails_in_the_end_is_taken_back() {
    let desk = Desk::new();
    assert!(desk.command(&["migrate"]).output().unwrap().status.success());
    desk.place.execute(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''no room''; END'; \
         CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON keyward.leaks_kept \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()",
    );
    let told = desk.moved();
    assert!(told.contains("no room"), "{told}");
    assert!(desk.is_rejected().is_none());
    assert_eq!(desk.keys(), 0);
    desk.place.execute("DROP TRIGGER fails ON keyward.leaks_kept");
    assert!(desk.moved().contains("Its audit trail is whole"));
}
