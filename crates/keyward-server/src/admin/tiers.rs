//! Tiers on the admin API.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{Extensions, StatusCode};
use keyward::gate::PutTierError;
use keyward::limit::{AMOUNT_MAX, LIMITS_MAX, Limit};
use keyward::store::{TierDeleted, TierRecord};
use keyward::tier::{ParseTierNameError, TierName};
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use keyward_axum::{Guard, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{audit, broken, read_body};
use crate::shapes::{LimitNameText, SpanText, TierText};

/// What a time is that a limit counts over.
const PER_RULE: &str = "a time is a whole number and a unit: 60s, 15m, 1h or 1d";

/// Lists all tiers, in the order in which they were made.
#[utoipa::path(get, path = "/admin/tiers", tag = "tiers", responses(
    (status = 200, description = "All tiers", body = TierList),
))]
pub(crate) async fn list_tiers(State(guard): State<Guard>) -> Result<Json<TierList>, Refusal> {
    let store = guard.gate().store();
    let tiers = store.tiers().await.map_err(broken)?;
    let uses: HashMap<_, _> = store.tier_uses().await.map_err(broken)?.into_iter().collect();
    let used = |tier: &TierRecord| uses.get(&tier.name).copied().unwrap_or_default();
    let listed = |tier| ListedTier { keys: used(tier), tier: TierView::of(tier) };
    let tiers: Vec<_> = tiers.iter().map(listed).collect();
    Ok(Json(TierList { count: tiers.len(), tiers }))
}

/// Deletes a tier that no key has, revoked ones included.
#[utoipa::path(delete, path = "/admin/tiers/{name}", tag = "tiers", params(TierPath), responses(
    (status = 204, description = "Deleted"),
    (status = 404, description = "Tier not found"),
    (status = 409, description = "Tier is used by 12 keys"),
))]
pub(crate) async fn delete_tier(
    State(guard): State<Guard>,
    Path(name): Path<String>,
    extensions: Extensions,
) -> Result<StatusCode, Refusal> {
    let deleting = guard.delete_tier(read_name(&name)?, audit(&guard, &extensions));
    match deleting.await.map_err(broken)? {
        TierDeleted::Done => Ok(StatusCode::NO_CONTENT),
        TierDeleted::Unknown => Err(Refusal::new(StatusCode::NOT_FOUND, "Tier not found")),
        TierDeleted::Used(1) => Err(Refusal::new(StatusCode::CONFLICT, "Tier is used by 1 key")),
        TierDeleted::Used(keys) => {
            Err(Refusal::new(StatusCode::CONFLICT, format!("Tier is used by {keys} keys")))
        }
    }
}

fn read_name(name: &str) -> Result<TierName, Refusal> {
    name.parse().map_err(|error: ParseTierNameError| {
        let place = vec!["path".into(), "name".into()];
        Refusal::unprocessable(vec![Fault::value_error(place, name.into(), &error.to_string())])
    })
}

/// Writes a tier, new or not. The next request of every key in it is judged by the new limits.
#[utoipa::path(
    put, path = "/admin/tiers/{name}", tag = "tiers", params(TierPath), request_body = PutTierBody,
    responses(
        (status = 200, description = "Changed", body = TierView),
        (status = 201, description = "Made", body = TierView),
        (status = 409, description = "There are as many tiers as there can be"),
    ),
)]
pub(crate) async fn put_tier(
    State(guard): State<Guard>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<TierView>), Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let name = read_name(&name)?;
    let PutTierBody { limits } = PutTierBody::read(&body)?;
    let tier = TierRecord { name, limits };
    let view = TierView::of(&tier);
    let created =
        guard.put_tier(tier, audit(&guard, &parts.extensions)).await.map_err(refuse_put)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)))
}

fn refuse_put(error: PutTierError) -> Refusal {
    match error {
        PutTierError::Store(error) => broken(error),
        other => Refusal::new(StatusCode::CONFLICT, other.to_string()),
    }
}

/// All tiers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierList {
    /// How many there are.
    count: usize,
    tiers: Vec<ListedTier>,
}

/// A tier, and how much it is used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedTier {
    #[serde(flatten)]
    tier: TierView,
    /// How many keys have it, revoked ones too.
    keys: u64,
}

/// A tier: a named plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierView {
    #[schema(value_type = TierText)]
    name: String,
    /// None is no limit.
    #[schema(max_items = 1)]
    limits: Vec<LimitView>,
}

