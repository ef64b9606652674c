//! Usage: what became of the requests of a key, and of those of all keys.

mod counts;
mod span;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use keyward::KeyId;
use keyward::count::Counts;
use keyward::query::{Bucket, Hours, TopBy, UsageTop};
use keyward::store::Reports;
use keyward::time::UnixHour;
use keyward_axum::input::Query;
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::counts::CountsView;
pub(crate) use self::span::BUCKETS_MAX;
use self::span::read_hours;
use super::{KeyPath, existing, read_id};
use crate::admin::query::Parameters;
use crate::failure::broken;
use keyward_api::shapes::{DayText, KeyNameText, KeyNumber, Time, TimeText};

/// Hours that all keys are asked about, unless the request says otherwise.
const TOP_HOURS: u32 = 24;
/// Keys that are named, unless the request says otherwise.
const TOP_DEFAULT: u64 = 10;
/// Most keys that are named.
pub(crate) const TOP_MAX: u64 = 100;

/// Shows what became of a key's requests, hour by hour or day by day, up to and including those
/// that were answered before this one came.
#[utoipa::path(
    get, path = "/admin/api-keys/{key_id}/usage", tag = "usage", params(KeyPath, UsageQuery),
    responses(
        (status = 200, description = "Whole hours or days around what was asked for",
            body = UsageView),
        (status = 404, description = "API key not found"),
    ),
)]
pub(crate) async fn show_usage(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    Path(key_id): Path<String>,
    uri: Uri,
) -> Result<Json<UsageView>, Refusal> {
    let id = read_id(&key_id)?;
    let this_hour = guard.now().unix.hour();
    let (hours, bucket) = read_usage(&Query::parse(uri.query()), this_hour)?;
    existing(&guard, id).await?;
    guard.flush().await.map_err(broken)?;
    let rows = reports.usage(id, hours, bucket, BUCKETS_MAX).await.map_err(broken)?;
    Ok(Json(UsageView::of(id, hours, bucket, &rows)))
}

fn read_usage(query: &Query, this_hour: UnixHour) -> Result<(Hours, Bucket), Refusal> {
    let mut parameters = Parameters::new(query, &["from", "to", "bucket"]);
    let bucket = match parameters.one_of("bucket", &["hour", "day"]) {
        Some("day") => Bucket::Day,
        _ => Bucket::Hour,
    };
    let hours = read_hours(&mut parameters, bucket, this_hour, BUCKETS_MAX);
    parameters.finish()?;
    Ok((hours, bucket))
}

/// Shows what became of the requests of all keys, and names those that had the most.
#[utoipa::path(get, path = "/admin/usage", tag = "usage", params(TopQuery), responses(
    (status = 200, description = "Whole hours around what was asked for", body = TopView),
))]
pub(crate) async fn show_top(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<Json<TopView>, Refusal> {
    let this_hour = guard.now().unix.hour();
    let query = Query::parse(uri.query());
    let mut parameters = Parameters::new(&query, &["from", "to", "by", "top"]);
    let hours = read_hours(&mut parameters, Bucket::Hour, this_hour, TOP_HOURS);
    let by = match parameters.one_of("by", &["requests", "denials"]) {
        Some("denials") => TopBy::Denials,
        _ => TopBy::Requests,
    };
    let top = parameters.integer("top", &(1..=TOP_MAX)).unwrap_or(TOP_DEFAULT);
    parameters.finish()?;
    guard.flush().await.map_err(broken)?;
    let top = u32::try_from(top).unwrap_or(u32::MAX);
    let usage = reports.usage_top(hours, by, top).await.map_err(broken)?;
    Ok(Json(TopView::of(hours, &usage)))
}

/// Which usage of a key.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `read_usage` reads it")]
pub(crate) struct UsageQuery {
    /// The first instant; 2200 hours or days before `to` if it is left out, and no earlier.
    #[param(value_type = Option<TimeText>)]
    from: Option<String>,
    /// The first instant that is left out; now, if it is not said.
    #[param(value_type = Option<TimeText>)]
    to: Option<String>,
    /// What to sum up by. Days are those in UTC.
    #[param(required = false)]
    bucket: Option<BucketView>,
}

/// Which usage of all keys.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; `show_top` reads it")]
pub(crate) struct TopQuery {
    /// The first instant; 24 hours before `to` if it is left out, and no more than 2200.
    #[param(value_type = Option<TimeText>)]
    from: Option<String>,
    /// The first instant that is left out; now, if it is not said.
    #[param(value_type = Option<TimeText>)]
    to: Option<String>,
    /// What counts: all requests, or those that were refused.
    #[param(inline, required = false)]
    by: Option<TopByText>,
    /// Most keys that are named.
    #[param(minimum = 1, maximum = 100, default = 10, required = false)]
    top: u32,
}

/// What makes a key one of the most used.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is a description")]
pub(crate) enum TopByText {
    Requests,
    Denials,
}

/// What usage is summed up by.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BucketView {
    Hour,
    Day,
}

