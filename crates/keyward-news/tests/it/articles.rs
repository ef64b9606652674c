//! `GET /articles`: order, filters, bounds and pages.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::App;

/// Articles with the ids 1 to 6; some were published at the same time.
async fn six() -> App {
    let app = App::open().await;
    let article = |title: &str, source: &str, category: &str, day: u8| {
        let url = format!("https://{source}.example/{title}");
        let published_at = format!("2026-01-0{day}T12:00:00Z");
        json!({
            "title": title, "url": url, "source": source, "category": category,
            "published_at": published_at
        })
    };
    let answer = app
        .import(json!({ "articles": [
            article("one", "a", "tech", 3),
            article("two", "a", "world", 3),
            article("three", "b", "tech", 1),
            article("four", "b", "world", 5),
            article("five", "a", "tech", 3),
            article("six", "b", "tech", 3),
        ] }))
        .await;
    assert_eq!(answer.body, json!({ "added": 6, "updated": 0, "skipped": 0 }));
    app
}

#[tokio::test]
async fn an_article_has_these_members() {
    let app = App::open().await;
    app.import(json!({ "articles": [{
        "title": "Rust 2.0", "url": "https://a.example/rust", "source": "A",
        "description": "<p>It is <b>out</b>.</p>", "published_at": "2026-01-01T01:00:00.5+01:00"
    }] }))
    .await;
    let answer = app.get("/articles").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(answer.next().is_none());
    assert_snapshot!(answer.body, @r#"{"articles":[{"id":1,"title":"Rust 2.0","url":"https://a.example/rust","description":"It is out.","source":"A","category":"general","published_at":"2026-01-01T00:00:00.5Z"}],"count":1}"#);
}

#[tokio::test]
async fn a_key_is_asked_for() {
    let app = App::open().await;
    let answer = app.send(Request::get("/articles?limit=0").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, json!({ "detail": "Missing Authorization header" }));
}

#[tokio::test]
async fn the_newest_come_first() {
    let app = six().await;
    assert_eq!(app.ids("/articles").await, [4, 6, 5, 2, 1, 3]);
    assert_eq!(App::open().await.ids("/articles").await, [0; 0]);
}

#[tokio::test]
async fn filters_join() {
    let app = six().await;
    assert_eq!(app.ids("/articles?category=tech").await, [6, 5, 1, 3]);
    assert_eq!(app.ids("/articles?source=a").await, [5, 2, 1]);
    assert_eq!(app.ids("/articles?source=b&category=tech").await, [6, 3]);
    assert_eq!(app.ids("/articles?source=c").await, [0; 0]);
    assert_eq!(app.ids("/articles?source=&category=").await, [4, 6, 5, 2, 1, 3]);
    assert_eq!(app.ids("/articles?category='%20OR%201=1").await, [0; 0]);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_told_as_clients_know_it() {
    let app = App::open().await;
    let check = async |query: &str, kind: &str, name: &str, input: &str, context: Value| {
        let answer = app.get(&format!("/articles?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let fault = &answer.body["detail"][0];
        assert_eq!(fault["type"], kind, "{query}");
        assert_eq!(fault["loc"], json!(["query", name]), "{query}");
        assert_eq!(fault["input"], input, "{query}");
        assert_eq!(fault.get("ctx").cloned().unwrap_or_default(), context, "{query}");
        assert_eq!(answer.body["detail"].as_array().unwrap().len(), 1);
    };
    check("limit=0", "greater_than_equal", "limit", "0", json!({ "ge": 1 })).await;
    check("limit=-1", "greater_than_equal", "limit", "-1", json!({ "ge": 1 })).await;
    check("limit=101", "less_than_equal", "limit", "101", json!({ "le": 100 })).await;
    check("limit=abc", "int_parsing", "limit", "abc", Value::Null).await;
    check("limit=", "int_parsing", "limit", "", Value::Null).await;
    check("limit=1.5", "int_parsing", "limit", "1.5", Value::Null).await;
    check("limit=1&limit=0", "greater_than_equal", "limit", "0", json!({ "ge": 1 })).await;
    let long = "ä".repeat(101);
    for name in ["category", "source"] {
        let query = format!("{name}={}", "%C3%A4".repeat(101));
        check(&query, "string_too_long", name, &long, json!({ "max_length": 100 })).await;
        app.ids(&format!("/articles?{name}={}", "%C3%A4".repeat(100))).await;
    }
    let rule = json!({ "error": "before is taken from a Link header" });
    check("before=yesterday", "value_error", "before", "yesterday", rule.clone()).await;
    check("before=", "value_error", "before", "", rule).await;
    app.ids("/articles?limit=1").await;
    app.ids("/articles?limit=100").await;
}

#[tokio::test]
async fn several_faults_come_in_one_answer() {
    let answer = App::open().await.get("/articles?limit=0&before=x").await;
    assert_snapshot!(answer.body, @r#"{"detail":[{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}},{"type":"value_error","loc":["query","before"],"msg":"Value error, before is taken from a Link header","input":"x","ctx":{"error":"before is taken from a Link header"}}]}"#);
}

#[tokio::test]
async fn pages_show_everything_exactly_once() {
    let app = six().await;
    let check = async |query: &str, all: &[i64]| {
        for limit in 1..=7 {
            let mut next = Some(format!("/articles?{query}&limit={limit}"));
            let mut seen = Vec::new();
            while let Some(path) = next {
                let answer = app.get(&path).await;
                let ids = answer.ids();
                next = answer.next();
                assert_eq!(ids.len() == limit, next.is_some() || seen.len() + limit == all.len());
                seen.extend(ids);
            }
            assert_eq!(seen, all, "{query}&limit={limit}");
        }
    };
    check("", &[4, 6, 5, 2, 1, 3]).await;
    check("category=tech", &[6, 5, 1, 3]).await;
    check("source=a", &[5, 2, 1]).await;
    check("source=b&category=tech", &[6, 3]).await;
}

#[tokio::test]
async fn an_article_that_comes_in_between_moves_no_page() {
    let app = six().await;
    let next = app.get("/articles?limit=2").await.next().unwrap();
    app.import(json!({ "articles": [{
        "title": "seven", "url": "https://a.example/7", "source": "a",
        "published_at": "2026-01-09T00:00:00Z"
    }] }))
    .await;
    assert_eq!(app.ids(&next).await, [5, 2]);
}

#[tokio::test]
async fn a_page_has_twenty_articles_unless_asked_otherwise() {
    let app = App::open().await;
    let articles: Vec<_> = (1..=21)
        .map(|n| json!({ "title": "x", "url": format!("https://a.example/{n}"), "source": "R&D <1>" }))
        .collect();
    app.import(json!({ "articles": articles })).await;
    let answer = app.get("/articles?source=R%26D+%3C1%3E").await;
    assert_eq!(answer.ids(), (2..=21).rev().collect::<Vec<_>>());
    let next = answer.next().unwrap();
    assert_eq!(next, "/articles?source=R%26D+%3C1%3E&limit=20&before=1767225600000-2");
    assert_eq!(app.ids(&next).await, [1]);
}
