//! The SQL of articles: a page of the list, and a batch to import.

use std::error::Error;

use keyward_axum::keyward::UnixMillis;
use rusqlite::{
    CachedStatement, Connection, OptionalExtension as _, Row, TransactionBehavior, params,
};

use crate::article::{Article, NewArticle};
use crate::error::ArticlesError;
use crate::page::PageQuery;
use crate::shelf::{Imported, Known, Stored, host};

/// Served by `articles_published`; the limit bounds the rows.
///
/// Here and below, SQLite seeks to the time, and passes over those of the same millisecond that
/// were shown before: it does not seek by a row id inside a row value.
const LIST: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                    FROM articles WHERE (published_at_ms, id) < (?1, ?2) \
                    ORDER BY published_at_ms DESC, id DESC LIMIT ?3";

/// Served by `articles_category_published`; the limit bounds the rows.
const LIST_CATEGORY: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                             FROM articles WHERE category = ?4 \
                             AND (published_at_ms, id) < (?1, ?2) \
                             ORDER BY published_at_ms DESC, id DESC LIMIT ?3";

/// Served by `articles_source_published`; the limit bounds the rows.
const LIST_SOURCE: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                           FROM articles WHERE source = ?4 \
                           AND (published_at_ms, id) < (?1, ?2) \
                           ORDER BY published_at_ms DESC, id DESC LIMIT ?3";

/// Served by `articles_source_category_published`; the limit bounds the rows.
const LIST_BOTH: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                         FROM articles WHERE source = ?4 AND category = ?5 \
                         AND (published_at_ms, id) < (?1, ?2) \
                         ORDER BY published_at_ms DESC, id DESC LIMIT ?3";

/// Served by the unique index `articles_feed_identity`.
const FIND: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                    FROM articles WHERE feed = ?1 AND identity = ?2";

/// Served by the unique index `articles_feedless`, which has to be named: SQLite would take the
/// other unique one, for which all articles without a feed are alike.
const FIND_IN_SOURCE: &str = "SELECT id, title, url, description, source, category, \
     published_at_ms FROM articles INDEXED BY articles_feedless \
     WHERE feed IS NULL AND identity = ?1 AND source = ?2";

/// Served by `articles_feedless`; those of one identity in all sources are few.
const FIND_AT_URL: &str = "SELECT id, title, url, description, source, category, published_at_ms \
                           FROM articles INDEXED BY articles_feedless \
                           WHERE feed IS NULL AND identity = ?1 AND url = ?2 LIMIT 1";

const ADD: &str = "INSERT INTO articles \
                   (source, identity, title, url, description, category, published_at_ms, feed) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const UPDATE: &str = "UPDATE articles SET source = ?2, identity = ?3, title = ?4, url = ?5, \
                      description = ?6, category = ?7, published_at_ms = ?8, feed = ?9 \
                      WHERE id = ?1";

/// The articles that the query asks for, newest first, and one more if there is a next page.
pub(crate) fn list(connection: &Connection, query: &PageQuery) -> rusqlite::Result<Vec<Article>> {
    let (before, limit) = (query.before, i64::try_from(query.limit + 1).unwrap_or(i64::MAX));
    let (at, id) = (before.published_at_ms, before.id);
    let collect = |mut statement: CachedStatement<'_>, params: &[&dyn rusqlite::ToSql]| {
        let mut articles = Vec::with_capacity(query.limit + 1);
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            articles.push(article(row)?);
        }
        Ok(articles)
    };
    match (&query.source, &query.category) {
        (None, None) => collect(connection.prepare_cached(LIST)?, params![at, id, limit]),
        (None, Some(category)) => {
            let statement = connection.prepare_cached(LIST_CATEGORY)?;
            collect(statement, params![at, id, limit, category])
        }
        (Some(source), None) => {
            let statement = connection.prepare_cached(LIST_SOURCE)?;
            collect(statement, params![at, id, limit, source])
        }
        (Some(source), Some(category)) => {
            let statement = connection.prepare_cached(LIST_BOTH)?;
            collect(statement, params![at, id, limit, source, category])
        }
    }
}

