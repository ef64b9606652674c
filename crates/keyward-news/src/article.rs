//! An article, as listed and as imported, and the bounds of its fields.

use jiff::Timestamp;
use keyward_axum::keyward::UnixMillis;
use serde::{Serialize, Serializer};
use url::Url;
use utoipa::ToSchema;

/// Most characters of a title.
pub const TITLE_MAX: usize = 500;

/// Most characters of a URL.
pub const URL_MAX: usize = 2_048;

/// Most characters of a description; a longer one is cut.
pub const DESCRIPTION_MAX: usize = 10_000;

/// Most characters of a source's name.
pub const SOURCE_MAX: usize = 100;

/// Most characters of a category.
pub const CATEGORY_MAX: usize = 100;

/// Most characters of a guid.
pub const GUID_MAX: usize = 2_048;

/// Most characters of what a feed is known by.
pub const FEED_MAX: usize = 2_048;

/// Most articles in one batch. With every field at its longest, in characters of four bytes, a
/// batch has about 6 MB.
pub const BATCH_MAX: usize = 100;

/// The category of an article that names none.
pub const CATEGORY_DEFAULT: &str = "general";

/// An article as it is listed; as JSON it is what clients see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Article {
    /// Its number, given when it first came in.
    #[schema(example = 7)]
    pub id: i64,
    /// Its headline, as plain text.
    #[schema(example = "Rain, then sun")]
    pub title: String,
    /// Where it is read, `http` or `https`.
    #[schema(example = "https://news.example/rain")]
    pub url: String,
    /// What it is about, as plain text without tags; may be empty.
    pub description: String,
    /// Who published it.
    pub source: String,
    /// What it is filed under.
    pub category: String,
    /// When it was published; RFC 3339 in JSON.
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00Z")]
    #[serde(serialize_with = "rfc3339")]
    pub published_at: UnixMillis,
}

/// An article to bring in; as JSON it is a member of the body of `POST /admin/articles`.
///
/// Holding one proves that its members are in their bounds and that its URL is `http` or `https`.
/// It does not prove that anything is found at that URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "title": "Rain, then sun", "url": "https://news.example/rain", "source": "news.example",
    "category": "weather", "published_at": "2026-11-24T09:30:00Z",
}))]
pub struct NewArticle {
    /// Its headline, as plain text; not white space alone.
    #[schema(min_length = 1, max_length = 500, pattern = r"[^\s\u0085]|\ufeff")]
    pub(crate) title: String,
    /// Where it is read, `http` or `https`. In its normal form it has the most bytes that it may.
    #[schema(min_length = 1, max_length = 2048, format = "web-url")]
    pub(crate) url: String,
    /// What it is about. Tags are taken out, unless `description_format` says that there are none,
    /// and what is longer than 10 000 characters is cut.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// What the description is: `html`, unless given, or `text`, in which `<b>` is no tag.
    #[schema(value_type = Option<Writing>)]
    #[serde(skip_serializing_if = "Writing::is_html")]
    pub(crate) description_format: Writing,
    /// Who published it; not white space alone.
    #[schema(min_length = 1, max_length = 100, pattern = r"[^\s\u0085]|\ufeff")]
    pub(crate) source: String,
    /// What it is filed under; `general` unless given.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    pub(crate) category: String,
    /// When it was published. Without it, the time of the import that first brings it in counts,
    /// so that repeating an import changes nothing.
    #[schema(value_type = Option<String>, format = DateTime, min_length = 1, max_length = 64)]
    #[schema(pattern = "^(19[7-9][0-9]|[2-9][0-9]{3})-")]
    #[serde(serialize_with = "optional_rfc3339", skip_serializing_if = "Option::is_none")]
    pub(crate) published_at: Option<UnixMillis>,
    /// What its source knows it by.
    #[schema(min_length = 1, max_length = 2048)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guid: Option<String>,
    /// What the feed is known by from which it comes: its id or its address. An article is known
    /// by its `guid`, or else its `url`, inside its feed, or inside its source if it names none.
    #[schema(min_length = 1, max_length = 2048)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) feed: Option<String>,
}

/// How a description is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Writing {
    #[default]
    Html,
    Text,
}

impl Writing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_html(&self) -> bool {
        *self == Self::Html
    }
}

impl NewArticle {
    /// Its headline.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where it is read.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it is about, as plain text; may be empty.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Who published it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it is filed under.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.category
    }

    /// When it was published, if that is known.
    #[must_use]
    pub fn published_at(&self) -> Option<UnixMillis> {
        self.published_at
    }

    /// What the feed is known by from which it comes, if it comes from one.
    #[must_use]
    pub fn feed(&self) -> Option<&str> {
        self.feed.as_deref()
    }

    /// What an import knows it by, inside its feed or its source: its guid, or else its URL.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.guid.as_deref().unwrap_or(&self.url)
    }
}

/// A URL in its normal form, if it is one that a browser may follow and not too long.
pub(crate) fn web_url(text: &str) -> Option<String> {
    Url::parse(text.trim()).ok().and_then(web_address)
}

/// The normal form of a URL, if a browser may follow it and it is not too long.
pub(crate) fn web_address(url: Url) -> Option<String> {
    let in_bounds = url.as_str().len() <= URL_MAX;
    (matches!(url.scheme(), "http" | "https") && in_bounds).then(|| url.into())
}

/// A point in time from the milliseconds that feeds and timestamps count, which may be before
/// 1970; those and years of five digits are `None`.
pub(crate) fn unix_millis(millis: i64) -> Option<UnixMillis> {
    Timestamp::from_millisecond(millis).ok()?;
    u64::try_from(millis).ok().map(UnixMillis)
}

fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    // Nothing later than the year 9999 comes in; a row that another program wrote reads as 1970.
    let millis = i64::try_from(at.0).unwrap_or_default();
    serializer.collect_str(&Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn optional_rfc3339<S: Serializer>(
    at: &Option<UnixMillis>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_for_browsers_are_taken() {
        assert_eq!(web_url(" https://a.example/x y ").as_deref(), Some("https://a.example/x%20y"));
        assert_eq!(web_url("http://a.example").as_deref(), Some("http://a.example/"));
        for text in
            ["", "x", "/x", "//a.example", "javascript:alert(1)", "ftp://a.example", "https:"]
        {
            assert_eq!(web_url(text), None, "{text}");
        }
        let fitting = format!("https://a.example/{}", "x".repeat(URL_MAX - 18));
        assert_eq!(web_url(&fitting).as_deref(), Some(fitting.as_str()));
        assert_eq!(web_url(&format!("{fitting}x")), None);
    }

    #[test]
    fn time_begins_in_1970_and_ends_in_9999() {
        assert_eq!(unix_millis(0), Some(UnixMillis(0)));
        assert_eq!(unix_millis(-1), None);
        assert_eq!(unix_millis(i64::MAX), None);
    }
}
