//! Reading articles out of the tutorial's database.

use keyward_news::feed::Feed;
use keyward_news::tutorial::{Tutorial, TutorialError};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::app::App;

const TABLE: &str = "CREATE TABLE articles (id INTEGER PRIMARY KEY, title VARCHAR NOT NULL, \
                     url VARCHAR, description TEXT, source VARCHAR, category VARCHAR, \
                     published_at DATETIME, created_at DATETIME)";

fn database(dir: &TempDir, sql: &str) -> Connection {
    let connection = Connection::open(dir.path().join("news.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn open(dir: &TempDir) -> Result<Tutorial, TutorialError> {
    Tutorial::open(&dir.path().join("news.db"))
}

#[tokio::test]
async fn articles_move_with_their_dates_and_once() {
    let dir = TempDir::new().unwrap();
    let rows = "INSERT INTO articles VALUES \
        (1, 'One', 'https://a.example/1', 'It <b>is</b>', 'A', 'tech', \
         '2025-06-03 10:00:00.000000', NULL), \
        (2, 'Two', 'https://a.example/2', NULL, NULL, NULL, 'soon', NULL), \
        (3, 'Three', 'file:///etc', NULL, 'A', NULL, NULL, NULL)";
    let in_use = database(&dir, &format!("{TABLE}; {rows}"));
    let mut tutorial = open(&dir).unwrap();
    let Feed { articles, left_out, notes } = tutorial.next_page().unwrap().unwrap();
    assert!(tutorial.next_page().unwrap().is_none());
    assert_eq!(left_out, 1);
    let unread = "id 2: `published_at` is no date that can be read";
    assert_eq!(notes, [unread, "id 3: `url` is no http or https URL; left out"]);

    let app = App::open().await;
    for (added, skipped) in [(2, 0), (0, 2)] {
        let counts = json!({ "added": added, "updated": 0, "skipped": skipped });
        assert_eq!(app.import(json!({ "articles": articles })).await.body, counts);
    }
    let listed = app.get("/articles?source=A").await.body;
    let one = &listed["articles"][0];
    assert_eq!(one["published_at"], "2025-06-03T10:00:00Z");
    assert_eq!((&one["description"], &one["category"]), (&"It is".into(), &"tech".into()));
    assert_eq!(app.ids("/articles?source=a.example").await, [2]);
    drop(in_use);
}

#[test]
fn many_articles_are_read_page_by_page() {
    let dir = TempDir::new().unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2001) \
                INSERT INTO articles (title, url) SELECT i, 'https://a.example/' || i FROM n";
    database(&dir, &format!("{TABLE}; {many}"));
    let mut tutorial = open(&dir).unwrap();
    let mut lens = Vec::new();
    while let Some(page) = tutorial.next_page().unwrap() {
        lens.push(page.articles.len());
    }
    assert_eq!(lens, [1_000, 1_000, 1]);
}

#[test]
fn what_is_no_such_database_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let error = open(&dir).unwrap_err();
    assert!(matches!(error, TutorialError::Unreadable { .. }), "{error:?}");
    database(&dir, "CREATE TABLE articles (title)");
    let error = open(&dir).unwrap_err().to_string();
    assert!(error.contains("no table `articles` with the column `url`"), "{error}");
}
