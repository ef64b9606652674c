//! Reading feeds: RSS, Atom and JSON Feed become articles.
//!
//! This module reads bytes and asks nobody: fetching is for others.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use feed_rs::model::{Entry, Feed, Link, Text};
use feed_rs::parser::{self, ParseErrorKind, ParseFeedError};
use keyward_axum::keyward::UnixMillis;
use url::Url;

use crate::article::{
    CATEGORY_DEFAULT, CATEGORY_MAX, DESCRIPTION_MAX, GUID_MAX, NewArticle, SOURCE_MAX, TITLE_MAX,
    unix_millis, web_url,
};
use crate::text;

/// Most bytes of a feed.
pub const FEED_LEN_MAX: usize = 16 * 1_024 * 1_024;

/// A feed that cannot be read. It names the feed and the place, as far as the parser tells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The feed is longer than [`FEED_LEN_MAX`].
    #[error("{name}: the feed has {len} bytes, and at most {FEED_LEN_MAX} are read")]
    TooLong {
        /// The name that was given to [`read`].
        name: String,
        /// Its length in bytes.
        len: usize,
    },
    /// It is none of the formats, or a broken one.
    #[error("{name}:{place}: the feed cannot be read")]
    Broken {
        /// The name that was given to [`read`].
        name: String,
        /// Where in it.
        place: Place,
        /// What the parser says.
        #[source]
        cause: ParseFeedError,
    },
    /// The feed names neither a title nor a link, so its articles have no source.
    #[error("{name}: the feed has neither a title nor a link to name as the source")]
    Nameless {
        /// The name that was given to [`read`].
        name: String,
    },
}

/// A place in a feed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line; for XML, the one at which the parser gave up.
    pub line: usize,
    /// The column in bytes, where it is known.
    pub column: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        match column {
            Some(column) => write!(f, "{line}:{column}"),
            None => write!(f, "{line}"),
        }
    }
}

/// Reads a feed; `name` is for its errors.
///
/// The source is the title of the feed, or else the host of its link; the category is the first of
/// the entry, or else `general`. Entries without a title or a web URL are left out. An entry
/// without a date, or with one later than `now`, has no time of publication: it gets that of its
/// first import, so that importing the feed again changes nothing. Texts are cut to their bounds.
///
/// # Errors
///
/// Returns [`FeedError`] if it is no feed, or none that can be read to its end.
pub fn read(name: &str, bytes: &[u8], now: UnixMillis) -> Result<Vec<NewArticle>, FeedError> {
    let name = || name.to_owned();
    if FEED_LEN_MAX < bytes.len() {
        return Err(FeedError::TooLong { name: name(), len: bytes.len() });
    }
    let lines = Cell::new(0);
    // Entries without an id stay so: their URL is a better one than any that could be made up.
    let parser = parser::Builder::new().id_generator(|_, _, _| String::new()).build();
    let feed = parser.parse(Lines { rest: bytes, given: &lines }).map_err(|cause| {
        FeedError::Broken { name: name(), place: place(bytes, lines.get(), &cause), cause }
    })?;
    let source = source(&feed).ok_or_else(|| FeedError::Nameless { name: name() })?;
    Ok(feed.entries.iter().filter_map(|entry| article(entry, &source, now)).collect())
}

/// Gives one line at a time, so that the parser's place is known when it gives up.
struct Lines<'a> {
    rest: &'a [u8],
    given: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (window, _) = self.rest.split_at(buffer.len().min(self.rest.len()));
        let line_len = window.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        // Blank lines come with what follows: the parser tells formats apart by the first piece.
        let blank_len = window.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let wanted = line_len.unwrap_or(window.len()).max(blank_len + 1).min(window.len());
        let (mut line, _) = window.split_at(wanted);
        let len = line.read(buffer)?;
        let (given, rest) = self.rest.split_at(len);
        self.given.set(self.given.get() + given.iter().filter(|byte| **byte == b'\n').count());
        self.rest = rest;
        Ok(len)
    }
}

fn place(bytes: &[u8], lines_given: usize, cause: &ParseFeedError) -> Place {
    let position = match cause {
        ParseFeedError::JsonSerde(error) if error.line() != 0 => {
            return Place { line: error.line(), column: Some(error.column().max(1)) };
        }
        ParseFeedError::ParseError(
            ParseErrorKind::UnknownMimeType { position, .. }
            | ParseErrorKind::MissingContent { position, .. }
            | ParseErrorKind::UnknownEnumVariant { position, .. }
            | ParseErrorKind::IllegalState { position, .. },
        ) => usize::try_from(*position).ok(),
        ParseFeedError::ParseError(ParseErrorKind::NoFeedRoot)
        | ParseFeedError::JsonSerde(_)
        | ParseFeedError::JsonUnsupportedVersion(_) => Some(0),
        ParseFeedError::IoError(_) | ParseFeedError::XmlReader(_) => None,
    };
    let Some(position) = position else {
        return Place { line: lines_given.max(1), column: None };
    };
    let above = bytes.get(..position).unwrap_or(bytes);
    let line = above.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = above.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Place { line, column: Some(column) }
}

fn source(feed: &Feed) -> Option<String> {
    let title = feed.title.as_ref().map(|title| label(&title.content, SOURCE_MAX));
    let host = || {
        let mut urls = feed.links.iter().filter_map(|link| Url::parse(&link.href).ok());
        urls.find_map(|url| url.host_str().map(|host| text::cut(host.to_owned(), SOURCE_MAX)))
    };
    title.filter(|title| !title.is_empty()).or_else(host)
}

fn article(entry: &Entry, source: &str, now: UnixMillis) -> Option<NewArticle> {
    let guid = Some(entry.id.trim()).filter(|id| !id.is_empty() && id.chars().count() <= GUID_MAX);
    // A guid that is a URL is where the entry is read, if it does not say otherwise.
    let url = link(&entry.links).and_then(web_url).or_else(|| guid.and_then(web_url))?;
    let title = label(&entry.title.as_ref()?.content, TITLE_MAX);
    if title.is_empty() {
        return None;
    }
    let categories = entry.categories.iter().map(|category| label(&category.term, CATEGORY_MAX));
    let category = categories.into_iter().find(|term| !term.is_empty());
    let at = entry.published.or(entry.updated).map(|at| at.timestamp_millis());
    Some(NewArticle {
        title,
        url,
        description: description(entry),
        source: source.to_owned(),
        category: category.unwrap_or_else(|| CATEGORY_DEFAULT.to_owned()),
        published_at: at.and_then(unix_millis).filter(|at| *at <= now),
        guid: guid.map(str::to_owned),
    })
}

/// Where the entry is read; attachments are links, too, and have a media type.
fn link(links: &[Link]) -> Option<&str> {
    let readable = |link: &&Link| match link.rel.as_deref() {
        Some(rel) => rel == "alternate",
        None => link.media_type.as_deref().is_none_or(|media_type| media_type == "text/html"),
    };
    links.iter().find(readable).map(|link| link.href.as_str())
}

fn description(entry: &Entry) -> String {
    let summary = entry.summary.as_ref().map(|Text { content, .. }| content.as_str());
    let content = || entry.content.as_ref().and_then(|content| content.body.as_deref());
    let html = summary.filter(|summary| !summary.is_empty()).or_else(content);
    text::cut(text::of_html(html.unwrap_or_default()), DESCRIPTION_MAX)
}

/// One line of plain text.
fn label(html: &str, max: usize) -> String {
    text::cut(text::of_html(html), max)
}
