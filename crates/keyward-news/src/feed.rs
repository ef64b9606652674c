//! Reading feeds: RSS, Atom and JSON Feed become articles.
//!
//! This module reads bytes and makes no requests: fetching is for others.

use std::fmt::Display;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use keyward_axum::keyward::UnixMillis;
use url::Url;

use crate::article::{CATEGORY_DEFAULT, FEED_MAX, GUID_MAX, NewArticle, SOURCE_MAX, Writing};
use crate::article::{web_address, web_url};
use crate::date;
use crate::decode::{self, Undecoded};
use crate::draft::{Draft, Entry, Link, LinkKind};
use crate::json_feed;
use crate::syndication;
use crate::text;

pub use crate::draft::Place;

/// Most bytes of a feed, once it is decompressed.
pub const FEED_LEN_MAX: usize = 16 * 1_024 * 1_024;

/// Most remarks about one feed; the rest is counted.
pub const NOTES_MAX: usize = 20;

/// Most characters of a title that is made of an entry's text.
const EXCERPT_MAX: usize = 100;

/// Where a feed comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its name in errors.
    pub name: &'a str,
    /// The address from which it was fetched, if it was.
    pub address: Option<&'a Url>,
    /// How its characters are written, as `Content-Type` says.
    pub charset: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// A file, or another source without an address.
    #[must_use]
    pub fn file(name: &'a str) -> Self {
        Self { name, address: None, charset: None }
    }
}

/// The content of a feed.
#[derive(Debug, Default)]
pub struct Feed {
    /// Its articles, in its order.
    pub articles: Vec<NewArticle>,
    /// How many entries are no articles.
    pub left_out: usize,
    /// Its faults, in sentences that name the location: why entries were left out, and which dates
    /// could not be read. At most [`NOTES_MAX`], and one more that counts the rest.
    pub notes: Vec<String>,
}

/// A feed that cannot be read. It names the feed, and the location, where there is one.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The feed is longer than [`FEED_LEN_MAX`].
    #[error("{name}: the feed is longer than the {FEED_LEN_MAX} bytes that are read")]
    TooLong {
        /// The name that was given to [`read`].
        name: String,
    },
    /// It is compressed, and broken.
    #[error("{name}: what is compressed is damaged or cut short; fetch the feed again")]
    Damaged {
        /// The name that was given to [`read`].
        name: String,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// It is JSON, and broken.
    #[error("{name}:{place}: the JSON of the feed cannot be read")]
    Broken {
        /// The name that was given to [`read`].
        name: String,
        /// Where in it.
        place: Place,
        /// The parser's error.
        #[source]
        cause: serde_json::Error,
    },
    /// It is something else.
    #[error("{name}: no feed, but {what}")]
    NoFeed {
        /// The name that was given to [`read`].
        name: String,
        /// Its kind, and the remedy.
        what: String,
    },
    /// The reader itself failed over it.
    #[error("{name}: the feed cannot be read, because of a fault in this program")]
    Fault {
        /// The name that was given to [`read`].
        name: String,
    },
}

/// Reads a feed: RSS of any version, Atom or JSON Feed, however it is compressed and its
/// characters are written.
///
/// An entry that is no article is left out, and said; nothing else is lost over it. The source is
/// the title of the feed, or else a host; the category is the first of the entry, or else
/// `general`. An entry without a title takes one from its text, or is called by its address. One
/// without a date, or with one later than `now`, has no time of publication: it gets that of its
/// first import, so that importing the feed again changes nothing. One without a link is read at
/// its site, and is known by its title, if it has no id. Relative links are resolved
/// against `xml:base` and the address of the feed, the one it names, or that of its site. Texts
/// are cut to their bounds.
///
/// # Errors
///
/// Returns [`FeedError`] if it is no feed, or is compressed or JSON and damaged.
pub fn read(origin: Origin<'_>, bytes: &[u8], now: UnixMillis) -> Result<Feed, FeedError> {
    // No input is known to get here, but one feed must not take those after it along.
    let reading = AssertUnwindSafe(|| read_all(origin, bytes, now));
    let fault = |_| Err(FeedError::Fault { name: origin.name.to_owned() });
    panic::catch_unwind(reading).unwrap_or_else(fault)
}

