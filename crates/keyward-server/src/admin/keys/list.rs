//! Finding keys: filters, orders, and pages that go on where the one before ended.

mod cursor;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use http::header::{HeaderMap, HeaderValue, LINK};
use keyward::UnixMillis;
use keyward::query::{KeyCursor, KeyFilter, KeyQuery, NAME_PART_CHARS_MIN};
use keyward::record::{KEY_ID_MAX, NAME_CHARS_MAX, Stage};
use keyward::scan::holds_key;
use keyward::store::Reports;
use keyward_axum::input::Query;
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use self::cursor::Sort;
use super::view::{KeyView, StageView};
use crate::admin::query::Parameters;
use crate::failure::broken;
use keyward_api::shapes::{HINT_LEN_MAX, KeyNumber, OwnerText, SpanText, TierText, TimeText};

/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 20;
/// Most keys on one page.
pub(crate) const PAGE_MAX: u64 = 100;
/// Seconds of the longest span that filters take: a hundred years.
const SPAN_SECS_MAX: u64 = 36_525 * 24 * 60 * 60;
const SPAN_RULE: &str = "a time span is a whole number and a unit, like 30d, and at most 36525d";

/// Every parameter; `cursor` and `before` say where the page begins.
const PARAMETERS: [&str; 14] = [
    "state",
    "tier",
    "owner",
    "name",
    "hint",
    "expires_within",
    "idle_for",
    "created_after",
    "created_before",
    "sort",
    "limit",
    "total",
    "cursor",
    "before",
];

