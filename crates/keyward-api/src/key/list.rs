//! Finding keys: filters, orders, and pages that go on where the one before ended.

use keyward::UnixMillis;
use keyward::query::{KeyCount, KeyCursor, KeyFilter, KeyPage, KeyQuery, NAME_PART_CHARS_MIN};
use keyward::record::NAME_CHARS_MAX;
use keyward_http::Rejection;
use keyward_http::input::Query;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cursor::{Sort, SortWord};
use super::view::KeyView;
use crate::query;
use crate::query::{Chars, LongSpan, PageLen, Parameters};
use crate::shapes::{HINT_LEN_MAX, KeyNumber, OwnerText, SpanText, TierText, TimeText};
use crate::words::StageWord;

/// Most keys on one page.
pub const PAGE_MAX: u32 = 100;
/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u32 = 20;

/// Which keys, in which order, and which page of them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListKeysQuery {
    /// Only in this state.
    pub state: Option<StageWord>,
    /// Only in this tier.
    pub tier: Option<TierText>,
    /// Only of this owner.
    pub owner: Option<OwnerText>,
    /// Only with this in their name, letters of either case being the same.
    #[param(value_type = Option<String>, min_length = 3, max_length = 100)]
    pub name: Option<Chars<NAME_PART_CHARS_MIN, NAME_CHARS_MAX>>,
    /// Only with a hint that begins so: a prefix, or the first characters of a secret.
    #[param(value_type = Option<String>, min_length = 1, max_length = 29, example = "kw_Ab3d")]
    pub hint: Option<Chars<1, HINT_LEN_MAX>>,
    /// Only keys that expire within this time from now, at most 36525d.
    #[param(value_type = Option<SpanText>, example = "30d")]
    pub expires_within: Option<LongSpan>,
    /// Only keys that were not used for this time, at most 36525d, and are older than that.
    #[param(value_type = Option<SpanText>, example = "90d")]
    pub idle_for: Option<LongSpan>,
    /// Only keys issued at this time or later.
    pub created_after: Option<TimeText>,
    /// Only keys issued before this time.
    pub created_before: Option<TimeText>,
    /// The order; with `-` in front of it, the latest come first. `created` is that in which keys
    /// came here: an imported one counts from its import.
    #[param(inline, required = false)]
    pub sort: Option<SortWord>,
    /// Most keys on the page.
    #[param(value_type = u32, minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: Option<PageLen<PAGE_MAX>>,
    /// Count the matching keys of all pages, as far as the work for one request goes.
    #[param(value_type = bool, required = false, default = false)]
    pub total: Option<bool>,
    /// The `next_cursor` of the page before, in the same `sort`.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
    /// Only keys with a smaller id; for the order `-created` alone. `cursor` does more.
    pub before: Option<KeyNumber>,
}

query!(ListKeysQuery {
    state,
    tier,
    owner,
    name,
    hint,
    expires_within,
    idle_for,
    created_after,
    created_before,
    sort,
    limit,
    total,
    cursor,
    before,
});

/// The request for a list: the page, its order, and whether all keys are counted.
#[derive(Debug)]
pub struct ListKeys {
    /// Which keys.
    pub query: KeyQuery,
    /// In which order.
    pub sort: Sort,
    /// Whether all matching keys are counted.
    pub total: bool,
}

impl ListKeys {
    /// Reads the query of a request.
    ///
    /// # Errors
    ///
    /// Returns 422 with every fault.
    pub fn read(query: &Query, now: UnixMillis) -> Result<Self, Rejection> {
        let mut parameters = Parameters::of(query);
        let asked = ListKeysQuery::take_from(&mut parameters);
        let sort = asked.sort.map_or_else(Sort::default, |sort| sort.0);
        let after = asked.start(sort, &mut parameters);
        parameters.finish(ListKeysQuery::NAMES)?;
        let max = asked.limit.map_or(PAGE_DEFAULT, |limit| limit.0);
        let total = asked.total.unwrap_or_default();
        let Sort { order, descending } = sort;
        let filter = asked.into_filter(now);
        Ok(Self { query: KeyQuery { filter, order, descending, after, max, now }, sort, total })
    }
}

impl ListKeysQuery {
    fn into_filter(self, now: UnixMillis) -> KeyFilter {
        let millis = |span: LongSpan| span.0.as_secs() * 1_000;
        let within = self.expires_within.map(millis);
        let idle = self.idle_for.map(millis);
        KeyFilter {
            state: self.state.map(|state| state.0),
            tier: self.tier.map(|tier| tier.0),
            owner: self.owner.map(|owner| owner.0),
            name_part: self.name.map(|name| name.0),
            hint_start: self.hint.map(|hint| hint.0),
            expires_before: within.map(|within| UnixMillis(now.0.saturating_add(within))),
            idle_since: idle.map(|idle| UnixMillis(now.0.saturating_sub(idle))),
            created_from: self.created_after.map(|time| time.0),
            created_before: self.created_before.map(|time| time.0),
        }
    }

    /// Where the page begins.
    fn start(&self, sort: Sort, parameters: &mut Parameters<'_>) -> Option<KeyCursor> {
        let cursor = self.cursor.as_deref().map(|text| sort.parse_cursor(text));
        match (self.before, cursor) {
            (Some(_), Some(_)) => {
                parameters.breaks("before", "before and cursor exclude each other");
            }
            (Some(_), None) if sort != Sort::default() => {
                parameters.breaks("before", "before goes with the order -created alone");
            }
            (Some(id), None) => return Some(KeyCursor { value: String::new(), id: id.0 }),
            (None, Some(Some(start))) => return Some(start),
            (None, Some(None)) => {
                let rule = "a cursor is the next_cursor of a page in the same order";
                parameters.breaks("cursor", rule);
            }
            (None, None) => {}
        }
        None
    }
}

/// A page of keys.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct KeyList {
    #[schema(max_items = 100)]
    pub api_keys: Vec<KeyView>,
    /// Keys on this page.
    pub count: usize,
    /// Matching keys on all pages; only if `total` was given. A lower bound, if it is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether `total` is all; there if that is. Counting ends where it would take too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_is_exact: Option<bool>,
    /// The `cursor` of the next page; `null` if there is none. A page may hold fewer keys than
    /// `limit`, or none, and not be the last: the work for one page is bounded.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl KeyList {
    /// A page in this order, and the count of all matching keys, if it was requested.
    #[must_use]
    pub fn of(page: &KeyPage, total: Option<KeyCount>, sort: Sort, now: UnixMillis) -> Self {
        Self {
            count: page.keys.len(),
            api_keys: page.keys.iter().map(|key| KeyView::of(key, now)).collect(),
            total: total.map(|total| total.at_least),
            total_is_exact: total.map(|total| total.is_exact),
            next_cursor: page.next.as_ref().map(|next| sort.cursor(next)),
        }
    }
}