impl TierView {
    pub(super) fn of(tier: &TierRecord) -> Self {
        let limits = tier.limits.iter().map(LimitView::of).collect();
        Self { name: tier.name.as_str().to_owned(), limits }
    }
}

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
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
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

/// Which tier.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is a description")]
pub(crate) struct TierPath {
    /// The tier's name.
    #[param(value_type = TierText)]
    name: String,
}

/// What a tier consists of.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutTierBody {
    /// None is no limit.
    #[schema(value_type = Vec<LimitView>, max_items = 1)]
    limits: Vec<Limit>,
}

impl PutTierBody {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        read_limits(body).map(|limits| Self { limits })
    }
}

fn read_limits(body: &[u8]) -> Result<Vec<Limit>, Refusal> {
    let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
    let place = members.place("limits");
    let mut limits = Vec::new();
    match members.take_required("limits") {
        None => {}
        Some(Value::Array(list)) if list.len() <= LIMITS_MAX => {
            for (at, value) in list.into_iter().enumerate() {
                let mut place = place.clone();
                place.push(at.into());
                match read_limit(place, value) {
                    Ok(limit) => limits.push(limit),
                    Err(faults) => faults.into_iter().for_each(|fault| members.fault(fault)),
                }
            }
        }
        Some(Value::Array(list)) => {
            let message = format!("List should have at most {LIMITS_MAX} item after validation");
            let fault = Fault::new("too_long", place, message).input(list);
            members.fault(fault.context(json!({ "max_length": LIMITS_MAX })));
        }
        Some(other) => {
            let fault = Fault::new("list_type", place, "Input should be a valid list");
            members.fault(fault.input(other));
        }
    }
    let faults = members.finish();
    if faults.is_empty() { Ok(limits) } else { Err(Refusal::unprocessable(faults)) }
}

fn read_limit(place: Vec<Value>, value: Value) -> Result<Limit, Vec<Fault>> {
    let Value::Object(object) = value else {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(vec![Fault::new("model_attributes_type", place, message).input(value)]);
    };
    let echo = Value::from(object.clone());
    let mut members = Members::new(place.clone(), object);
    let name = members.string("name", 1..=keyward::limit::LIMIT_NAME_LEN_MAX);
    let amount = read_count(&mut members, "amount", AMOUNT_MAX);
    let per = read_per(&mut members);
    let burst = read_count(&mut members, "burst", u32::MAX);
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

fn read_count(members: &mut Members, name: &str, max: u32) -> Option<NonZeroU32> {
    let value = members.take_required(name)?;
    let place = members.place(name);
    let fault = |kind, message: String| Fault::new(kind, place, message).input(value.clone());
    let number = value.as_f64().filter(|number| number.fract() == 0.0);
    // `7.0` is as whole as `7`; printed, they are the same.
    let count = number.and_then(|number| number.to_string().parse::<u32>().ok());
    let count = match (number, count.and_then(NonZeroU32::new)) {
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
    members.ok(count)
}

/// A time such as `60s`, `15m`, `1h` or `1d`. A unit must be there, so that nobody has to guess.
fn read_per(members: &mut Members) -> Option<Duration> {
    let value = members.take_required("per")?;
    let place = members.place("per");
    let per = value
        .as_str()
        .and_then(parse_per)
        .ok_or_else(|| Fault::value_error(place, value.clone(), PER_RULE));
    members.ok(per)
}

fn parse_per(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(secs)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = |amount: &str| {
            let limit = format!(r#"{{"name":"a","amount":{amount},"per":"1s","burst":1}}"#);
            read_limits(format!(r#"{{"limits":[{limit}]}}"#).as_bytes()).is_ok()
        };
        assert!(read("7") && read("7.0") && read("1e9"));
        assert!(!read("7.5") && !read("0.0") && !read("-1") && !read("1e10") && !read("1e300"));
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(parse_per("60s"), Some(Duration::from_secs(60)));
        assert_eq!(parse_per("15m"), Some(Duration::from_secs(900)));
        assert_eq!(parse_per("1d"), Some(Duration::from_secs(86_400)));
        for text in ["60", "", "s", "1w", "-1s", "1.5s", "1ms", "99999999999999999999s", "6ß"] {
            assert_eq!(parse_per(text), None, "{text}");
        }
    }
}
