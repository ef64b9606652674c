//! All that a file has is moved, and a moved file is recognised.

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::SqliteStore;

const DATABASE: &[u8] = include_bytes!("../../tests/it/golden/schema-11.db");
const LEDGER: &[u8] = include_bytes!("../../tests/it/golden/schema-11.db.ledger");
const NOW: UnixMillis = UnixMillis(1_795_550_400_000);

/// Tables that are not moved: they say how far the file itself has come, or follow from others.
const OF_THE_FILE: [&str; 4] =
    ["keyward_ledger", "keyward_migrations", "listed_keys", "sqlite_sequence"];

/// A file with a little of everything.
fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    fs::write(&path, DATABASE).unwrap();
    fs::write(path.with_extension("db.ledger"), LEDGER).unwrap();
    (directory, path)
}

fn all(moving: &mut Moving) -> Vec<Rows> {
    std::iter::from_fn(|| moving.next().unwrap()).collect()
}

/// A table or column that is new in the schema has to be moved, or to be named here.
#[test]
fn every_column_of_every_table_is_moved() {
    let (_directory, path) = file();
    let moving = Moving::open(&path, NOW).unwrap();
    let column = "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) c \
                  WHERE t.schema = 'main' AND t.type = 'table' AND c.hidden = 0 \
                  AND t.name <> 'sqlite_schema'";
    let mut columns = moving.connection.prepare(column).unwrap();
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let columns: BTreeSet<(String, String)> = columns.map(Result::unwrap).collect();
    let moved: BTreeSet<_> = TABLES
        .iter()
        .flat_map(|table| {
            table.columns.iter().map(|(name, _)| (table.name.to_owned(), (*name).to_owned()))
        })
        .collect();
    let left: Vec<_> = columns
        .difference(&moved)
        .filter(|(table, _)| !OF_THE_FILE.contains(&table.as_str()))
        .map(|(table, column)| format!("{table}.{column}"))
        .collect();
    // The order in which writers came is that of their rows; the two others are `one`.
    assert_eq!(left, ["clock.id", "leaks_kept.id", "usage_batches.id"]);
    let tables: BTreeSet<_> = columns.iter().map(|(table, _)| table.as_str()).collect();
    assert!(TABLES.iter().all(|table| tables.contains(table.name)));
}

#[test]
fn pages_of_any_size_have_the_same_rows() {
    let (_directory, path) = file();
    let mut moving = Moving::open(&path, NOW).unwrap();
    let whole = all(&mut moving);
    assert_eq!(whole.len() + 1, TABLES.len(), "no secret of it has a known prefix");
    for page_max in [1, 2, 7] {
        (moving.at, moving.page_max) = ((0, None), page_max);
        let pages = all(&mut moving);
        assert!(pages.iter().all(|page| page.rows.len() <= page_max));
        for table in &whole {
            let of_it = pages.iter().filter(|page| page.table == table.table);
            let rows: Vec<_> = of_it.flat_map(|page| page.rows.clone()).collect();
            assert_eq!(rows, table.rows, "{} by {page_max}", table.table);
        }
    }
}

/// Articles are another part of the program's, in the same file.
#[test]
fn articles_are_moved_if_there_are_any() {
    let (_directory, path) = file();
    let connection = Connection::open(&path).unwrap();
    for sql in [
        include_str!("../../../keyward-news/migrations/0001_articles.sql"),
        include_str!("../../../keyward-news/migrations/0002_feeds.sql"),
        "CREATE TABLE news_migrations (number INTEGER PRIMARY KEY);
         INSERT INTO articles (source, identity, title, url, description, category, published_at_ms)
         VALUES ('s', 'i', 'a' || char(0) || 'b', 'https://a.example/1', '', '', 1);",
    ] {
        connection.execute_batch(sql).unwrap();
    }
    drop(connection);
    let mut moving = Moving::open(&path, NOW).unwrap();
    assert!(moving.has_articles().unwrap());
    let last = all(&mut moving).pop().unwrap();
    assert_eq!((last.table, last.rows.len()), ("news.articles", 1));
    assert_eq!(last.rows[0][4], Cell::Text("a\u{fffd}b".to_owned()));
    let columns = "SELECT name FROM pragma_table_info('articles')";
    let mut columns = moving.connection.prepare(columns).unwrap();
    let columns = columns.query_map([], |row| row.get(0)).unwrap();
    assert_eq!(last.columns, columns.collect::<Result<Vec<String>, _>>().unwrap());
}

#[test]
fn a_moved_file_is_not_served_and_says_where_all_of_it_is() {
    let (_directory, path) = file();
    let mut moving = Moving::open(&path, NOW).unwrap();
    assert!(!moving.has_articles().unwrap());
    assert_eq!(moving.left_for(), None);
    let held = SqliteStore::open(&path, "a test", NOW).unwrap_err();
    assert!(matches!(held, OpenError::Locked { .. }), "{held}");
    moving.leave("postgres://db.example:5432/keyward").unwrap();
    drop(moving);
    for _ in 0..2 {
        let moved = SqliteStore::open(&path, "a test", NOW).unwrap_err();
        let OpenError::Moved { place, .. } = &moved else { panic!("{moved}") };
        assert_eq!(place, "postgres://db.example:5432/keyward");
        assert!(matches!(crate::inspect(&path), Err(OpenError::Moved { .. })));
    }
    let mut again = Moving::open(&path, NOW).unwrap();
    assert_eq!(again.left_for(), Some("postgres://db.example:5432/keyward"));
    assert_eq!(again.progress().unwrap().change.0, 39);
    // An older version goes by this number alone.
    let newest = "SELECT max(number) FROM keyward_migrations";
    let newest: u32 = again.connection.query_row(newest, [], |row| row.get(0)).unwrap();
    assert!(schema::known() < newest);
    again.stay().unwrap();
    drop(again);
    drop(SqliteStore::open(&path, "a test", NOW).unwrap());
}

#[test]
fn a_file_that_lacks_changes_is_not_moved() {
    let (_directory, path) = file();
    let store = SqliteStore::open(&path, "a test", NOW).unwrap();
    assert!(matches!(Moving::open(&path, NOW), Err(OpenError::Locked { .. })));
    drop(store);
    fs::remove_file(path.with_extension("db.ledger")).unwrap();
    let lost = Moving::open(&path, NOW).unwrap_err();
    assert!(matches!(lost, OpenError::Lost { .. }), "{lost}");
    let absent = Moving::open(&path.with_extension("other"), NOW).unwrap_err();
    assert!(matches!(absent, OpenError::Other { .. }), "{absent}");
}