/// Stores a batch, all or nothing, and only while `check` lets it.
pub(crate) fn import(
    connection: &mut Connection,
    batch: &[NewArticle],
    now: UnixMillis,
    check: &dyn Fn() -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<Imported, ArticlesError> {
    let mut imported = Imported::default();
    // Immediate: the right to write is waited for here, once, and not in the middle of the batch.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for new in batch {
        imported.count(store(&transaction, new, now)?);
    }
    check().map_err(ArticlesError::Lost)?;
    transaction.commit()?;
    check().map_err(ArticlesError::Lost)?;
    Ok(imported)
}

fn store(connection: &Connection, new: &NewArticle, now: UnixMillis) -> rusqlite::Result<Stored> {
    let NewArticle { title, url, description, source, category, feed, .. } = new;
    let identity = new.identity();
    let Some(known) = find(connection, new)? else {
        let at = millis(new.published_at.unwrap_or(now));
        let row = params![source, identity, title, url, description, category, at, feed];
        connection.prepare_cached(ADD)?.execute(row)?;
        return Ok(Stored::Added);
    };
    let unchanged = known.is_unchanged(new);
    if unchanged && !known.is_adopted {
        return Ok(Stored::Skipped);
    }
    let (id, at) = (known.old.id, millis(known.published_at(new)));
    let row = params![id, source, identity, title, url, description, category, at, feed];
    connection.prepare_cached(UPDATE)?.execute(row)?;
    Ok(if unchanged { Stored::Skipped } else { Stored::Updated })
}

/// Finds the article that this one is.
///
/// An article from before feeds were distinguished is known by its source, as it was then, and
/// belongs to the first feed that has it at the same address, or at least at the same host: two
/// feeds of one name were one. An article of the tutorial has no guid, and is found by its address.
fn find(connection: &Connection, new: &NewArticle) -> rusqlite::Result<Option<Known>> {
    let one = |sql: &str, key: (&str, &str)| {
        connection.prepare_cached(sql)?.query_row(key, article).optional()
    };
    let known = Known::is_adopted;
    let identity = new.identity();
    let in_source = one(FIND_IN_SOURCE, (identity, &new.source));
    let Some(feed) = &new.feed else {
        return Ok(in_source?.map(known(false)));
    };
    if let Some(old) = one(FIND, (feed, identity))? {
        return Ok(Some(known(false)(old)));
    }
    if let Some(old) = in_source?.filter(|old| host(&old.url) == host(&new.url)) {
        return Ok(Some(known(true)(old)));
    }
    for identity in [identity, &new.url] {
        if let Some(old) = one(FIND_AT_URL, (identity, &new.url))? {
            return Ok(Some(known(true)(old)));
        }
    }
    Ok(None)
}

fn article(row: &Row<'_>) -> rusqlite::Result<Article> {
    // Nothing before 1970 comes in; a row that another program wrote reads as 1970.
    let published_at = UnixMillis(u64::try_from(row.get::<_, i64>(6)?).unwrap_or_default());
    Ok(Article {
        id: row.get(0)?,
        title: row.get(1)?,
        url: row.get(2)?,
        description: row.get(3)?,
        source: row.get(4)?,
        category: row.get(5)?,
        published_at,
    })
}

fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::migrate;

    #[track_caller]
    fn check(connection: &Connection, sql: &str, index: &str) {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![None::<i64>; statement.parameter_count()];
        let steps = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        assert_eq!(steps.len(), 1, "there is no sorting: {steps:?}");
        assert!(steps[0].contains(&format!("USING INDEX {index}")), "{steps:?}");
    }

    #[test]
    fn every_query_is_served_by_the_index_that_its_comment_names() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, UnixMillis(0)).unwrap();
        check(&connection, LIST, "articles_published (published_at_ms<?)");
        check(
            &connection,
            LIST_CATEGORY,
            "articles_category_published (category=? AND published_at_ms<?)",
        );
        check(
            &connection,
            LIST_SOURCE,
            "articles_source_published (source=? AND published_at_ms<?)",
        );
        let both =
            "articles_source_category_published (source=? AND category=? AND published_at_ms<?)";
        check(&connection, LIST_BOTH, both);
        check(&connection, FIND, "articles_feed_identity (feed=? AND identity=?)");
        check(&connection, FIND_IN_SOURCE, "articles_feedless (identity=? AND source=?)");
        check(&connection, FIND_AT_URL, "articles_feedless (identity=?)");
    }
}
