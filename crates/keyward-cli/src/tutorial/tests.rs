//! Keys out of the tutorial's file, as its Python writes it.

use std::fs;

use tempfile::TempDir;

use super::*;

/// The schema that `Base.metadata.create_all` makes of the tutorial's model.
const SCHEMA: &str = "CREATE TABLE api_keys (\n\tid INTEGER NOT NULL, \n\t\
    key_hash VARCHAR(64) NOT NULL, \n\tname VARCHAR(100) NOT NULL, \n\t\
    rate_limit_tier VARCHAR(20) NOT NULL, \n\tis_active BOOLEAN NOT NULL, \n\t\
    created_at DATETIME NOT NULL, \n\tlast_used_at DATETIME, \n\tPRIMARY KEY (id)\n);\n\
    CREATE UNIQUE INDEX ix_api_keys_key_hash ON api_keys (key_hash);";

/// A directory with a file, and the connection of the program that uses it.
struct File {
    _directory: TempDir,
    path: PathBuf,
    writer: Connection,
}

impl File {
    fn new(mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("news.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", mode).unwrap();
        Self { _directory: directory, path, writer }
    }

    fn with_table(mode: &str) -> Self {
        let file = Self::new(mode);
        file.writer.execute_batch(SCHEMA).unwrap();
        file
    }

    fn insert(&self, id: u64) {
        let values = format!(
            "{id}, '{id:064x}', 'bot {id}', 'basic', 1, '2024-05-01 12:34:56.123456', NULL"
        );
        self.insert_values(&values);
    }

    fn insert_values(&self, values: &str) {
        let statement = format!("INSERT INTO api_keys VALUES ({values})");
        self.writer.execute_batch(&statement).unwrap();
    }
}

#[test]
fn keys_are_read_as_they_were_written() {
    let file = File::with_table("delete");
    let hash = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    file.insert_values(&format!(
        "7, '{hash}', 'mobile', 'pro', 0, '2024-05-01 12:34:56', '2024-05-02 00:00:00.000001'"
    ));
    let mut tutorial = Tutorial::open(&file.path).unwrap();
    assert_eq!(tutorial.count().unwrap(), 1);
    let page = tutorial.next_page(10).unwrap();
    let key = page[0].as_ref().unwrap();
    assert_eq!(key.id, KeyId::new(7).unwrap());
    assert_eq!(key.digest.as_bytes()[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    assert_eq!((key.name.as_str(), key.tier.as_str()), ("mobile", "pro"));
    assert!(!key.is_active);
    assert_eq!(key.created_at, Some(UnixMillis(1_714_566_896_000)));
    assert_eq!(key.last_used_at, Some(UnixMillis(1_714_608_000_000)));
    assert!(tutorial.next_page(10).unwrap().is_empty());
}

#[test]
fn pages_hold_every_row_once() {
    let file = File::with_table("delete");
    (1..=7).for_each(|id| file.insert(id));
    let mut tutorial = Tutorial::open(&file.path).unwrap();
    let mut ids = Vec::new();
    loop {
        let page = tutorial.next_page(3).unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        ids.extend(page.into_iter().map(|row| row.unwrap().id.get()));
    }
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_file_in_use_is_read_and_not_locked() {
    for mode in ["wal", "delete"] {
        let file = File::with_table(mode);
        file.insert(1);
        file.insert(2);
        let mut tutorial = Tutorial::open(&file.path).unwrap();
        assert_eq!(tutorial.next_page(1).unwrap().len(), 1, "{mode}");
        // Between two pages the tutorial can write, and its writes are seen.
        file.insert(3);
        assert_eq!(tutorial.next_page(10).unwrap().len(), 2, "{mode}");
    }
}

#[test]
fn bad_rows_are_told_and_the_others_go_on() {
    let file = File::with_table("delete");
    file.insert(1);
    file.insert_values("2, 'a-secret-in-the-wrong-place', 'x', 'basic', 1, '2024-05-01', NULL");
    let hash = |id: u32| format!("'{id:064x}'");
    file.insert_values(&format!("3, {}, 'x', 'basic', 2, '2024-05-01', NULL", hash(3)));
    file.insert_values(&format!("4, {}, 'x', 'basic', 1, 'yesterday', NULL", hash(4)));
    file.insert_values(&format!("-5, {}, 'x', 'basic', 1, '2024-05-01', NULL", hash(5)));
    file.insert_values(&format!("6, {}, X'ff', 'basic', 1, '2024-05-01', 5", hash(6)));
    let high = format!("4503599627370496, {}, 'x', 'basic', 1, '2024-05-01', NULL", hash(7));
    file.insert_values(&high);
    let page = Tutorial::open(&file.path).unwrap().next_page(10).unwrap();
    let bad: Vec<_> = page.iter().filter_map(|row| row.as_ref().err()).collect();
    let expected = [
        (-5, "`id` is not a whole number from 1 to 4503599627370495"),
        (2, "`key_hash` is not a SHA-256 in 64 hex digits"),
        (3, "`is_active` is neither 0 nor 1"),
        (4, "`created_at` is not a time"),
        (6, "`name` is not a text"),
        (4_503_599_627_370_496, "`id` is not a whole number from 1 to 4503599627370495"),
    ];
    let expected = expected.map(|(id, reason)| BadRow { id, reason: reason.to_owned() });
    assert_eq!(bad, expected.iter().collect::<Vec<_>>());
    assert_eq!(page.len(), 7);
}

#[test]
fn what_is_missing_is_named() {
    let file = File::new("delete");
    file.writer.execute_batch("CREATE TABLE articles (id INTEGER)").unwrap();
    let error = Tutorial::open(&file.path).unwrap_err();
    assert!(matches!(error, TutorialError::TableMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("has no table `api_keys`"), "{error}");

    let table = SCHEMA.replace("last_used_at DATETIME, \n\t", "");
    file.writer.execute_batch(&table).unwrap();
    let error = Tutorial::open(&file.path).unwrap_err();
    assert!(error.to_string().ends_with("has no column `last_used_at`"), "{error}");
}

#[test]
fn another_file_is_rejected_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("news.db");
    let error = Tutorial::open(&path).unwrap_err();
    assert!(matches!(error, TutorialError::Unreadable { .. }), "{error:?}");
    assert!(!path.exists());
    fs::write(&path, "id,key_hash\n".repeat(100)).unwrap();
    let error = Tutorial::open(&path).unwrap_err();
    assert!(matches!(error, TutorialError::NotADatabase { .. }), "{error:?}");
}

#[test]
fn a_path_is_read_as_the_tutorial_writes_it() {
    for (url, path) in [
        ("sqlite:///./news.db", "./news.db"),
        ("sqlite:///news.db", "news.db"),
        ("sqlite:////srv/news.db", "/srv/news.db"),
        ("sqlite+aiosqlite:///./news.db?timeout=5", "./news.db"),
        ("sqlite:news.db", "news.db"),
        ("sqlite:/srv/news.db", "/srv/news.db"),
    ] {
        assert_eq!(sqlite_path(url).as_deref(), Some(Path::new(path)), "{url}");
    }
    for other in ["news.db", "sqlite:", "sqlite://host/news.db", "https://a.example/news.db"] {
        assert_eq!(sqlite_path(other), None, "{other}");
    }
}
