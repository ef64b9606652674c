//! Reading what a key is issued from, with every fault found at once.

use jiff::Timestamp;
use keyward::UnixMillis;
use keyward::issue::NewKey;
use keyward::record::{KeyName, NAME_CHARS_MAX, Scope, Scopes};
use keyward::tier::TierName;
use keyward_axum::Refusal;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use serde_json::Value;
use utoipa::ToSchema;

use crate::shapes::{KeyNameText, ScopeText, TierText, TimeText};

/// The tier of a key whose request names none.
const TIER_DEFAULT: &str = "basic";

/// What a key is issued from.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "weather-bot", "tier": "basic", "scopes": ["articles:read"],
    "expires_at": "2030-01-31T12:00:00Z",
}))]
pub(crate) struct NewKeyBody {
    #[schema(value_type = KeyNameText)]
    name: KeyName,
    #[schema(value_type = TierText, required = false, default = "basic")]
    tier: TierName,
    /// What it may do. None grant nothing where one is asked for.
    #[schema(value_type = Vec<ScopeText>, max_items = 32, required = false)]
    scopes: Scopes,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(value_type = Option<TimeText>)]
    expires_at: Option<UnixMillis>,
}

impl NewKeyBody {
    /// Reads a body. A tier has to be one of those that there are.
    pub(super) fn read(body: &[u8], known_tiers: &[&str]) -> Result<Self, Refusal> {
        let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
        let name = members.string("name", 1..=NAME_CHARS_MAX).and_then(|name| name.parse().ok());
        let tier = members.take("tier").unwrap_or_else(|| TIER_DEFAULT.into());
        let place = members.place("tier");
        let tier = match tier.as_str().filter(|tier| known_tiers.contains(tier)) {
            Some(tier) => tier.parse().ok(),
            None => members.ok(Err(Fault::not_one_of(place, tier, known_tiers))),
        };
        let scopes = read_scopes(&mut members);
        let expires_at = read_expiry(&mut members);
        let faults = members.finish();
        match (name, tier, scopes, expires_at) {
            (Some(name), Some(tier), Some(scopes), Some(expires_at)) if faults.is_empty() => {
                Ok(Self { name, tier, scopes, expires_at })
            }
            _ => Err(Refusal::unprocessable(faults)),
        }
    }
}

impl From<NewKeyBody> for NewKey {
    fn from(body: NewKeyBody) -> Self {
        let NewKeyBody { name, tier, scopes, expires_at } = body;
        Self { name, tier, scopes, expires_at }
    }
}

fn read_scopes(members: &mut Members) -> Option<Scopes> {
    let place = members.place("scopes");
    let list = match members.take("scopes") {
        None => return Some(Scopes::default()),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let fault = Fault::new("list_type", place, "Input should be a valid list");
            members.fault(fault.input(other));
            return None;
        }
    };
    let echo = Value::from(list.clone());
    let mut scopes = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let mut place = place.clone();
        place.push(at.into());
        let Value::String(text) = value else {
            members.fault(Fault::not_a_string(place, value));
            continue;
        };
        match text.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(error) => {
                members.fault(Fault::value_error(place, text.into(), &error.to_string()));
            }
        }
    }
    let scopes = Scopes::new(scopes);
    members.ok(scopes.map_err(|error| Fault::value_error(place, echo, &error.to_string())))
}

/// `None` is a fault; `Some(None)` is a key that never expires.
fn read_expiry(members: &mut Members) -> Option<Option<UnixMillis>> {
    let place = members.place("expires_at");
    let text = match members.take("expires_at") {
        None | Some(Value::Null) => return Some(None),
        Some(Value::String(text)) => text,
        Some(other) => {
            let message = "Input should be a valid datetime";
            members.fault(Fault::new("datetime_type", place, message).input(other));
            return None;
        }
    };
    let millis =
        text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    if millis.is_none() {
        let message = "Input should be a valid datetime in RFC 3339, such as 2030-01-31T12:00:00Z";
        members.fault(Fault::new("datetime_parsing", place, message).input(text));
    }
    millis.map(|at| Some(UnixMillis(at)))
}
