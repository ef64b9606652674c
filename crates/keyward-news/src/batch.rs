//! Reading the body of an import, with every fault found at once.

use jiff::Timestamp;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Fields};
use keyward_axum::keyward::UnixMillis;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::article::{
    BATCH_MAX, CATEGORY_DEFAULT, CATEGORY_MAX, DESCRIPTION_MAX, FEED_MAX, GUID_MAX, NewArticle,
    SOURCE_MAX, TITLE_MAX, URL_MAX, Writing, unix_millis, web_url,
};
use crate::text;

/// Faults after which no further article is looked at: readers need no more.
const FAULTS_ENOUGH: usize = 100;

/// Most characters of a time of publication, more than RFC 3339 needs for nanoseconds.
const TIME_MAX: usize = 64;

/// Articles to bring in.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// What was not there is added; what was and differs is changed.
    #[schema(max_items = 100)]
    pub(crate) articles: Vec<NewArticle>,
}

impl Batch {
    /// Reads `{"articles":[…]}`.
    ///
    /// # Errors
    ///
    /// Returns the faults if anything in it does not fit.
    pub(crate) fn read(body: Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::new(vec!["body".into()], body);
        let mut articles = Vec::new();
        if let Some(value) = fields.take_required("articles") {
            let faults = match list(value, fields.location("articles")) {
                Ok(values) => read_all(values, &fields.location("articles"), &mut articles),
                Err(faults) => faults,
            };
            faults.into_iter().for_each(|fault| fields.fault(fault));
        }
        let faults = fields.finish();
        if faults.is_empty() { Ok(Self { articles }) } else { Err(faults) }
    }
}

fn list(value: Value, location: Vec<Value>) -> Result<Vec<Value>, Vec<Fault>> {
    let Value::Array(values) = value else {
        return Err(vec![
            Fault::new("list_type", location, "Input should be a valid list").input(value),
        ]);
    };
    if BATCH_MAX < values.len() {
        let len = values.len();
        let message =
            format!("List should have at most {BATCH_MAX} items after validation, not {len}");
        let context =
            json!({ "field_type": "List", "max_length": BATCH_MAX, "actual_length": len });
        return Err(vec![Fault::new("too_long", location, message).input(values).context(context)]);
    }
    Ok(values)
}

fn read_all(values: Vec<Value>, location: &[Value], batch: &mut Vec<NewArticle>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let mut location = location.to_vec();
        location.push(at.into());
        match article(value, location) {
            Ok(article) => batch.push(article),
            Err(found) => faults.extend(found),
        }
        if FAULTS_ENOUGH <= faults.len() {
            break;
        }
    }
    faults
}

fn article(value: Value, location: Vec<Value>) -> Result<NewArticle, Vec<Fault>> {
    let Value::Object(fields) = value else {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(vec![Fault::new("model_attributes_type", location, message).input(value)]);
    };
    let mut fields = Fields::new(location, fields);
    let title = phrase(&mut fields, "title", TITLE_MAX);
    let url = url(&mut fields);
    let description = optional(&mut fields, "description", 0, usize::MAX);
    let description_format = writing(&mut fields);
    let source = phrase(&mut fields, "source", SOURCE_MAX);
    let category = optional(&mut fields, "category", 1, CATEGORY_MAX);
    let published_at = published_at(&mut fields);
    let guid = optional(&mut fields, "guid", 1, GUID_MAX);
    let feed = optional(&mut fields, "feed", 1, FEED_MAX);
    let faults = fields.finish();
    match (title, url, source) {
        (Some(title), Some(url), Some(source)) if faults.is_empty() => {
            let description = description.unwrap_or_default();
            let description = match description_format {
                Writing::Html => text::without_tags(&description),
                Writing::Text => text::of_plain(&description),
            };
            let description = text::cut(description, DESCRIPTION_MAX);
            let category = category.unwrap_or_else(|| CATEGORY_DEFAULT.to_owned());
            Ok(NewArticle {
                title,
                url,
                description,
                description_format: Writing::Text,
                source,
                category,
                published_at,
                guid,
                feed,
            })
        }
        _ => Err(faults),
    }
}

/// A text that must be there and say something.
fn phrase(fields: &mut Fields, name: &str, max: usize) -> Option<String> {
    let text = fields.string(name, 1..=max)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        fields.fault(Fault::too_short(fields.location(name), text.into(), 1));
        return None;
    }
    Some(trimmed.to_owned())
}

/// A text that may be missing or `null`.
fn optional(fields: &mut Fields, name: &str, min: usize, max: usize) -> Option<String> {
    let value = fields.take(name).filter(|value| !value.is_null())?;
    let text = input::string(value, fields.location(name), min..=max);
    fields.ok(text)
}

/// How the description is written.
fn writing(fields: &mut Fields) -> Writing {
    let name = "description_format";
    match optional(fields, name, 1, usize::MAX).as_deref() {
        None | Some("html") => Writing::Html,
        Some("text") => Writing::Text,
        Some(other) => {
            let rule = "description_format must be html or text";
            fields.fault(Fault::value_error(fields.location(name), other.into(), rule));
            Writing::Html
        }
    }
}

fn url(fields: &mut Fields) -> Option<String> {
    let text = fields.string("url", 1..=URL_MAX)?;
    let url = web_url(&text).ok_or_else(|| {
        let rule = "url must be an http or https URL of at most 2048 bytes";
        Fault::value_error(fields.location("url"), text.into(), rule)
    });
    fields.ok(url)
}

fn published_at(fields: &mut Fields) -> Option<UnixMillis> {
    let text = optional(fields, "published_at", 1, TIME_MAX)?;
    let at = text.parse::<Timestamp>().ok().and_then(|at| unix_millis(at.as_millisecond()));
    let at = at.ok_or_else(|| {
        let rule = "published_at must be an RFC 3339 time since 1970";
        Fault::value_error(fields.location("published_at"), text.into(), rule)
    });
    fields.ok(at)
}