/// Lists keys, page by page, newest first unless told otherwise.
#[utoipa::path(get, path = "/admin/api-keys", tag = "keys", params(ListKeysQuery), responses(
    (status = 200, description = "A page", body = KeyList, headers(
        ("Link" = String, description = "The next page, relative to this, `rel=\"next\"`"),
    )),
))]
pub(crate) async fn list_keys(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<(HeaderMap, Json<KeyList>), Refusal> {
    let now = guard.now().unix;
    let asked = Query::parse(uri.query());
    let ListKeys { query, sort, total } = ListKeys::read(&asked, now)?;
    let total = match total {
        true => Some(reports.count_keys(query.filter.clone(), now).await.map_err(broken)?),
        false => None,
    };
    let page = reports.list_keys(query).await.map_err(broken)?;
    let next_cursor = page.next.map(|next| sort.cursor(&next));
    let headers = next_cursor.as_deref().map(|cursor| (LINK, next_link(&asked, cursor)));
    // What was asked for is in the link, and whatever is between us may log it.
    let headers = headers.filter(|(_, link)| !holds_key(link));
    let headers = headers.and_then(|(name, link)| Some((name, HeaderValue::try_from(link).ok()?)));
    let api_keys: Vec<_> = page.keys.iter().map(|key| KeyView::of(key, now)).collect();
    let list = KeyList {
        count: api_keys.len(),
        api_keys,
        total: total.map(|total| total.at_least),
        total_is_exact: total.map(|total| total.is_exact),
        next_cursor,
    };
    Ok((HeaderMap::from_iter(headers), Json(list)))
}

/// The next page of the same list, relative to this one, so that it is true behind a path as well.
fn next_link(asked: &Query, cursor: &str) -> String {
    let mut next = form_urlencoded::Serializer::new(String::new());
    let kept = PARAMETERS.iter().filter(|name| !matches!(**name, "cursor" | "before"));
    for name in kept {
        if let Some(value) = asked.text(name) {
            next.append_pair(name, value);
        }
    }
    let query = next.append_pair("cursor", cursor).finish();
    format!("<?{query}>; rel=\"next\"")
}

/// What a request for a list asks for.
struct ListKeys {
    query: KeyQuery,
    sort: Sort,
    total: bool,
}

impl ListKeys {
    fn read(asked: &Query, now: UnixMillis) -> Result<Self, Refusal> {
        let mut parameters = Parameters::new(asked, &PARAMETERS);
        let filter = read_filter(&mut parameters, now);
        let sort = parameters.one_of("sort", &Sort::WORDS).and_then(Sort::of).unwrap_or_default();
        let limit = parameters.integer("limit", &(1..=PAGE_MAX)).unwrap_or(PAGE_DEFAULT);
        let total = parameters.flag("total");
        let after = read_place(&mut parameters, sort);
        parameters.finish()?;
        let Sort { order, descending } = sort;
        let max = u32::try_from(limit).unwrap_or(u32::MAX);
        let query = KeyQuery { filter, order, descending, after, max, now };
        Ok(Self { query, sort, total })
    }
}

fn read_filter(parameters: &mut Parameters<'_>, now: UnixMillis) -> KeyFilter {
    let state = parameters.one_of("state", &Stage::ALL.map(Stage::as_str));
    KeyFilter {
        state: Stage::ALL.into_iter().find(|stage| state == Some(stage.as_str())),
        tier: parameters.parsed("tier"),
        owner: parameters.parsed("owner"),
        name_part: parameters.text("name", NAME_PART_CHARS_MIN..=NAME_CHARS_MAX),
        hint_start: parameters.text("hint", 1..=HINT_LEN_MAX),
        expires_before: read_millis(parameters, "expires_within")
            .map(|millis| UnixMillis(now.0.saturating_add(millis))),
        idle_since: read_millis(parameters, "idle_for")
            .map(|millis| UnixMillis(now.0.saturating_sub(millis))),
        created_from: parameters.time("created_after"),
        created_before: parameters.time("created_before"),
    }
}

fn read_millis(parameters: &mut Parameters<'_>, name: &'static str) -> Option<u64> {
    parameters.span(name, &(1..=SPAN_SECS_MAX), SPAN_RULE).map(|secs| secs * 1_000)
}

/// Where the page begins.
fn read_place(parameters: &mut Parameters<'_>, sort: Sort) -> Option<KeyCursor> {
    let before = parameters.integer("before", &(1..=KEY_ID_MAX));
    let cursor = parameters.given("cursor").map(|text| sort.place(text));
    match (before, cursor) {
        (Some(_), Some(_)) => {
            parameters.broken_rule("before", "before and cursor exclude each other");
        }
        (Some(_), None) if sort != Sort::default() => {
            parameters.broken_rule("before", "before goes with the order -created alone");
        }
        (Some(id), None) => return Some(KeyCursor { value: String::new(), id }),
        (None, Some(Some(place))) => return Some(place),
        (None, Some(None)) => {
            let rule = "a cursor is the next_cursor of a page in the same order";
            parameters.broken_rule("cursor", rule);
        }
        (None, None) => {}
    }
    None
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    #[schema(max_items = 100)]
    api_keys: Vec<KeyView>,
    /// Keys on this page.
    count: usize,
    /// Keys that fit, on all pages; only if asked for. At least so many, if it is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Whether `total` is all; there if that is. Counting ends where it would take too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_is_exact: Option<bool>,
    /// What to ask for as `cursor` to get the next page; `null` if there is none. A page may hold
    /// fewer keys than asked for, or none, and not be the last: the work for one page is bounded.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Which keys, in which order, and which page of them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `ListKeys` is read")]
pub(crate) struct ListKeysQuery {
    /// Only in this state.
    state: Option<StageView>,
    /// Only in this tier.
    #[param(value_type = Option<TierText>)]
    tier: Option<String>,
    /// Only of this owner.
    #[param(value_type = Option<OwnerText>)]
    owner: Option<String>,
    /// Only with this in their name, letters of either case being the same.
    #[param(min_length = 3, max_length = 100)]
    name: Option<String>,
    /// Only with a hint that begins so: a prefix, or the first characters of a secret.
    #[param(min_length = 1, max_length = 29, example = "kw_Ab3d")]
    hint: Option<String>,
    /// Only those that expire within this time from now, at most 36525d.
    #[param(value_type = Option<SpanText>, example = "30d")]
    expires_within: Option<String>,
    /// Only those that were not used for this time, at most 36525d, and are older than that.
    #[param(value_type = Option<SpanText>, example = "90d")]
    idle_for: Option<String>,
    /// Only those issued at this time or later.
    #[param(value_type = Option<TimeText>)]
    created_after: Option<String>,
    /// Only those issued before this time.
    #[param(value_type = Option<TimeText>)]
    created_before: Option<String>,
    /// The order; with `-` in front of it, the latest come first. `created` is that in which keys
    /// came here: an imported one counts from its import.
    #[param(inline, value_type = Option<SortText>, required = false)]
    sort: Option<String>,
    /// Most keys on the page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    limit: u32,
    /// Count the keys that fit, on all pages, as far as the work for one request goes.
    #[param(required = false, default = false)]
    total: bool,
    /// The `next_cursor` of the page before, which was asked for with the same `sort`.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// Only keys with a smaller id; for the order `-created` alone. `cursor` does more.
    #[param(value_type = Option<KeyNumber>)]
    before: Option<u64>,
}

/// What a list is ordered by.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is a description")]
pub(crate) enum SortText {
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "-created")]
    CreatedLatest,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameLatest,
    #[serde(rename = "last_used")]
    LastUsed,
    #[serde(rename = "-last_used")]
    LastUsedLatest,
    #[serde(rename = "expires")]
    Expires,
    #[serde(rename = "-expires")]
    ExpiresLatest,
}