fn read_all(origin: Origin<'_>, bytes: &[u8], now: UnixMillis) -> Result<Feed, FeedError> {
    let name = || origin.name.to_owned();
    let no_feed = |what| FeedError::NoFeed { name: name(), what };
    let bytes = decode::decompress(bytes, FEED_LEN_MAX).map_err(|why| match why {
        Undecoded::TooLong => FeedError::TooLong { name: name() },
        Undecoded::Broken(cause) => FeedError::Damaged { name: name(), cause },
        Undecoded::Foreign(format) => no_feed(format!("a file in the format {format}")),
    })?;
    let text = decode::text(&bytes, origin.charset);
    let (draft, unit) = if json_feed::is_json(&text) {
        let draft = json_feed::read(&text).map_err(|why| match why {
            json_feed::NoFeed::Foreign => no_feed(FOREIGN_JSON.to_owned()),
            json_feed::NoFeed::Json(cause) => {
                let place =
                    Place { line: cause.line().max(1), column: Some(cause.column().max(1)) };
                FeedError::Broken { name: name(), place, cause }
            }
        })?;
        (draft, "item")
    } else {
        let draft = syndication::read(&text).map_err(|why| no_feed(what_else(&text, why)))?;
        (draft, "line")
    };
    Ok(Context::of(&draft, origin, unit, now).feed(&draft))
}

const FOREIGN_JSON: &str = "JSON of something else: a feed has `version` and `items`";

fn what_else(text: &str, why: syndication::NoFeed) -> String {
    match why {
        _ if text.trim().is_empty() => "nothing at all".to_owned(),
        syndication::NoFeed::NoElement => "text without any element of XML".to_owned(),
        syndication::NoFeed::Root(root) if root == "html" => {
            "a web page; give the address of the feed that it links to".to_owned()
        }
        syndication::NoFeed::Root(root) => {
            format!("XML whose outermost element is `{}`", text::excerpt(&root, EXCERPT_MAX))
        }
    }
}

/// The properties of a feed for all of its entries.
struct Context {
    source: Option<String>,
    identity: Option<String>,
    /// The site, where entries are read that have no link.
    home: Option<String>,
    /// Against which links are resolved.
    base: Option<Url>,
    /// The unit of an entry's number.
    unit: &'static str,
    now: UnixMillis,
}

impl Context {
    fn of(draft: &Draft, origin: Origin<'_>, unit: &'static str, now: UnixMillis) -> Self {
        let absolute = |kind| {
            let mut links = draft.links.iter().filter(move |link| link.kind == kind);
            links.find_map(|link| resolve(link, origin.address))
        };
        let (own, home) = (absolute(LinkKind::Itself), absolute(LinkKind::Page));
        let address = origin.address.map(|address| address.as_str().to_owned());
        let known_by = [Some(draft.id.clone()), own.clone(), address, home.clone()];
        let mut known_by = known_by.into_iter().flatten();
        let base = origin.address.cloned();
        let base = base.or_else(|| Url::parse(own.as_deref().or(home.as_deref())?).ok());
        let title = Some(draft.title.clone()).filter(|title| !title.is_empty());
        let host = || host(home.as_deref()?);
        Self {
            source: title.or_else(host),
            identity: known_by.find(|id| !id.is_empty() && id.chars().count() <= FEED_MAX),
            home,
            base,
            unit,
            now,
        }
    }

    fn feed(mut self, draft: &Draft) -> Feed {
        let mut feed = Feed::default();
        let mut notes = Notes::default();
        let urls: Vec<_> = draft.entries.iter().map(|entry| self.url(entry)).collect();
        let shared = shared_host(&urls);
        // A feed that names nothing of its own is its site's.
        self.identity = self.identity.or_else(|| shared.clone());
        let own = || host(self.base.as_ref()?.as_str());
        let source = self.source.take().or(shared).or_else(own);
        let source = source.or_else(|| urls.iter().flatten().find_map(|url| host(url)));
        for (entry, url) in draft.entries.iter().zip(urls) {
            let place = format!("{} {}", self.unit, entry.at);
            match url.zip(source.as_deref()) {
                Some((url, source)) => {
                    feed.articles.push(self.article(entry, url, source, &place, &mut notes));
                }
                None => {
                    feed.left_out += 1;
                    notes.add(|| format!("{place}: the entry has no link to a page; left out"));
                }
            }
        }
        if let Some(at) = draft.cut_at {
            feed.left_out += 1;
            let cut = "the feed ends in the middle of this entry; left out";
            notes.add(|| format!("{} {at}: {cut}", self.unit));
        } else if draft.is_cut {
            notes.add(|| "the feed ends before its end; entries may be missing");
        }
        feed.notes = notes.finish();
        feed
    }

