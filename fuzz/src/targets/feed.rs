//! Feeds: RSS, Atom and JSON Feed, compressed or not, in any encoding.

use keyward::UnixMillis;
use keyward_news::article::{
    CATEGORY_MAX, DESCRIPTION_MAX, FEED_MAX, GUID_MAX, NewArticle, SOURCE_MAX, TITLE_MAX, URL_MAX,
};
use keyward_news::feed::{self, Feed, FeedError, NOTES_MAX, Origin};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// Most bytes of a note: a sentence with an excerpt.
const NOTE_LEN_MAX: usize = 1_024;

pub(super) const WORDS: &[&[u8]] = &[
    b"<rss version=\"2.0\"><channel>",
    b"</channel></rss>",
    b"<item><title>a</title><link>https://a.example/</link></item>",
    b"<feed xmlns=\"http://www.w3.org/2005/Atom\">",
    b"<entry><id>a</id><title type=\"html\">",
    b"<link rel=\"self\" href=\"",
    b"<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">",
    b"<pubDate>Tue, 24 Nov 2026 09:30:00 +0000</pubDate>",
    b"<updated>2026-11-24T09:30:00Z</updated>",
    b"<content:encoded>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<!DOCTYPE a [<!ENTITY b \"c\">]>",
    b"&b;",
    b"&amp;",
    b"&#x10FFFF;",
    b"&nbsp",
    b"xml:base=\"http://b.example/\"",
    b"<?xml version=\"1.0\" encoding=\"windows-1252\"?>",
    b"{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[",
    b"{\"id\":\"a\",\"url\":\"https://a.example/\",\"content_html\":\"",
    b"\x1f\x8b\x08",
    b"\xff\xfe",
];

pub(super) fn run(bytes: &[u8]) -> String {
    let read = || feed::read(Origin::file("feed"), bytes, NOW);
    match read() {
        Ok(feed) => {
            let Feed { articles, notes, left_out } = &feed;
            assert!(notes.len() <= NOTES_MAX + 1, "notes are bounded");
            for note in notes {
                assert!(note.len() <= NOTE_LEN_MAX, "a note is short: {} bytes", note.len());
            }
            articles.iter().for_each(check);
            let again = read().expect("it was read before").articles;
            assert_eq!(*articles, again, "a feed that is read again has the same articles");
            check_json(articles);
            let some = |count: usize| count.min(3);
            let kinds = notes.iter().filter_map(|note| note.split(": ").nth(1));
            let kinds: Vec<_> = kinds.map(|kind| kind.split([',', ';', '"', '`']).next()).collect();
            format!("{} articles, {} left out, {kinds:?}", some(articles.len()), some(*left_out))
        }
        Err(error) => {
            assert!(!matches!(error, FeedError::Fault { .. }), "the reader failed");
            let text = error.to_string();
            assert!(text.len() <= NOTE_LEN_MAX, "an error is short: {} bytes", text.len());
            text.split(['`', '(']).next().unwrap_or_default().chars().take(40).collect()
        }
    }
}

fn check(article: &NewArticle) {
    let chars = |text: &str| text.chars().count();
    let says = |text: &str| !text.trim().is_empty();
    assert!(says(article.title()) && chars(article.title()) <= TITLE_MAX, "the title");
    assert!(article.url().len() <= URL_MAX, "the URL");
    assert!(
        article.url().starts_with("http://") || article.url().starts_with("https://"),
        "{article:?}"
    );
    assert!(chars(article.description()) <= DESCRIPTION_MAX, "the description");
    assert!(says(article.source()) && chars(article.source()) <= SOURCE_MAX, "the source");
    assert!(says(article.category()) && chars(article.category()) <= CATEGORY_MAX, "the category");
    assert!(article.published_at().is_none_or(|at| at <= NOW), "a time to come is none");
    assert!(article.feed().is_none_or(|feed| chars(feed) <= FEED_MAX), "the feed");
    assert!(chars(article.identity()) <= GUID_MAX.max(URL_MAX), "the identity");
}

/// What a feed became is what a feed of ours would become: titles and texts are plain already.
fn check_json(articles: &[NewArticle]) {
    let items = articles.iter().enumerate().map(|(at, article)| {
        serde_json::json!({
            "id": at.to_string(), "url": article.url(), "title": article.title(),
        })
    });
    let items: Vec<_> = items.collect();
    let feed = serde_json::json!({
        "version": "https://jsonfeed.org/version/1.1", "title": "a", "items": items,
    });
    let again = feed::read(Origin::file("again"), feed.to_string().as_bytes(), NOW);
    let again = again.expect("a JSON Feed").articles;
    assert_eq!(again.len(), articles.len(), "each article of it is one again");
    for (article, again) in articles.iter().zip(&again) {
        assert_eq!(again.url(), article.url(), "a URL in its normal form stays");
    }
}
