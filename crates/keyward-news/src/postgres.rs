//! Articles in PostgreSQL, in a schema of their own next to that of the keys.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_axum::keyward::UnixMillis;
use keyward_postgres::{Addition, Link, LinkError};
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::article::{Article, NewArticle};
use crate::error::ArticlesError;
use crate::page::PageQuery;
use crate::shelf::{Imported, Known, Shelf, Stored, host};

/// The tables of articles, for the owner of the schema: `keyward migrate` makes them.
pub const ADDITION: Addition = Addition {
    name: "news",
    steps: &[include_str!("../migrations/postgres/0001_articles.sql")],
    rights: &[("articles", "SELECT, INSERT, UPDATE")],
};

/// Most questions that wait at a time.
const READS_WAITING_MAX: usize = 4_096;

/// Most batches that wait at a time. At 6 MB each, they take up to 50 MB.
const WRITES_WAITING_MAX: usize = 8;

macro_rules! article_columns {
    () => {
        "SELECT id, title, url, description, source, category, published_at_ms FROM articles "
    };
}
macro_rules! page {
    ($filter:literal) => {
        concat!(
            article_columns!(),
            "WHERE ",
            $filter,
            "(published_at_ms, id) < ($1, $2) ORDER BY published_at_ms DESC, id DESC LIMIT $3"
        )
    };
}
/// Served by `articles_published`.
const LIST: &str = page!("");
/// Served by `articles_source_published`.
const LIST_SOURCE: &str = page!("source = $4 AND ");
/// Served by `articles_category_published`.
const LIST_CATEGORY: &str = page!("category = $4 AND ");
/// Served by `articles_source_category_published`.
const LIST_BOTH: &str = page!("source = $4 AND category = $5 AND ");

macro_rules! found {
    ($condition:literal) => {
        concat!(
            article_columns!(),
            "WHERE hashtextextended(identity, 0) = hashtextextended($1, 0) AND identity = $1 AND ",
            $condition,
            " ORDER BY id LIMIT 1"
        )
    };
}
/// All served by `articles_identity`.
const FIND: &str = found!("feed = $2");
const FIND_IN_SOURCE: &str = found!("feed IS NULL AND source = $2");
const FIND_AT_URL: &str = found!("feed IS NULL AND url = $2");

const ADD: &str = "INSERT INTO articles \
    (source, identity, title, url, description, category, published_at_ms, feed) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE: &str = "UPDATE articles SET source = $1, identity = $2, title = $3, url = $4, \
    description = $5, category = $6, published_at_ms = $7, feed = $8 WHERE id = $9";

/// One import at a time, of all nodes: an article that two of them bring is one.
const TURN: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('keyward.' || current_schema(), 0))";

/// A value of a statement.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Articles in PostgreSQL.
pub(crate) struct PostgresShelf {
    link: Link,
    reads: Semaphore,
    writes: Semaphore,
    /// Questions share it.
    reading: Mutex<Option<Arc<Client>>>,
    writing: Mutex<Option<Client>>,
}

impl PostgresShelf {
    /// The articles of a link, whose tables are there.
    pub(crate) fn new(link: Link) -> Self {
        let (reads, writes) =
            (Semaphore::new(READS_WAITING_MAX), Semaphore::new(WRITES_WAITING_MAX));
        Self { link, reads, writes, reading: Mutex::default(), writing: Mutex::default() }
    }

    /// The connection for questions, made anew if it broke.
    async fn reading(&self) -> Result<Arc<Client>, ArticlesError> {
        let mut reading = self.reading.lock().await;
        if let Some(client) = reading.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.link.connect_to_read().await?);
        *reading = Some(Arc::clone(&client));
        Ok(client)
    }
}

#[async_trait]
impl Shelf for PostgresShelf {
    async fn list(&self, query: PageQuery) -> Result<Vec<Article>, ArticlesError> {
        let _place = self.reads.try_acquire().map_err(|_| ArticlesError::Busy)?;
        let client = self.reading().await?;
        let before = query.before;
        let limit = i64::try_from(query.limit + 1).unwrap_or(i64::MAX);
        let mut values: Vec<Value<'_>> = vec![
            (&before.published_at_ms, Type::INT8),
            (&before.id, Type::INT8),
            (&limit, Type::INT8),
        ];
        let filters = [&query.source, &query.category];
        values.extend(
            filters.into_iter().flatten().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)),
        );
        let sql = match filters {
            [None, None] => LIST,
            [Some(_), None] => LIST_SOURCE,
            [None, Some(_)] => LIST_CATEGORY,
            [Some(_), Some(_)] => LIST_BOTH,
        };
        let rows = client.query_typed(sql, &values).await.map_err(failed)?;
        rows.iter().map(article).collect()
    }

    async fn import(
        &self,
        batch: Vec<NewArticle>,
        now: UnixMillis,
    ) -> Result<Imported, ArticlesError> {
        let _place = self.writes.try_acquire().map_err(|_| ArticlesError::Busy)?;
        let mut turn = self.writing.lock().await;
        let client = match turn.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.link.connect_to_write().await?,
        };
        // A client with an open transaction is not put back, so that the server ends it.
        let imported = import(&client, batch, now).await?;
        *turn = Some(client);
        Ok(imported)
    }
}

