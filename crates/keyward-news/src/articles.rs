//! The articles themselves: opening their tables, listing and importing.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_axum::keyward::UnixMillis;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::article::{Article, NewArticle};
use crate::error::ArticlesError;
use crate::migrations::migrate;
use crate::page::PageQuery;
use crate::rows;
use crate::shelf::{Imported, Shelf};
use crate::workers::{Asked, Workers};

/// Threads that read. Two, because a page costs some microseconds and cores have other work.
const READERS: usize = 2;

/// Most questions that wait for a reader. At 50 µs each, the last one waits for some 100 ms.
const READS_WAITING_MAX: usize = 4_096;

/// Most batches that wait for the writer. At 6 MB each, they take up to 50 MB.
const WRITES_WAITING_MAX: usize = 8;

/// How long a write waits for another writer of the same file, such as the key store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

// Writes that were acknowledged survive the loss of power, on macOS as well: there only `fullfsync`
// reaches past the disk's cache. A checkpoint of this connection moves the key store's writes to
// the same file too, so it takes as much care of them, and waits as long for it to be worth its
// price. It does come: the articles may have a file of their own.
const WRITER_PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA wal_autocheckpoint = 32768;
";

/// Articles, in an SQLite file or in PostgreSQL. A clone is the same.
///
/// Of a file, one thread writes and two read, so that no async thread waits for a disk. They end
/// with the last clone: dropping it waits for writes under way.
#[derive(Clone)]
pub struct Articles(Arc<dyn Shelf>);

/// Articles in a file.
struct FileShelf {
    readers: Workers,
    writer: Workers,
    check: Check,
}

/// Asked by the thread that writes, before and after each commit: why nothing may be written now.
/// It must not wait.
pub type Check = Arc<dyn Fn() -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync>;

impl Articles {
    /// Opens the articles in this file, makes it if it is not there, and brings their tables up to
    /// date. It blocks; call it before serving.
    ///
    /// # Errors
    ///
    /// Returns [`ArticlesError`] if the file cannot be read and written, was written by a later
    /// version, or no thread can be started. The tables are then as they were.
    pub fn open(path: &Path, now: UnixMillis) -> Result<Self, ArticlesError> {
        Self::open_checked(path, now, Arc::new(|| Ok(())))
    }

    /// The same for a file that other code watches, such as the store of the keys: a batch is only
    /// stored while `check` lets it.
    ///
    /// # Errors
    ///
    /// As [`Articles::open`].
    pub fn open_checked(path: &Path, now: UnixMillis, check: Check) -> Result<Self, ArticlesError> {
        Ok(Self(Arc::new(FileShelf::open(path, now, check)?)))
    }

    /// The articles of a database of PostgreSQL. Their tables are made by the owner of its schema
    /// with [`ADDITION`](crate::ADDITION); in the database of the keys they are next to these.
    ///
    /// # Errors
    ///
    /// Returns [`ArticlesError`] if the database cannot be used, the tables are not those of this
    /// version, or the role lacks rights.
    #[cfg(feature = "postgres")]
    pub async fn open_in_postgres(
        options: &keyward_postgres::OpenOptions,
    ) -> Result<Self, ArticlesError> {
        let link = keyward_postgres::Link::open(options, &crate::ADDITION).await?;
        Ok(Self(Arc::new(crate::postgres::PostgresShelf::new(link))))
    }

    /// The articles that the query asks for, newest first, and one more if there is a next page.
    pub(crate) async fn list(&self, query: PageQuery) -> Result<Vec<Article>, ArticlesError> {
        self.0.list(query).await
    }

    /// Stores a batch, all or nothing, and survives a crash from then on. An article is known by
    /// its source and its [`identity`](NewArticle::identity), so importing a batch again changes
    /// nothing. One without a time of publication keeps the one it has, or else gets `now`.
    ///
    /// # Errors
    ///
    /// Returns [`ArticlesError`] if it is not known whether the batch was stored.
    pub async fn import(
        &self,
        batch: Vec<NewArticle>,
        now: UnixMillis,
    ) -> Result<Imported, ArticlesError> {
        self.0.import(batch, now).await
    }
}

