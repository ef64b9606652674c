//! Usage: the outcomes of the requests of a key, and of all keys.

mod counts;
mod span;

use keyward::KeyId;
use keyward::count::Counts;
use keyward::query::{Bucket, Hours, TopBy, UsageTop};
use keyward::time::UnixHour;
use keyward_http::Rejection;
use keyward_http::input::Query;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use self::counts::CountsView;
pub use self::span::BUCKETS_MAX;
use self::span::hours;
use crate::query;
use crate::query::{PageLen, Parameters};
use crate::shapes::{DayText, KeyNameText, KeyNumber, Time, TimeText};
use crate::words::{BucketWord, TopByWord};

/// Hours of usage of all keys, unless the request says otherwise.
const TOP_HOURS: u32 = 24;
/// Most keys that are named.
pub const TOP_MAX: u32 = 100;
/// Keys that are named, unless the request says otherwise.
const TOP_DEFAULT: u32 = 10;

/// Which usage of a key.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// The first instant; 2200 hours or days before `to` if it is left out, and no earlier.
    pub from: Option<TimeText>,
    /// The first instant that is left out; now by default.
    pub to: Option<TimeText>,
    /// The span of one sum. Days begin at midnight in UTC.
    pub bucket: Option<BucketWord>,
}

query!(UsageQuery { bucket, from, to });

impl UsageQuery {
    /// Reads the hours, and the span of one sum.
    ///
    /// # Errors
    ///
    /// Returns 422 with every fault.
    pub fn read_hours(query: Option<&str>, this: UnixHour) -> Result<(Hours, Bucket), Rejection> {
        let query = Query::parse(query);
        let mut parameters = Parameters::of(&query);
        let Self { from, to, bucket } = Self::take_from(&mut parameters);
        let bucket = bucket.map_or(Bucket::Hour, |bucket| bucket.0);
        let hours = hours(&mut parameters, [from, to], bucket, this, BUCKETS_MAX);
        parameters.finish(Self::NAMES)?;
        Ok((hours, bucket))
    }
}

/// Which usage of all keys.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TopQuery {
    /// The first instant; 24 hours before `to` if it is left out, and no more than 2200.
    pub from: Option<TimeText>,
    /// The first instant that is left out; now by default.
    pub to: Option<TimeText>,
    /// The count that keys are ordered by: all requests, or denied ones.
    #[param(inline, required = false)]
    pub by: Option<TopByWord>,
    /// Most keys that are named.
    #[param(value_type = u32, minimum = 1, maximum = 100, default = 10, required = false)]
    pub top: Option<PageLen<TOP_MAX>>,
}

query!(TopQuery { from, to, by, top });

impl TopQuery {
    /// Reads the hours, the order of the keys, and how many are named.
    ///
    /// # Errors
    ///
    /// Returns 422 with every fault.
    pub fn read_hours(
        query: Option<&str>,
        this: UnixHour,
    ) -> Result<(Hours, TopBy, u32), Rejection> {
        let query = Query::parse(query);
        let mut parameters = Parameters::of(&query);
        let Self { from, to, by, top } = Self::take_from(&mut parameters);
        let hours = hours(&mut parameters, [from, to], Bucket::Hour, this, TOP_HOURS);
        parameters.finish(Self::NAMES)?;
        let by = by.map_or(TopBy::Requests, |by| by.0);
        Ok((hours, by, top.map_or(TOP_DEFAULT, |top| top.0)))
    }
}

/// The outcomes of a key's requests.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct UsageView {
    pub key_id: KeyNumber,
    /// The first instant: the beginning of an hour or day.
    pub from: Time,
    /// The first instant that is left out.
    pub to: Time,
    pub bucket: BucketWord,
    pub total: CountsView,
    /// The hours in which there were any, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<HourView>, required = false, max_items = 2_200)]
    pub hours: Option<Vec<HourView>>,
    /// The days in which there were any, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<DayView>, required = false, max_items = 2_200)]
    pub days: Option<Vec<DayView>>,
}

impl UsageView {
    /// The usage of a key in these hours.
    #[must_use]
    pub fn of(id: KeyId, hours: Hours, bucket: Bucket, rows: &[(UnixHour, Counts)]) -> Self {
        let mut total = Counts::default();
        rows.iter().for_each(|(_, counts)| total.add(counts));
        let mut view = Self {
            key_id: id.into(),
            from: Time(hours.from.start()),
            to: Time(hours.to.start()),
            bucket: BucketWord(bucket),
            total: CountsView::of(&total),
            hours: None,
            days: None,
        };
        match bucket {
            Bucket::Hour => view.hours = Some(rows.iter().map(HourView::of).collect()),
            Bucket::Day => view.days = Some(rows.iter().map(DayView::of).collect()),
        }
        view
    }
}

/// The outcomes of requests in one hour.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct HourView {
    /// When the hour began.
    pub hour: Time,
    #[serde(flatten)]
    pub counts: CountsView,
}

impl HourView {
    fn of((hour, counts): &(UnixHour, Counts)) -> Self {
        Self { hour: Time(hour.start()), counts: CountsView::of(counts) }
    }
}

/// The outcomes of requests in one day.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DayView {
    /// The day, in UTC.
    pub day: DayText,
    #[serde(flatten)]
    pub counts: CountsView,
}

impl DayView {
    fn of((hour, counts): &(UnixHour, Counts)) -> Self {
        let begins = Time(hour.start()).to_text();
        let day = begins.split('T').next().unwrap_or_default().to_owned();
        Self { day: DayText(day), counts: CountsView::of(counts) }
    }
}

/// The outcomes of the requests of all keys.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TopView {
    /// The first instant: the beginning of an hour.
    pub from: Time,
    /// The first instant that is left out.
    pub to: Time,
    /// All keys together.
    pub total: CountsView,
    /// The keys that had the most, most first.
    #[schema(max_items = 100)]
    pub top: Vec<TopKey>,
}

impl TopView {
    /// The usage of all keys in these hours.
    #[must_use]
    pub fn of(hours: Hours, usage: &UsageTop) -> Self {
        let key = |(id, name, counts): &(KeyId, String, Counts)| TopKey {
            key_id: (*id).into(),
            name: KeyNameText(name.clone()),
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
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TopKey {
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    #[serde(flatten)]
    pub counts: CountsView,
}