async fn import(
    client: &Client,
    batch: Vec<NewArticle>,
    now: UnixMillis,
) -> Result<Imported, ArticlesError> {
    let mut imported = Imported::default();
    client.batch_execute("BEGIN").await.map_err(failed)?;
    client.batch_execute(TURN).await.map_err(failed)?;
    for new in batch {
        imported.count(store(client, &legible(new), now).await?);
    }
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(imported)
}

/// The article with texts that PostgreSQL can hold: all but U+0000.
fn legible(mut new: NewArticle) -> NewArticle {
    let texts = [&mut new.title, &mut new.description, &mut new.source, &mut new.category];
    let optional = [&mut new.guid, &mut new.feed].into_iter().flatten();
    for text in texts.into_iter().chain(optional).filter(|text| text.contains('\0')) {
        *text = text.replace('\0', "\u{fffd}");
    }
    new
}

async fn store(
    client: &Client,
    new: &NewArticle,
    now: UnixMillis,
) -> Result<Stored, ArticlesError> {
    let known = find(client, new).await?;
    let at = known
        .as_ref()
        .map_or_else(|| new.published_at.unwrap_or(now), |known| known.published_at(new));
    let at = i64::try_from(at.0).unwrap_or(i64::MAX);
    let identity = new.identity();
    let mut values: Vec<Value<'_>> = vec![
        (&new.source, Type::TEXT),
        (&identity, Type::TEXT),
        (&new.title, Type::TEXT),
        (&new.url, Type::TEXT),
        (&new.description, Type::TEXT),
        (&new.category, Type::TEXT),
        (&at, Type::INT8),
        (&new.feed, Type::TEXT),
    ];
    let Some(known) = &known else {
        client.execute_typed(ADD, &values).await.map_err(failed)?;
        return Ok(Stored::Added);
    };
    let is_unchanged = known.is_unchanged(new);
    if !is_unchanged || known.is_adopted {
        values.push((&known.old.id, Type::INT8));
        client.execute_typed(UPDATE, &values).await.map_err(failed)?;
    }
    Ok(if is_unchanged { Stored::Skipped } else { Stored::Updated })
}

/// Finds the article that this one is, as in a file; all that may be it in one round trip.
async fn find(client: &Client, new: &NewArticle) -> Result<Option<Known>, ArticlesError> {
    let one = async |sql: &str, identity: &str, other: &str| {
        let values: [Value<'_>; 2] = [(&identity, Type::TEXT), (&other, Type::TEXT)];
        let found = client.query_typed(sql, &values).await.map_err(failed)?;
        found.first().map(article).transpose()
    };
    let identity = new.identity();
    let Some(feed) = &new.feed else {
        let found = one(FIND_IN_SOURCE, identity, &new.source).await?;
        return Ok(found.map(Known::is_adopted(false)));
    };
    let (in_feed, in_source, at_identity, at_url) = tokio::try_join!(
        one(FIND, identity, feed),
        one(FIND_IN_SOURCE, identity, &new.source),
        one(FIND_AT_URL, identity, &new.url),
        one(FIND_AT_URL, &new.url, &new.url),
    )?;
    if let Some(old) = in_feed {
        return Ok(Some(Known { old, is_adopted: false }));
    }
    let of_host = in_source.filter(|old| host(&old.url) == host(&new.url));
    Ok(of_host.or(at_identity).or(at_url).map(Known::is_adopted(true)))
}

fn article(row: &Row) -> Result<Article, ArticlesError> {
    let read = || -> Result<Article, tokio_postgres::Error> {
        Ok(Article {
            id: row.try_get(0)?,
            title: row.try_get(1)?,
            url: row.try_get(2)?,
            description: row.try_get(3)?,
            source: row.try_get(4)?,
            category: row.try_get(5)?,
            // Nothing before 1970 comes in; a row that another program wrote reads as 1970.
            published_at: UnixMillis(u64::try_from(row.try_get::<_, i64>(6)?).unwrap_or_default()),
        })
    };
    read().map_err(failed)
}

fn failed(error: tokio_postgres::Error) -> ArticlesError {
    LinkError::from(error).into()
}