impl FileShelf {
    fn open(path: &Path, now: UnixMillis, check: Check) -> Result<Self, ArticlesError> {
        let mut writing = Connection::open(path)?;
        set_up(&writing)?;
        writing.pragma_update(None, "journal_mode", "wal")?;
        writing.execute_batch(WRITER_PRAGMAS)?;
        migrate(&mut writing, now)?;
        let reading = (0..READERS).map(|_| open_to_read(path)).collect::<Result<_, _>>()?;
        let readers = Workers::start("articles-read", reading, READS_WAITING_MAX)?;
        let writer = Workers::start("articles-write", vec![writing], WRITES_WAITING_MAX)?;
        Ok(Self { readers, writer, check })
    }
}

#[async_trait]
impl Shelf for FileShelf {
    async fn list(&self, query: PageQuery) -> Result<Vec<Article>, ArticlesError> {
        let listing = move |connection: &mut Connection| rows::list(connection, &query);
        self.readers.ask(Asked::ToRead, listing).await
    }

    async fn import(
        &self,
        batch: Vec<NewArticle>,
        now: UnixMillis,
    ) -> Result<Imported, ArticlesError> {
        let check = Arc::clone(&self.check);
        let importing =
            move |connection: &mut Connection| Ok(rows::import(connection, &batch, now, &*check));
        self.writer.ask(Asked::ToWrite, importing).await?
    }
}

impl fmt::Debug for Articles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Articles").finish_non_exhaustive()
    }
}

fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    // SQLite opens the write-ahead log at the first read, by its path: from then on it reads the
    // opened file, even if that is moved.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// The settings of every connection.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // In WAL mode a reader waits for no other connection, except while the file is recovered after
    // a crash.
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise each run of a statement with a bound `LIMIT` compiles it anew, in case another
    // value asks for another plan (<https://sqlite.org/queryplanner-ng.html#qpstab>).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use keyward_axum::input;
    use rusqlite::StatementStatus;

    use super::*;
    use crate::batch::Batch;

    fn open(directory: &tempfile::TempDir) -> FileShelf {
        let path = directory.path().join("news.db");
        FileShelf::open(&path, UnixMillis(1), Arc::new(|| Ok(()))).unwrap()
    }

    #[tokio::test]
    async fn a_write_waits_for_the_disk_as_the_key_store_does() {
        let directory = tempfile::tempdir().unwrap();
        let articles = open(&directory);
        for (name, value) in [
            ("synchronous", 2),
            ("fullfsync", 1),
            ("checkpoint_fullfsync", 1),
            ("wal_autocheckpoint", 32_768),
        ] {
            let ask = move |connection: &mut Connection| {
                connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            };
            let found = articles.writer.ask(Asked::ToWrite, ask).await.unwrap();
            assert_eq!(found, value, "{name}");
        }
    }

    #[tokio::test]
    async fn a_page_is_read_without_compiling_its_statement_anew() {
        let directory = tempfile::tempdir().unwrap();
        let articles = open(&directory);
        let read = |connection: &mut Connection| {
            let sql = "SELECT id FROM articles ORDER BY published_at_ms DESC LIMIT ?1";
            let mut statement = connection.prepare(sql)?;
            for limit in 1..=20 {
                assert!(statement.query([limit])?.next()?.is_none());
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        };
        assert_eq!(articles.readers.ask(Asked::ToRead, read).await.unwrap(), 0);
        assert_eq!(articles.writer.ask(Asked::ToWrite, read).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_batch_is_only_stored_while_the_check_lets_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("news.db");
        let batch = || {
            let text = r#"{"articles":[{"source":"s","title":"t","url":"https://a.example/1"}]}"#;
            Batch::read(input::json_object(text.as_bytes()).unwrap()).unwrap().articles
        };
        // Asked before the commit, and after it.
        for (rejected, stored) in [(1, 0), (2, 1)] {
            let asked = AtomicU64::new(0);
            let check = move || match asked.fetch_add(1, Ordering::Relaxed) + 1 {
                asked if asked == rejected => Err("the file is gone".into()),
                _ => Ok(()),
            };
            let articles = Articles::open_checked(&path, UnixMillis(1), Arc::new(check)).unwrap();
            let error = articles.import(batch(), UnixMillis(1)).await.unwrap_err();
            assert!(matches!(error, ArticlesError::Lost(_)), "{error}");
            let list = PageQuery::parse(None).unwrap();
            assert_eq!(articles.list(list).await.unwrap().len(), stored);
        }
    }
}