    /// Where the entry is read.
    fn url(&self, entry: &Entry) -> Option<String> {
        let mut links: Vec<_> = entry.links.iter().filter(|link| !link.href.is_empty()).collect();
        links.sort_by_key(|link| link.kind);
        let link = links.iter().find_map(|link| resolve(link, self.base.as_ref()));
        let says = |text: &str| !text.is_empty();
        let is_text = says(entry.titles.as_str()) || says(entry.texts.as_str());
        let has_link = links.iter().any(|link| link.kind != LinkKind::Id);
        link.or_else(|| self.home.clone().filter(|_| is_text && !has_link))
    }

    fn article(
        &self,
        entry: &Entry,
        url: String,
        source: &str,
        place: &str,
        notes: &mut Notes,
    ) -> NewArticle {
        let title = match (entry.titles.as_str(), entry.texts.as_str()) {
            ("", "") => text::excerpt(&url, EXCERPT_MAX),
            ("", text) => text::excerpt(text, EXCERPT_MAX),
            (title, _) => title.to_owned(),
        };
        let is_at_home = self.home.as_deref() == Some(&url);
        let category = Some(entry.category.as_str()).filter(|category| !category.is_empty());
        let guid = Some(entry.id.as_str()).filter(|id| !id.is_empty());
        // Entries that are read on one page are distinguished by their titles.
        let guid = guid.map(str::to_owned).or_else(|| is_at_home.then(|| title.clone()));
        NewArticle {
            title,
            url,
            description: entry.texts.as_str().to_owned(),
            description_format: Writing::Text,
            source: source.to_owned(),
            category: category.unwrap_or(CATEGORY_DEFAULT).to_owned(),
            published_at: published_at(entry, place, notes).filter(|at| *at <= self.now),
            guid: guid.filter(|id| id.chars().count() <= GUID_MAX),
            feed: self.identity.clone(),
        }
    }
}

/// The first date that can be read, of the most telling kind.
fn published_at(entry: &Entry, place: &str, notes: &mut Notes) -> Option<UnixMillis> {
    let mut dates: Vec<_> = entry.dates.iter().filter(|(_, date)| !date.is_empty()).collect();
    dates.sort_by_key(|(kind, _)| *kind);
    let mut found = None;
    for (_, text) in dates {
        let read = date::parse(text);
        if read.is_none() {
            let text = text::excerpt(text, EXCERPT_MAX);
            notes.add(|| format!("{place}: {text:?} is no date that can be read"));
        }
        found = found.or(read);
    }
    found
}

/// The address that a link leads to, if a browser may follow it.
fn resolve(link: &Link, base: Option<&Url>) -> Option<String> {
    if link.kind == LinkKind::Id {
        return web_url(&link.href);
    }
    let mut base = base.cloned();
    for inner in &link.bases {
        base = base.and_then(|base| base.join(inner).ok()).or_else(|| Url::parse(inner).ok());
    }
    let url = match base {
        Some(base) => base.join(&link.href),
        None => Url::parse(&link.href),
    };
    url.ok().and_then(web_address)
}

/// The host that all entries are at.
fn shared_host(urls: &[Option<String>]) -> Option<String> {
    let mut hosts = urls.iter().flatten().filter_map(|url| host(url));
    let first = hosts.next()?;
    hosts.all(|host| host == first).then_some(first)
}

fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.host_str().map(|host| text::cut(host.to_owned(), SOURCE_MAX))
}

/// Remarks, of which so many are kept.
#[derive(Default)]
struct Notes {
    kept: Vec<String>,
    more: usize,
}

impl Notes {
    fn add<T: Display>(&mut self, note: impl FnOnce() -> T) {
        if self.kept.len() < NOTES_MAX {
            self.kept.push(note().to_string());
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if 0 < self.more {
            self.kept.push(format!("and {} more of this kind", self.more));
        }
        self.kept
    }
}