/// What became of a key's requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    /// The first instant: the beginning of an hour or day.
    from: Time,
    /// The first instant that is left out.
    to: Time,
    bucket: BucketView,
    total: CountsView,
    /// The hours in which there were any, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<HourView>, required = false, max_items = 2_200)]
    hours: Option<Vec<HourView>>,
    /// The days in which there were any, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<DayView>, required = false, max_items = 2_200)]
    days: Option<Vec<DayView>>,
}

impl UsageView {
    fn of(id: KeyId, hours: Hours, bucket: Bucket, rows: &[(UnixHour, Counts)]) -> Self {
        let mut total = Counts::default();
        rows.iter().for_each(|(_, counts)| total.add(counts));
        let mut view = Self {
            key_id: id.get(),
            from: Time(hours.from.start()),
            to: Time(hours.to.start()),
            bucket: BucketView::Hour,
            total: CountsView::of(&total),
            hours: None,
            days: None,
        };
        match bucket {
            Bucket::Hour => view.hours = Some(rows.iter().map(HourView::of).collect()),
            Bucket::Day => {
                view.bucket = BucketView::Day;
                view.days = Some(rows.iter().map(DayView::of).collect());
            }
        }
        view
    }
}

/// What became of requests in one hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourView {
    /// When the hour began.
    hour: Time,
    #[serde(flatten)]
    counts: CountsView,
}

impl HourView {
    fn of((hour, counts): &(UnixHour, Counts)) -> Self {
        Self { hour: Time(hour.start()), counts: CountsView::of(counts) }
    }
}

/// What became of requests in one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayView {
    /// The day, in UTC.
    #[schema(value_type = DayText)]
    day: String,
    #[serde(flatten)]
    counts: CountsView,
}

impl DayView {
    fn of((hour, counts): &(UnixHour, Counts)) -> Self {
        let begins = Time(hour.start()).to_text();
        let day = begins.split('T').next().unwrap_or_default().to_owned();
        Self { day, counts: CountsView::of(counts) }
    }
}

/// What became of the requests of all keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopView {
    /// The first instant: the beginning of an hour.
    from: Time,
    /// The first instant that is left out.
    to: Time,
    /// All keys together.
    total: CountsView,
    /// The keys that had the most, most first.
    #[schema(max_items = 100)]
    top: Vec<TopKey>,
}

impl TopView {
    fn of(hours: Hours, usage: &UsageTop) -> Self {
        let key = |(id, name, counts): &(KeyId, String, Counts)| TopKey {
            key_id: id.get(),
            name: name.clone(),
            counts: CountsView::of(counts),
        };
        Self {
            from: Time(hours.from.start()),
            to: Time(hours.to.start()),
            total: CountsView::of(&usage.total),
            top: usage.top.iter().map(key).collect(),
        }
    }
}

/// One of the most used keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopKey {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[serde(flatten)]
    counts: CountsView,
}
