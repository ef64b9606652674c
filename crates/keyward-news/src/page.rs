//! The query of a caller to the list: the filters, the size of a page and where it begins.

use std::fmt;
use std::str::FromStr;

use keyward_axum::fault::Fault;
use keyward_axum::input::Query;
use url::form_urlencoded;

use crate::article::{Article, CATEGORY_MAX, SOURCE_MAX};

/// Most articles on a page.
pub(crate) const LIMIT_MAX: u64 = 100;

const LIMIT_DEFAULT: u64 = 20;

/// What may be asked of the list; [`PageQuery`] is what it becomes.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `PageQuery::parse` reads it")]
pub(crate) struct PageParams {
    /// Only this category; without text, all of them.
    #[param(max_length = 100)]
    category: Option<String>,
    /// Only this source; without text, all of them.
    #[param(max_length = 100)]
    source: Option<String>,
    /// Most articles on the page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    limit: u64,
    /// Where the page begins; it is taken from the `Link` header of the page before.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$", example = "1795512600000-7")]
    before: Option<String>,
}

/// A question to the list, with every parameter in its bounds.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery {
    pub(crate) category: Option<String>,
    pub(crate) source: Option<String>,
    /// 1 to [`LIMIT_MAX`].
    pub(crate) limit: usize,
    pub(crate) before: Cursor,
}

impl PageQuery {
    /// Reads the part of a URI after the question mark. A filter without text filters nothing.
    ///
    /// # Errors
    ///
    /// Returns every fault, in the order of the parameters, if there is one.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Vec<Fault>> {
        let query = Query::parse(query);
        let mut faults = Vec::new();
        let category = filter(&query, "category", CATEGORY_MAX, &mut faults);
        let source = filter(&query, "source", SOURCE_MAX, &mut faults);
        let limit = query.integer("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT).unwrap_or_else(|fault| {
            faults.push(fault);
            LIMIT_DEFAULT
        });
        let before = cursor(&query, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let limit = usize::try_from(limit).expect("the limit is at most 100");
        Ok(Self { category, source, limit, before })
    }

    /// The path and query of the page after the one that ends with `last`.
    pub(crate) fn next(&self, path: &str, last: &Article) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
        query.extend_pairs(self.category.as_ref().map(|category| ("category", category)));
        query.extend_pairs(self.source.as_ref().map(|source| ("source", source)));
        query.append_pair("limit", &self.limit.to_string());
        query.append_pair("before", &Cursor::behind(last).to_string());
        query.finish()
    }
}

/// Where a page begins: after the article with this time and id, newest first.
///
/// It is opaque to clients; they take it from the `Link` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) published_at_ms: i64,
    pub(crate) id: i64,
}

impl Cursor {
    /// Before all articles that there can be.
    const START: Self = Self { published_at_ms: i64::MAX, id: i64::MAX };

    fn behind(article: &Article) -> Self {
        let published_at_ms = i64::try_from(article.published_at.0).unwrap_or(i64::MAX);
        Self { published_at_ms, id: article.id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.published_at_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain { digits.parse().map_err(|_| ()) } else { Err(()) }
        };
        let (published_at_ms, id) = text.split_once('-').ok_or(())?;
        Ok(Self { published_at_ms: number(published_at_ms)?, id: number(id)? })
    }
}

fn filter(query: &Query, name: &str, max: usize, faults: &mut Vec<Fault>) -> Option<String> {
    let text = query.text(name).filter(|text| !text.is_empty())?;
    if max < text.chars().count() {
        faults.push(Fault::too_long(vec!["query".into(), name.into()], text.into(), max));
        return None;
    }
    Some(text.to_owned())
}

fn cursor(query: &Query, faults: &mut Vec<Fault>) -> Cursor {
    let Some(text) = query.text("before") else { return Cursor::START };
    text.parse().unwrap_or_else(|()| {
        let place = vec!["query".into(), "before".into()];
        let rule = "before is taken from a Link header";
        faults.push(Fault::value_error(place, text.into(), rule));
        Cursor::START
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_two_whole_numbers() {
        let cursor = Cursor { published_at_ms: 0, id: i64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "-", "1", "1-", "-1", "1--1", "+1-1", "1-1-1", "1-9223372036854775808"] {
            assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
        }
    }
}
