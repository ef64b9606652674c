//! What a caller may know of its own key.

use axum::Json;
use axum::extract::State;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::tz::Offset;
use keyward::UnixMillis;
use keyward::count::Counts;
use keyward::limit::Standing;
use keyward::query::{Bucket, Hours};
use keyward::time::UnixHour;
use keyward_axum::{Caller, Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::keys::usage::CountsView;
use crate::failure::broken;
use crate::shapes::{
    KeyNameText, KeyNumber, LimitNameText, OwnerText, ScopeText, SpanText, TierText, Time,
};

/// Most days of a month.
const DAYS_MAX: u32 = 31;

/// Shows a caller its own key: what it may do, how much is left, and what it used today and this
/// month, in UTC, up to and including this request.
#[utoipa::path(
    get, path = "/key", tag = "caller", security(("key" = []), ("key_header" = [])),
    responses((status = 200, description = "The key", body = OwnKey, headers(
        ("Cache-Control" = String, description = "`no-store`: it is for this caller alone"),
    ))),
)]
pub(crate) async fn show_own_key(
    State(guard): State<Guard>,
    caller: Caller,
) -> Result<([(HeaderName, HeaderValue); 1], Json<OwnKey>), Refusal> {
    let now = guard.now().unix;
    let month = month_until(now);
    // What is not in the store yet is taken from memory, so that no caller can make the server
    // write by asking.
    let pending = caller.counted(now);
    let store = guard.gate().store();
    let days = store.usage(caller.key_id(), month, Bucket::Day, DAYS_MAX).await.map_err(broken)?;
    let usage = OwnUsage::of(&days, pending, now);
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(OwnKey::of(&caller, usage, now))))
}

/// The hours from the beginning of the month, in UTC, to the end of this one.
fn month_until(now: UnixMillis) -> Hours {
    let hour = now.hour();
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    let day = Timestamp::from_millisecond(millis).map_or(1, |at| Offset::UTC.to_datetime(at).day());
    let days_before = u32::try_from(day - 1).unwrap_or_default();
    let from = (hour.0 / 24).saturating_sub(days_before) * 24;
    Hours { from: UnixHour(from), to: UnixHour(hour.0.saturating_add(1)) }
}

/// A key, as its caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnKey {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[schema(value_type = TierText)]
    tier: String,
    /// To whom it belongs.
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<String>,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<String>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// How it stands with its limit; `null` is no limit.
    #[schema(required)]
    limit: Option<OwnLimit>,
    usage: OwnUsage,
}

impl OwnKey {
    fn of(caller: &Caller, usage: OwnUsage, now: UnixMillis) -> Self {
        Self {
            key_id: caller.key_id().get(),
            name: caller.name().to_owned(),
            tier: caller.tier().to_owned(),
            owner: caller.owner().map(str::to_owned),
            scopes: caller.scopes().map(str::to_owned).collect(),
            expires_at: caller.expires_at().map(Time),
            limit: caller.standing().map(|standing| OwnLimit::of(standing, now)),
            usage,
        }
    }
}

/// How a key stands with its limit after this request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnLimit {
    #[schema(value_type = LimitNameText)]
    name: String,
    /// Requests in that time, in the long run.
    #[schema(minimum = 1)]
    amount: u32,
    /// The time.
    #[schema(value_type = SpanText)]
    per: String,
    /// Requests at once.
    #[schema(minimum = 1)]
    burst: u32,
    /// Requests that are left now.
    remaining: u32,
    /// When all are back, if no request comes.
    reset_at: Time,
}

impl OwnLimit {
    fn of(standing: &Standing, now: UnixMillis) -> Self {
        let Standing { limit, remaining, full_after } = standing;
        Self {
            name: limit.name().to_owned(),
            amount: limit.amount().get(),
            per: format!("{}s", limit.per().as_secs()),
            burst: limit.burst().get(),
            remaining: *remaining,
            reset_at: Time(now.later_by(*full_after)),
        }
    }
}

/// What a key used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnUsage {
    /// Since midnight, in UTC.
    today: CountsView,
    /// Since the first of the month, in UTC.
    month: CountsView,
}

impl OwnUsage {
    /// Sums up the days of a month, and what is not in the store yet, which is of today.
    fn of(days: &[(UnixHour, Counts)], pending: Counts, now: UnixMillis) -> Self {
        let today = UnixHour(now.hour().0 / 24 * 24);
        let sum = |from: UnixHour| {
            let mut sum = pending;
            days.iter().filter(|(day, _)| from <= *day).for_each(|(_, counts)| sum.add(counts));
            CountsView::of(&sum)
        };
        Self { today: sum(today), month: sum(UnixHour(0)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn today_is_the_last_day_of_the_month_so_far() {
        let at = |text: &str| Time::parse(text).unwrap().0;
        let counts = |allowed| Counts { allowed, ..Counts::default() };
        let days = [
            (at("2026-11-01T00:00:00Z").hour(), counts(1)),
            (at("2026-11-23T00:00:00Z").hour(), counts(20)),
            (at("2026-11-24T00:00:00Z").hour(), counts(300)),
        ];
        let allowed = |now: &str| {
            let usage = json!(OwnUsage::of(&days, counts(4_000), at(now)));
            [&usage["today"], &usage["month"]].map(|it| it["allowed"].as_u64().unwrap())
        };
        assert_eq!(allowed("2026-11-24T00:00:00Z"), [4_300, 4_321]);
        assert_eq!(allowed("2026-11-24T23:59:59.999Z"), [4_300, 4_321]);
        assert_eq!(allowed("2026-11-25T00:00:00Z"), [4_000, 4_321]);
    }

    #[test]
    fn a_month_begins_with_its_first_midnight() {
        let check = |now: &str, first: &str, behind: &str| {
            let at = |text: &str| Time::parse(text).unwrap().0;
            let Hours { from, to } = month_until(at(now));
            assert_eq!((from.start(), to.start()), (at(first), at(behind)), "{now}");
        };
        check("2026-11-24T09:30:00Z", "2026-11-01T00:00:00Z", "2026-11-24T10:00:00Z");
        check("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z");
        check("2028-02-29T23:59:59.999Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z");
    }
}
