//! `POST /admin/articles`: repeating, changing and rejecting batches.

use std::time::Duration;

use axum::http::StatusCode;
use keyward_axum::keyward::UnixMillis;
use keyward_news::{Articles, ArticlesError};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::app::App;

fn article() -> Value {
    json!({
        "title": "One", "url": "https://a.example/1", "source": "A", "description": "First",
        "category": "tech", "published_at": "2025-12-31T23:59:59Z", "guid": "a-1"
    })
}

fn counts(added: u64, updated: u64, skipped: u64) -> Value {
    json!({ "added": added, "updated": updated, "skipped": skipped })
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let app = App::open().await;
    let undated = json!({ "title": "Two", "url": "https://a.example/2", "source": "A" });
    let batch = json!({ "articles": [article(), undated] });
    assert_eq!(app.import(&batch).await.body, counts(2, 0, 0));
    let before = app.get("/articles").await.body;
    app.clock.advance(Duration::from_secs(3_600));
    assert_eq!(app.import(&batch).await.body, counts(0, 0, 2));
    assert_eq!(app.get("/articles").await.body, before);
}

#[tokio::test]
async fn what_has_changed_is_updated() {
    let app = App::open().await;
    app.import(json!({ "articles": [article()] })).await;
    let changes = [
        ("title", "Uno"),
        ("url", "https://a.example/uno"),
        ("description", "Second"),
        ("category", "world"),
        ("published_at", "2026-01-01T00:00:00Z"),
    ];
    let mut changed = article();
    for (name, value) in changes {
        changed[name] = value.into();
        let answer = app.import(json!({ "articles": [changed] })).await;
        assert_eq!(answer.body, counts(0, 1, 0), "{name}");
        let listed = app.get("/articles").await.body;
        assert_eq!(listed["articles"][0][name], value);
        assert_eq!(listed["count"], 1);
    }
}

#[tokio::test]
async fn an_article_is_known_by_its_source_and_its_guid_or_url() {
    let app = App::open().await;
    let with = |name: &str, value: Value| {
        let mut article = article();
        article[name] = value;
        article
    };
    let batch = json!({ "articles": [
        article(), with("source", "B".into()), with("guid", "a-2".into()),
        with("guid", Value::Null), article(), with("title", "Uno".into()),
    ] });
    assert_eq!(app.import(batch).await.body, counts(4, 1, 1));
}

#[tokio::test]
async fn a_fault_is_found_at_its_place_and_nothing_is_stored() {
    let app = App::open().await;
    let check = async |name: &str, value: Value, kind: &str| {
        let mut bad = article();
        bad[name] = value.clone();
        let answer = app.import(json!({ "articles": [article(), bad] })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let fault = &answer.body["detail"][0];
        assert_eq!(fault["type"], kind);
        assert_eq!(fault["loc"], json!(["body", "articles", 1, name]));
        assert_eq!(fault["input"], value);
    };
    check("title", json!(5), "string_type").await;
    check("title", json!(""), "string_too_short").await;
    check("title", json!(" \n"), "string_too_short").await;
    check("title", json!("x".repeat(501)), "string_too_long").await;
    check("url", json!(null), "string_type").await;
    check("url", json!("javascript:alert(1)"), "value_error").await;
    check("url", json!("/relative"), "value_error").await;
    check("url", json!(format!("https://a.example/{}", "x".repeat(2_031))), "string_too_long")
        .await;
    check("source", json!("x".repeat(101)), "string_too_long").await;
    check("category", json!("x".repeat(101)), "string_too_long").await;
    check("category", json!(""), "string_too_short").await;
    check("description", json!([]), "string_type").await;
    check("published_at", json!("yesterday"), "value_error").await;
    check("published_at", json!("1969-12-31T23:59:59Z"), "value_error").await;
    check("guid", json!(7), "string_type").await;
    check("id", json!(7), "extra_forbidden").await;
    assert_eq!(app.ids("/articles").await, [0; 0]);
}

#[tokio::test]
async fn the_body_is_a_list_of_articles() {
    let app = App::open().await;
    let check = async |body: String, kind: &str, place: Value| {
        let answer = app.import(&body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.body["detail"][0]["type"], kind, "{body}");
        assert_eq!(answer.body["detail"][0]["loc"], place, "{body}");
    };
    check(String::new(), "missing", json!(["body"])).await;
    check("zzz".into(), "json_invalid", json!(["body", 0])).await;
    check("[]".into(), "model_attributes_type", json!(["body"])).await;
    check("{}".into(), "missing", json!(["body", "articles"])).await;
    check(json!({ "articles": 1 }).to_string(), "list_type", json!(["body", "articles"])).await;
    let not_an_object = json!({ "articles": [1] }).to_string();
    check(not_an_object, "model_attributes_type", json!(["body", "articles", 0])).await;
    let unknown = json!({ "articles": [], "dry": true }).to_string();
    check(unknown, "extra_forbidden", json!(["body", "dry"])).await;
    let empty = json!({ "articles": [{}] }).to_string();
    check(empty, "missing", json!(["body", "articles", 0, "title"])).await;

    let many = |len| json!({ "articles": vec![article(); len] }).to_string();
    assert_eq!(app.import(many(0)).await.body, counts(0, 0, 0));
    assert_eq!(app.import(many(100)).await.body, counts(1, 0, 99));
    check(many(101), "too_long", json!(["body", "articles"])).await;
}

#[tokio::test]
async fn a_full_batch_at_its_longest_is_taken() {
    let app = App::open().await;
    let articles: Vec<_> = (0..100)
        .map(|n| {
            json!({
                "title": "🐈".repeat(500), "url": format!("https://a.example/{n}"), "source": "A",
                "description": "🐈".repeat(10_000), "guid": format!("{}{n:03}", "🐈".repeat(2_045))
            })
        })
        .collect();
    assert_eq!(app.import(json!({ "articles": articles })).await.body, counts(100, 0, 0));
    let listed = app.get("/articles?limit=1").await.body;
    let description = listed["articles"][0]["description"].as_str().unwrap();
    assert_eq!(description.chars().count(), 10_000);
    let answer = app.import(" ".repeat(8 * 1_024 * 1_024 + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.body, json!({ "detail": "Payload Too Large" }));
}

#[tokio::test]
async fn articles_stay_when_the_file_is_opened_again() {
    let app = App::of_file().await;
    app.import(json!({ "articles": [article()] })).await;
    let path = app.dir.path().join("k.db");
    drop(Articles::open(&path, UnixMillis(1)).unwrap());
    let connection = Connection::open(&path).unwrap();
    let one = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM articles"), 1);
    assert_eq!(one("SELECT count(*) FROM news_migrations"), 2);
    assert_eq!(one("SELECT max(applied_at_ms) FROM news_migrations"), 1_767_225_600_000);
}

#[tokio::test]
async fn a_file_of_a_later_version_is_left_alone() {
    let app = App::of_file().await;
    let path = app.dir.path().join("k.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute("INSERT INTO news_migrations VALUES (99, 0)", ()).unwrap();
    let error = Articles::open(&path, UnixMillis(0)).unwrap_err();
    assert!(matches!(error, ArticlesError::Newer { found: 99 }), "{error:?}");
}

#[tokio::test]
async fn without_its_tables_the_answer_is_that_nothing_can_be_said() {
    let app = App::of_file().await;
    let connection = Connection::open(app.dir.path().join("k.db")).unwrap();
    connection.execute("DROP TABLE articles", ()).unwrap();
    for answer in [app.get("/articles").await, app.import(json!({ "articles": [article()] })).await]
    {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.body, json!({ "detail": "Service Unavailable" }));
    }
}
