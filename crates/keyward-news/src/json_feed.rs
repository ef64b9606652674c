//! Reading JSON Feed into a draft: <https://www.jsonfeed.org/version/1.1/>.

use serde_json::{Map, Value};

use crate::article::{CATEGORY_MAX, DESCRIPTION_MAX, SOURCE_MAX, TITLE_MAX};
use crate::draft::{DateKind, Draft, Entry, Link, LinkKind};
use crate::text;

/// Why the text is no feed.
#[derive(Debug)]
pub(crate) enum NoFeed {
    /// It is no JSON, or breaks off.
    Json(serde_json::Error),
    /// It is JSON of something else.
    Foreign,
}

/// Says whether this may be JSON Feed.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads a feed. A field of another type is read as if it were not there, except that a number is
/// taken as a text where the format asks readers to.
///
/// # Errors
///
/// Returns [`NoFeed`] if it is none.
pub(crate) fn read(text: &str) -> Result<Draft, NoFeed> {
    let feed: Value = serde_json::from_str(text.trim()).map_err(NoFeed::Json)?;
    let version = string(&feed, "version").to_ascii_lowercase();
    let items = feed.get("items").and_then(Value::as_array);
    let Some(items) = items.filter(|_| version.contains("jsonfeed.org")) else {
        return Err(NoFeed::Foreign);
    };
    let links = [("home_page_url", LinkKind::Page), ("feed_url", LinkKind::Itself)];
    Ok(Draft {
        title: text::cut(text::of_references(&string(&feed, "title")), SOURCE_MAX),
        links: links.into_iter().filter_map(|(name, kind)| link(&feed, name, kind)).collect(),
        entries: (1..).zip(items).map(|(at, item)| entry(at, item)).collect(),
        ..Draft::default()
    })
}

fn entry(at: usize, item: &Value) -> Entry {
    let mut entry = Entry { at, id: string(item, "id"), ..Entry::default() };
    entry.titles.offer(0, text::cut(text::of_references(&string(item, "title")), TITLE_MAX));
    let plain = |name| text::cut(text::of_plain(&string(item, name)), DESCRIPTION_MAX);
    entry.texts.offer(0, plain("summary"));
    let html = text::of_html(&string(item, "content_html"));
    entry.texts.offer(1, text::cut(html, DESCRIPTION_MAX));
    entry.texts.offer(2, plain("content_text"));
    let attached = item.get("attachments").and_then(Value::as_array);
    let links = [
        link(item, "url", LinkKind::Page),
        link(item, "external_url", LinkKind::Alternate),
        link(item, "id", LinkKind::Id),
        attached.and_then(|all| link(all.first()?, "url", LinkKind::Attachment)),
    ];
    entry.links.extend(links.into_iter().flatten());
    let tags = item.get("tags").and_then(Value::as_array).into_iter().flatten();
    let mut tags = tags.filter_map(Value::as_str).map(text::of_plain);
    let tag = tags.find(|tag| !tag.is_empty());
    entry.category = text::cut(tag.unwrap_or_default(), CATEGORY_MAX);
    let dates = [("date_published", DateKind::Published), ("date_modified", DateKind::Updated)];
    let dates = dates.into_iter().map(|(name, kind)| (kind, string(item, name)));
    entry.dates.extend(dates.filter(|(_, date)| !date.is_empty()));
    entry
}

fn link(object: &Value, name: &str, kind: LinkKind) -> Option<Link> {
    let href = string(object, name);
    (!href.is_empty()).then(|| Link { href, kind, bases: Vec::new() })
}

/// The text of a field, or the number instead of it.
fn string(object: &Value, name: &str) -> String {
    match object.as_object().and_then(|members: &Map<String, Value>| members.get(name)) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
