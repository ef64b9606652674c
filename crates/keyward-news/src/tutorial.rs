//! Articles out of the tutorial's own SQLite file, so that they move with its keys.
//!
//! The tutorial keeps a table `articles (id, title, description, url, source, category,
//! published_at, …)`. The file is opened for reading only and may be in use meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use crate::article::{
    CATEGORY_DEFAULT, CATEGORY_MAX, DESCRIPTION_MAX, NewArticle, SOURCE_MAX, TITLE_MAX, Writing,
    web_url,
};
use crate::date;
use crate::feed::Feed;
use crate::text;

/// Columns that an article is made of; the first two have to be there.
const COLUMNS: [&str; 6] = ["title", "url", "description", "source", "category", "published_at"];

/// Most rows in memory.
const PAGE: u32 = 1_000;

/// How long a page waits for the tutorial to end a write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The tutorial's file, read page by page.
#[derive(Debug)]
pub struct Tutorial {
    connection: Connection,
    path: PathBuf,
    /// Served by the table itself, which is ordered by `rowid`; the page size bounds the rows.
    sql: String,
    /// The last row of the page before.
    last: i64,
}

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TutorialError {
    /// It is no database, is not there, is damaged, or is locked for too long.
    #[error("{path} cannot be read; name the SQLite file that the tutorial uses")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// There is no table `articles`, or it lacks a column.
    #[error("{path} has no table `articles` with the column `{column}`; name the tutorial's file")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
}

impl Tutorial {
    /// Opens the file for reading, and looks whether the table is there.
    ///
    /// # Errors
    ///
    /// Returns [`TutorialError`], whose variants name the missing parts.
    pub fn open(path: &Path) -> Result<Self, TutorialError> {
        let failed = |source| TutorialError::Unreadable { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let found = columns(&connection).map_err(failed)?;
        let is_there = |column: &&str| found.iter().any(|name| name == column);
        let [title, url, ..] = COLUMNS;
        if let Some(column) = [title, url].into_iter().find(|column| !is_there(column)) {
            return Err(TutorialError::Missing { path: path.to_owned(), column });
        }
        let columns = COLUMNS.map(|column| if is_there(&column) { column } else { "NULL" });
        let columns = columns.join(", ");
        let sql = format!(
            "SELECT rowid, {columns} FROM articles WHERE ?1 < rowid ORDER BY rowid LIMIT ?2"
        );
        Ok(Self { connection, path: path.to_owned(), sql, last: i64::MIN })
    }

    /// Reads the next articles in the order of their ids, at most 1 000; `None` if there are no
    /// more. A row that is no article is left out, and said.
    ///
    /// # Errors
    ///
    /// Returns [`TutorialError`] if the file cannot be read any more.
    pub fn next_page(&mut self) -> Result<Option<Feed>, TutorialError> {
        let page = read_page(&self.connection, &self.sql, &mut self.last);
        page.map_err(|source| TutorialError::Unreadable { path: self.path.clone(), source })
    }
}

fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info('articles')")?;
    statement.query_map((), |row| row.get(0))?.collect()
}

fn read_page(connection: &Connection, sql: &str, last: &mut i64) -> rusqlite::Result<Option<Feed>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((*last, PAGE))?;
    let mut page = None;
    while let Some(row) = rows.next()? {
        *last = row.get(0)?;
        let page = page.get_or_insert_with(Feed::default);
        match article(row) {
            Ok((article, note)) => {
                page.articles.push(article);
                page.notes.extend(note.map(|note| format!("id {last}: {note}")));
            }
            Err(reason) => {
                page.left_out += 1;
                page.notes.push(format!("id {last}: {reason}; left out"));
            }
        }
    }
    Ok(page)
}

/// Reads a row, with a note about it if there is one.
fn article(row: &Row<'_>) -> Result<(NewArticle, Option<String>), String> {
    let value = |at: usize| match row.get_ref(at) {
        Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Real(number)) => number.to_string(),
        Ok(ValueRef::Null | ValueRef::Blob(_)) | Err(_) => String::new(),
    };
    let url = web_url(&value(2)).ok_or("`url` is no http or https URL")?;
    let title = text::cut(text::of_plain(&value(1)), TITLE_MAX);
    if title.is_empty() {
        return Err("`title` is empty".to_owned());
    }
    let label = |at, max| text::cut(text::of_plain(&value(at)), max);
    let host = || text::cut(host(&url), SOURCE_MAX);
    let source = Some(label(4, SOURCE_MAX)).filter(|source| !source.is_empty());
    let category = Some(label(5, CATEGORY_MAX)).filter(|category| !category.is_empty());
    let date = value(6);
    let published_at = date::parse(&date);
    let is_unread = published_at.is_none() && !date.trim().is_empty();
    let note = is_unread.then(|| "`published_at` is no date that can be read".to_owned());
    let article = NewArticle {
        title,
        description: text::cut(text::of_html(&value(3)), DESCRIPTION_MAX),
        description_format: Writing::Text,
        source: source.unwrap_or_else(host),
        category: category.unwrap_or_else(|| CATEGORY_DEFAULT.to_owned()),
        published_at,
        guid: None,
        feed: None,
        url,
    };
    Ok((article, note))
}

fn host(url: &str) -> String {
    let host = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    host.unwrap_or_default().to_owned()
}
