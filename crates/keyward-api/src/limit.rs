//! Limits in bodies: how often, per what time.

use std::num::NonZeroU32;
use std::time::Duration;

use keyward::UnixMillis;
use keyward::limit::{AMOUNT_MAX, LIMIT_NAME_LEN_MAX, LIMITS_MAX, Limit, Limits, Standing};
use keyward_http::fault::Fault;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::body::{At, Field, Fields, Read, list, text};
use crate::duration::WholeSeconds;
use crate::shapes::{LimitLabelText, LimitNameText, SpanText, Time};

/// The rule for the time that a limit counts over.
const PER_RULE: &str = "a time is a whole number and a unit: 60s, 15m, 1h or 1d";

/// The fault of two limits with the same name.
const SAME_NAME: &str = "a limit before it has this name; each needs a name of its own";

/// How often, per what time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limit)]
#[schema(example = json!({ "name": "requests", "amount": 100, "per": "60s", "burst": 100 }))]
pub struct LimitView {
    #[schema(value_type = LimitNameText)]
    pub name: String,
    /// Requests in that time, in the long run.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub amount: u32,
    /// The time: 1 second to 366 days.
    #[schema(value_type = SpanText)]
    pub per: String,
    /// Requests at once. At that rate, so many are back within 366 days.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = Int64)]
    pub burst: u32,
}

impl LimitView {
    /// A limit as it is shown.
    #[must_use]
    pub fn of(limit: &Limit) -> Self {
        Self {
            name: limit.name().to_owned(),
            amount: limit.amount().get(),
            per: format!("{}s", limit.per().as_secs()),
            burst: limit.burst().get(),
        }
    }

    /// Limits as they are shown.
    #[must_use]
    pub fn all(limits: &Limits) -> Vec<Self> {
        limits.list().iter().map(Self::of).collect()
    }
}

/// The fields of a [`LimitView`] that are known: a newer server may have more of them.
#[derive(Deserialize)]
#[serde(remote = "LimitView")]
struct KnownFields {
    name: String,
    amount: u32,
    per: String,
    burst: u32,
}

impl<'de> Deserialize<'de> for LimitView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        KnownFields::deserialize(deserializer)
    }
}

/// The state of a limit after a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnLimit)]
pub struct LimitState {
    /// Its name, after `owner:` if all keys of an owner share it.
    #[schema(value_type = LimitLabelText)]
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
    /// Requests that are left now; a request with a cost counts as so many.
    remaining: u32,
    /// When all are back, if no request comes; of a limit that is reached, when the request will
    /// be allowed.
    reset_at: Time,
}

impl LimitState {
    /// The state of a limit as it stood at `now`.
    #[must_use]
    pub fn of(standing: &Standing, now: UnixMillis) -> Self {
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

    /// The state of a limit that is reached at `now`, for a request that is allowed after so long.
    #[must_use]
    pub fn reached(standing: &Standing, retry_after: Duration, now: UnixMillis) -> Self {
        Self { reset_at: Time(now.later_by(retry_after)), ..Self::of(standing, now) }
    }
}

/// A limit of a request, which has no other field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitBody {
    name: String,
    amount: u32,
    per: String,
    burst: u32,
}

impl LimitBody {
    /// The limit that this describes.
    ///
    /// # Errors
    ///
    /// Returns the fault if it is not a valid limit.
    pub fn read(&self) -> Result<Limit, String> {
        let per = parse_per(&self.per).ok_or(PER_RULE)?;
        let count = |count| NonZeroU32::new(count).ok_or("amount and burst are at least 1");
        let limit = Limit::new(&self.name, count(self.amount)?, per, count(self.burst)?);
        limit.map_err(|error| error.to_string())
    }
}

/// A list of limits, each with a name of its own. None is no limit.
impl Field for Limits {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let limits = list::<Limit>(at, value, LIMITS_MAX)?;
        let mut faults = Vec::new();
        for (index, limit) in limits.iter().enumerate() {
            if limits.iter().take(index).any(|before| before.name() == limit.name()) {
                let name = at.inside(index).inside("name");
                faults.extend(name.breaks(&SAME_NAME, limit.name().into()));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::new(limits).map_err(|error| at.breaks(&error, Value::Null))
    }
}

impl Field for Limit {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let Value::Object(object) = value else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            return Err(at.fault("model_attributes_type", message, value));
        };
        let echo = Value::from(object.clone());
        let mut fields = Fields::of(at.clone(), object);
        let name = fields.take::<Name>("name");
        let amount = fields.take::<Count<AMOUNT_MAX>>("amount");
        let per = fields.take::<Per>("per");
        let burst = fields.take::<Count<{ u32::MAX }>>("burst");
        let faults = fields.finish();
        match (name, amount, per, burst) {
            (Some(name), Some(amount), Some(per), Some(burst)) if faults.is_empty() => {
                let limit = Self::new(&name.0, amount.0, per.0, burst.0);
                limit.map_err(|error| at.breaks(&error, echo))
            }
            _ => Err(faults),
        }
    }
}

struct Name(String);

impl Field for Name {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        text(at, value, 1..=LIMIT_NAME_LEN_MAX).map(Self)
    }
}

/// A whole number from 1 to `MAX`.
struct Count<const MAX: u32>(NonZeroU32);

impl<const MAX: u32> Field for Count<MAX> {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let fault = |kind, message: String| Fault::new(kind, at.location(), message);
        let whole = value.as_f64().filter(|number| number.fract() == 0.0);
        // To JSON, 60.0 is a whole number like 60.
        let written = || whole.and_then(|number| format!("{number:.0}").parse().ok());
        let count = value.as_u64().or_else(written).and_then(|count| u32::try_from(count).ok());
        let fault = match (whole, count.and_then(NonZeroU32::new)) {
            (None, _) => fault("int_type", "Input should be a valid integer".to_owned()),
            (Some(_), Some(count)) if count.get() <= MAX => return Ok(Self(count)),
            (Some(number), _) if number < 1.0 => {
                let message = "Input should be greater than or equal to 1".to_owned();
                fault("greater_than_equal", message).context(json!({ "ge": 1 }))
            }
            (Some(_), _) => {
                let message = format!("Input should be less than or equal to {MAX}");
                fault("less_than_equal", message).context(json!({ "le": MAX }))
            }
        };
        Err(vec![fault.input(value)])
    }
}

/// A time such as `60s`, `15m`, `1h` or `1d`. The unit is required, so that the reader of a request
/// does not have to guess it.
struct Per(Duration);

impl Field for Per {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let per = value.as_str().and_then(parse_per);
        per.map(Self).ok_or_else(|| at.breaks(&PER_RULE, value))
    }
}

fn parse_per(text: &str) -> Option<Duration> {
    let per = WholeSeconds::parse(text).ok()?;
    Some(Duration::from_secs(per.seconds()))
}
