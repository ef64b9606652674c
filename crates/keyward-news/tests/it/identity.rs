//! The identity of an article, in a file of this version and of the first one.

use keyward_axum::keyward::UnixMillis;
use keyward_news::feed::{self, Origin};
use keyward_news::{Articles, NewArticle};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;

/// The first step, as 0.1.0 took it.
const FIRST: &str = include_str!("../../migrations/0001_articles.sql");

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn rss(site: &str, item: &str) -> Vec<NewArticle> {
    let text = format!(
        "<rss><channel><title>News</title><link>https://{site}/</link><item>{item}</item></channel></rss>"
    );
    feed::read(Origin::file("feed"), text.as_bytes(), NOW).unwrap().articles
}

fn counts(added: u64, updated: u64, skipped: u64) -> Value {
    json!({ "added": added, "updated": updated, "skipped": skipped })
}

async fn import(app: &App, articles: &[NewArticle]) -> Value {
    app.import(json!({ "articles": articles })).await.body
}

#[tokio::test]
async fn two_feeds_of_one_title_are_two_feeds() {
    let app = App::open().await;
    let item = "<title>One</title><link>/1</link><guid>1</guid>";
    assert_eq!(import(&app, &rss("a.example", item)).await, counts(1, 0, 0));
    assert_eq!(import(&app, &rss("b.example", item)).await, counts(1, 0, 0));
    assert_eq!(import(&app, &rss("a.example", item)).await, counts(0, 0, 1));
    assert_eq!(app.ids("/articles?source=News").await.len(), 2);
}

#[tokio::test]
async fn a_feed_that_is_renamed_is_the_same_feed() {
    let app = App::open().await;
    let articles = rss("a.example", "<title>One</title><link>/1</link>");
    import(&app, &articles).await;
    let mut renamed = json!(articles);
    renamed[0]["source"] = "Daily News".into();
    assert_eq!(app.import(json!({ "articles": renamed })).await.body, counts(0, 1, 0));
    assert_eq!(app.ids("/articles?source=Daily%20News").await, [1]);
}

#[tokio::test]
async fn a_date_that_cannot_be_read_does_not_erase_the_one_that_is_there() {
    let app = App::open().await;
    let item = |date: &str| {
        let item = format!("<title>One</title><link>/1</link><pubDate>{date}</pubDate>");
        rss("a.example", &item)
    };
    import(&app, &item("3 Jun 2025 10:00 GMT")).await;
    assert_eq!(import(&app, &item("soon")).await, counts(0, 0, 1));
    let listed = app.get("/articles").await.body;
    assert_eq!(listed["articles"][0]["published_at"], "2025-06-03T10:00:00Z");
}

/// Articles of 0.1.0: of two feeds called News, the second had replaced the first's.
fn first_version(dir: &TempDir) -> Articles {
    let path = dir.path().join("first.db");
    let connection = Connection::open(&path).unwrap();
    let notes = "CREATE TABLE news_migrations (\
                 number INTEGER PRIMARY KEY, applied_at_ms INTEGER NOT NULL) STRICT;\
                 INSERT INTO news_migrations VALUES (1, 0);";
    connection.execute_batch(&format!("{FIRST} {notes}")).unwrap();
    for (id, identity, url) in [
        (3, "guid-1", "https://a.example/1"),
        (5, "https://a.example/2", "https://a.example/2"),
        (9, "moved", "https://www.a.example/old"),
    ] {
        let add = "INSERT INTO articles VALUES (?1, 'News', ?2, 'One', ?3, '', 'general', 7)";
        connection.execute(add, (id, identity, url)).unwrap();
    }
    drop(connection);
    Articles::open(&path, NOW).unwrap()
}

#[tokio::test]
async fn articles_of_the_first_version_stay_and_are_not_doubled() {
    let dir = TempDir::new().unwrap();
    let articles = first_version(&dir);
    let items = [
        "<title>One</title><link>/1</link><guid>guid-1</guid>",
        "<title>One</title><link>/2</link><guid>new here</guid>",
        "<title>One</title><link>/new</link><guid>moved</guid>",
    ];
    // Another feed of that name takes nothing of it.
    let other = rss("b.example", items[0]);
    assert_eq!(articles.import(other, NOW).await.unwrap().added, 1);
    for (item, updated) in items.into_iter().zip([0, 0, 1]) {
        for updated in [updated, 0] {
            let imported = articles.import(rss("a.example", item), NOW).await.unwrap();
            assert_eq!((imported.added, imported.updated), (0, updated), "{item}");
        }
    }
    drop(articles);
    let connection = Connection::open(dir.path().join("first.db")).unwrap();
    let sql = "SELECT id, identity FROM articles WHERE feed = 'https://a.example/' ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(i64, String)> = rows.map(Result::unwrap).collect();
    let known = [(3, "guid-1"), (5, "new here"), (9, "moved")];
    assert_eq!(rows, known.map(|(id, identity)| (id, identity.to_owned())));
}

#[tokio::test]
async fn a_text_may_speak_of_tags_if_it_says_that_it_is_text() {
    let app = App::open().await;
    let article = |format: Value| {
        json!({ "articles": [{ "title": "One", "url": "https://a.example/1", "source": "A",
            "description": "The <b>b</b> of Vec<T>", "description_format": format }] })
    };
    let listed = async |format: Value| {
        app.import(article(format)).await;
        app.get("/articles").await.body["articles"][0]["description"].clone()
    };
    assert_eq!(listed("text".into()).await, "The <b>b</b> of Vec<T>");
    for format in [Value::Null, "html".into()] {
        assert_eq!(listed(format).await, "The b of Vec<T>");
    }
    let fault = app.import(article("markdown".into())).await.body["detail"][0].clone();
    assert_eq!(fault["loc"], json!(["body", "articles", 0, "description_format"]));
}
