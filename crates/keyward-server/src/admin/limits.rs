//! Limits in bodies and answers: how often, per what time.

use std::num::NonZeroU32;
use std::time::Duration;

use keyward::limit::{AMOUNT_MAX, LIMIT_NAME_LEN_MAX, LIMITS_MAX, Limit, Limits};
use keyward_axum::fault::Fault;
use keyward_axum::input::Members;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::members::{Place, Read, list, required, text};
use keyward_api::duration::WholeSeconds;
use keyward_api::shapes::{LimitNameText, SpanText};

/// What a time is that a limit counts over.
const PER_RULE: &str = "a time is a whole number and a unit: 60s, 15m, 1h or 1d";

/// What two limits of one name get told.
const SAME_NAME: &str = "a limit before it has this name; each needs a name of its own";

/// How often, per what time.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limit)]
#[schema(example = json!({ "name": "requests", "amount": 100, "per": "60s", "burst": 100 }))]
pub(crate) struct LimitView {
    #[schema(value_type = LimitNameText)]
    name: String,
    /// Requests in that time, in the long run.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    amount: u32,
    /// The time: 1 second to 366 days.
    #[schema(value_type = SpanText)]
    per: String,
    /// Requests at once. At that rate, so many are back within 366 days.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = Int64)]
    burst: u32,
}

impl LimitView {
    pub(super) fn of(limit: &Limit) -> Self {
        Self {
            name: limit.name().to_owned(),
            amount: limit.amount().get(),
            per: format!("{}s", limit.per().as_secs()),
            burst: limit.burst().get(),
        }
    }

    /// The limit that this says, or why it is none.
    pub(super) fn read(&self) -> Result<Limit, String> {
        let per = parse_per(&self.per).ok_or(PER_RULE)?;
        let count = |count| NonZeroU32::new(count).ok_or("amount and burst are at least 1");
        let limit = Limit::new(&self.name, count(self.amount)?, per, count(self.burst)?);
        limit.map_err(|error| error.to_string())
    }
}

/// Reads a list of limits, each with a name of its own. None is no limit.
pub(super) fn read_limits(place: Place, value: Value) -> Read<Limits> {
    let limits = list(place.clone(), value, LIMITS_MAX, read_limit)?;
    let repeated = |at: usize, limit: &Limit| {
        limits.iter().take(at).any(|before| before.name() == limit.name())
    };
    let faults = limits.iter().enumerate().filter(|(at, limit)| repeated(*at, limit));
    let faults = faults.map(|(at, limit)| {
        let place = place.iter().cloned().chain([at.into(), "name".into()]).collect();
        Fault::value_error(place, limit.name().into(), SAME_NAME)
    });
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    Limits::new(limits)
        .map_err(|error| vec![Fault::value_error(place, Value::Null, &error.to_string())])
}

fn read_limit(place: Place, value: Value) -> Read<Limit> {
    let Value::Object(object) = value else {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(vec![Fault::new("model_attributes_type", place, message).input(value)]);
    };
    let echo = Value::from(object.clone());
    let mut members = Members::new(place.clone(), object);
    let name =
        required(&mut members, "name", |place, value| text(place, value, 1..=LIMIT_NAME_LEN_MAX));
    let amount = required(&mut members, "amount", |place, value| count(place, value, AMOUNT_MAX));
    let per = required(&mut members, "per", per);
    let burst = required(&mut members, "burst", |place, value| count(place, value, u32::MAX));
    let mut faults = members.finish();
    if let (Some(name), Some(amount), Some(per), Some(burst)) = (name, amount, per, burst)
        && faults.is_empty()
    {
        match Limit::new(&name, amount, per, burst) {
            Ok(limit) => return Ok(limit),
            Err(error) => faults.push(Fault::value_error(place, echo, &error.to_string())),
        }
    }
    Err(faults)
}

fn count(place: Place, value: Value, max: u32) -> Read<NonZeroU32> {
    let fault = |kind, message: String| Fault::new(kind, place, message);
    let whole = value.as_f64().filter(|number| number.fract() == 0.0);
    // To JSON, 60.0 is a whole number like 60.
    let written = || whole.and_then(|number| format!("{number:.0}").parse().ok());
    let count = value.as_u64().or_else(written).and_then(|count| u32::try_from(count).ok());
    let counted = match (whole, count.and_then(NonZeroU32::new)) {
        (None, _) => Err(fault("int_type", "Input should be a valid integer".to_owned())),
        (Some(_), Some(count)) if count.get() <= max => Ok(count),
        (Some(number), _) if number < 1.0 => {
            let message = "Input should be greater than or equal to 1".to_owned();
            Err(fault("greater_than_equal", message).context(json!({ "ge": 1 })))
        }
        (Some(_), _) => {
            let message = format!("Input should be less than or equal to {max}");
            Err(fault("less_than_equal", message).context(json!({ "le": max })))
        }
    };
    counted.map_err(|fault| vec![fault.input(value)])
}

/// A time such as `60s`, `15m`, `1h` or `1d`. A unit must be there, so that nobody has to guess.
fn per(place: Place, value: Value) -> Read<Duration> {
    let per = value.as_str().and_then(parse_per);
    per.ok_or_else(|| vec![Fault::value_error(place, value, PER_RULE)])
}

fn parse_per(text: &str) -> Option<Duration> {
    let per = WholeSeconds::parse(text).ok()?;
    Some(Duration::from_secs(per.seconds()))
}
