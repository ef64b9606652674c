//! Reading feeds, and importing their entries.

use std::error::Error as _;

use insta::assert_snapshot;
use keyward_axum::keyward::UnixMillis;
use keyward_news::feed::{self, FEED_LEN_MAX, Feed, FeedError, Origin};
use serde_json::json;

use crate::app::App;

const RSS2: &str = include_str!("feeds/rss2.xml");
const ATOM: &str = include_str!("feeds/atom.xml");
const RSS1: &str = include_str!("feeds/rss1.xml");
const JSON: &str = include_str!("feeds/feed.json");

/// 2026-01-01T00:00:00Z, where the clock of the tests begins.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn feed(bytes: impl AsRef<[u8]>) -> Feed {
    feed::read(Origin::file("feed"), bytes.as_ref(), NOW).unwrap()
}

fn read(text: &str) -> String {
    let feed = feed(text);
    let lines: Vec<_> = feed.articles.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    lines.join("\n")
}

fn error(text: &str) -> String {
    let error = feed::read(Origin::file("news.xml"), text.as_bytes(), NOW).unwrap_err();
    let cause = error.source().map(|cause| format!(" ({cause})"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn rss_2_is_read() {
    assert_snapshot!(read(RSS2), @r#"
    {"title":"Ferry late again","url":"https://harbour.example/ferry","description":"The ferry was late & full.","description_format":"text","source":"Harbour & Sea","category":"Transport","published_at":"2025-12-31T09:15:00Z","guid":"harbour-17","feed":"https://harbour.example/"}
    {"title":"No date, no category, no guid","url":"https://harbour.example/plain","description_format":"text","source":"Harbour & Sea","category":"general","feed":"https://harbour.example/"}
    {"title":"From the future","url":"https://harbour.example/future","description_format":"text","source":"Harbour & Sea","category":"general","guid":"https://harbour.example/future","feed":"https://harbour.example/"}
    {"title":"https://harbour.example/untitled","url":"https://harbour.example/untitled","description_format":"text","source":"Harbour & Sea","category":"general","feed":"https://harbour.example/"}
    "#);
}

#[test]
fn atom_is_read() {
    assert_snapshot!(read(ATOM), @r#"{"title":"A new plane","url":"https://tools.example/plane","description":"It cuts.","description_format":"text","source":"Tools & Trades","category":"wood","published_at":"2025-12-30T00:00:00Z","guid":"urn:example:tools:1","feed":"urn:example:tools"}"#);
}

#[test]
fn rss_1_is_read() {
    assert_snapshot!(read(RSS1), @r#"{"title":"A genome","url":"https://genes.example/1","description":"Complete.","description_format":"text","source":"Genes","category":"general","published_at":"2025-12-17T00:00:00Z","feed":"https://genes.example/"}"#);
}

#[test]
fn json_feed_is_read() {
    assert_snapshot!(read(JSON), @r#"
    {"title":"Seven – a number","url":"https://blog.example/7","description":"Short text","description_format":"text","source":"blog.example","category":"numbers","published_at":"2025-12-24T17:00:00Z","guid":"7","feed":"https://blog.example/"}
    {"title":"Only an attachment","url":"https://blog.example/8.mp3","description_format":"text","source":"blog.example","category":"general","guid":"8","feed":"https://blog.example/"}
    "#);
}

#[test]
fn blank_lines_and_a_byte_order_mark_are_passed_over() {
    let (_, without_declaration) = RSS2.split_once('\n').unwrap();
    assert_eq!(read(&format!("\n \n\n{without_declaration}")), read(RSS2));
    assert_eq!(read(&format!("\u{feff}{RSS2}")), read(RSS2));
    assert_eq!(read(&RSS2.replace('\n', " ")), read(RSS2));
}

#[test]
fn an_error_names_the_feed_and_the_place() {
    let unknown_version = r#"{ "version": "9", "title": "", "items": [] }"#;
    let texts = [
        "{\n  \"version\": 1\n}",
        unknown_version,
        "",
        "plain text",
        "<!DOCTYPE html>\n<html></html>",
        "<svg/>",
        "{ \"a\": }",
        "PK\u{3}\u{4}",
    ];
    assert_snapshot!(texts.map(error).join("\n"), @r#"
    news.xml: no feed, but JSON of something else: a feed has `version` and `items`
    news.xml: no feed, but JSON of something else: a feed has `version` and `items`
    news.xml: no feed, but nothing at all
    news.xml: no feed, but text without any element of XML
    news.xml: no feed, but a web page; give the address of the feed that it links to
    news.xml: no feed, but XML whose outermost element is `svg`
    news.xml:1:8: the JSON of the feed cannot be read (expected value at line 1 column 8)
    news.xml: no feed, but a file in the format zip
    "#);
}

#[test]
fn a_feed_has_a_longest_length() {
    let mut text = RSS2.to_owned();
    text.push_str(&" ".repeat(FEED_LEN_MAX - text.len()));
    assert_eq!(read(&text), read(RSS2));
    text.push(' ');
    let error = feed::read(Origin::file("news.xml"), text.as_bytes(), NOW).unwrap_err();
    assert!(matches!(error, FeedError::TooLong { .. }), "{error:?}");
}

#[test]
fn long_texts_are_cut() {
    let long = RSS2.replace("late", &"late ".repeat(3_000)).replace("Transport", &"t".repeat(101));
    let articles = feed(&long).articles;
    assert!((495..=500).contains(&articles[0].title().len()));
    assert!((9_995..=10_000).contains(&articles[0].description().len()));
    assert_eq!(articles[0].category().len(), 100);
}

#[tokio::test]
async fn what_was_read_can_be_imported_and_importing_it_again_changes_nothing() {
    let app = App::open().await;
    let mut batch = Vec::new();
    for text in [RSS2, ATOM, RSS1, JSON] {
        batch.extend(feed(text).articles);
    }
    let added = json!({ "added": 8, "updated": 0, "skipped": 0 });
    assert_eq!(app.import(json!({ "articles": batch })).await.body, added);
    let skipped = json!({ "added": 0, "updated": 0, "skipped": 8 });
    assert_eq!(app.import(json!({ "articles": batch })).await.body, skipped);
}
