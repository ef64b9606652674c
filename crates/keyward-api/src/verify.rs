//! Verdicts on behalf of another service.

mod view;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use keyward::key::TEXT_LEN_MAX;
use keyward::limit::{COST_MAX, Cost};
use keyward::record::Scope;
use keyward_http::Rejection;
use keyward_http::fault::Fault;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::body;
use crate::body::{At, Field, Fields, Known, Read, list, parsed, text};
use crate::query::Chars;

pub use self::view::{AskedLimit, ShownKey, VerdictView, VerdictWord, VerdictsView};

/// Most scopes that a request may need.
pub const SCOPES_MAX: usize = 8;
/// Most requests of a batch.
pub const BATCH_MAX: usize = 100;
/// Most characters of a route's name.
pub const RESOURCE_CHARS_MAX: usize = 128;
/// Most characters of the name that a client gives a request.
pub const REQUEST_ID_LEN_MAX: usize = 64;

/// A request to another service, which asks whether it is allowed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "key": "kw_EXAMPLE-a-key", "scopes": ["articles:read"], "address": "192.0.2.7",
    "resource": "GET /v1/articles/{id}",
}))]
pub struct VerifyBody {
    /// What the request presents as its key. It is never logged.
    #[schema(value_type = String, min_length = 1, max_length = 512)]
    pub key: Chars<1, TEXT_LEN_MAX>,
    /// The scopes that the key needs, each a `resource:action`: all of them.
    #[schema(value_type = Vec<String>, required = false, max_items = 8)]
    pub scopes: NeededScopes,
    /// How many ordinary requests it counts as for the limits; 0 is judged and takes nothing.
    #[schema(value_type = u32, required = false, minimum = 0, maximum = 1_000_000, default = 1)]
    pub cost: NeededCost,
    /// The address of the client. Without it, a key that is restricted to networks is denied.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    pub address: Option<ClientAddress>,
    /// The route that the request is for, such as `GET /v1/articles/{id}`, for logs and traces.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub resource: Option<Chars<1, RESOURCE_CHARS_MAX>>,
    /// A name of the request, unique among those of this client. The same request with the same
    /// name takes its cost once within 60 s, however often it is sent.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub request_id: Option<RequestName>,
}

body!(VerifyBody { key, scopes, cost, address, resource, request_id });

impl VerifyBody {
    /// Reads a body, as [`RequestBody::read`](body::RequestBody::read) does; the clock is read only
    /// where a body has a fault.
    ///
    /// It is the body of nearly every ask, and nearly none has a fault: so it is read in one go
    /// first, and only a body with a fault once more, to find all of them.
    ///
    /// # Errors
    ///
    /// Returns 422 with all faults.
    pub fn read_fast<'a>(
        body: &[u8],
        known: impl FnOnce() -> Known<'a>,
    ) -> Result<Self, Rejection> {
        match serde_json::from_slice::<Plain<'_>>(body).ok().and_then(Plain::checked) {
            Some(read) => Ok(read),
            None => <Self as body::RequestBody>::read(body, known()),
        }
    }
}

/// The fields of a body as JSON has them, in their usual form alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    scopes: Vec<Cow<'a, str>>,
    #[serde(default = "one")]
    cost: u32,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    resource: Option<String>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
}

fn one() -> u32 {
    1
}

impl Plain<'_> {
    /// The body, if no field has a fault.
    fn checked(self) -> Option<VerifyBody> {
        let Self { key, scopes, cost, address, resource, request_id } = self;
        let has = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        let is_plain = has(&key, TEXT_LEN_MAX)
            && scopes.len() <= SCOPES_MAX
            && resource.as_ref().is_none_or(|resource| has(resource, RESOURCE_CHARS_MAX));
        let scopes: Result<Vec<_>, _> = scopes.iter().map(|scope| scope.parse()).collect();
        let address = address.map(|text| text.parse::<IpAddr>()).transpose().ok()?;
        let id = request_id.map(|id| RequestName::parse(&id).ok_or(())).transpose().ok()?;
        let body = VerifyBody {
            key: Chars(key.into_owned()),
            scopes: NeededScopes(scopes.ok()?),
            cost: NeededCost(Cost::new(cost)?),
            address: address.map(|address| ClientAddress(address.to_canonical())),
            resource: resource.map(Chars),
            request_id: id,
        };
        is_plain.then_some(body)
    }
}

/// Without the key.
impl fmt::Debug for VerifyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scopes, cost, .. } = self;
        f.debug_struct("VerifyBody")
            .field("scopes", scopes)
            .field("cost", cost)
            .finish_non_exhaustive()
    }
}

impl Field for VerifyBody {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let Value::Object(object) = value else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            return Err(vec![Fault::new("model_attributes_type", at.location(), message)]);
        };
        let mut fields = Fields::of(at.clone(), object);
        let read = <Self as body::RequestBody>::take_from(&mut fields);
        let faults = fields.finish();
        read.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

/// Several requests, which are decided in their order, each by itself.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "requests": [{ "key": "kw_EXAMPLE-a-key" }] }))]
pub struct VerifyBatchBody {
    #[schema(value_type = Vec<VerifyBody>, max_items = 100)]
    pub requests: Batch,
}

body!(VerifyBatchBody { requests });

/// At most [`BATCH_MAX`] requests.
#[derive(Debug)]
pub struct Batch(pub Vec<VerifyBody>);

impl Field for Batch {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        list(at, value, BATCH_MAX).map(Self)
    }
}

/// The scopes that a request needs, at most [`SCOPES_MAX`]; none if they are left out.
#[derive(Debug)]
pub struct NeededScopes(pub Vec<NeededScope>);

impl Field for NeededScopes {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        list(at, value, SCOPES_MAX).map(Self)
    }

    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        Some(Ok(Self(Vec::new())))
    }
}

/// A scope that a request needs: a `resource:action`.
///
/// ```
/// use keyward_api::verify::NeededScope;
///
/// assert!("articles:read".parse::<NeededScope>().is_ok());
/// // A key has such a scope, and no request needs it.
/// assert!("articles:*".parse::<NeededScope>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededScope(pub Scope);

impl std::str::FromStr for NeededScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "a scope that is needed is `resource:action`, in a-z, 0-9, `_`, `.` \
                            and `-`";
        let scope: Scope = text.parse().map_err(|_| RULE)?;
        if text.ends_with('*') { Err(RULE) } else { Ok(Self(scope)) }
    }
}

impl Field for NeededScope {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        parsed(at, value)
    }
}

/// The cost of a request; 1 if it is left out.
#[derive(Clone, Copy, Debug)]
pub struct NeededCost(pub Cost);

impl Field for NeededCost {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let fault = |kind, message: &str| Fault::new(kind, at.location(), message);
        // To JSON, 5.0 is a whole number like 5.
        let whole = value.as_f64().filter(|number| number.fract() == 0.0);
        let written = || whole.and_then(|number| format!("{number:.0}").parse().ok());
        let cost = value.as_u64().or_else(written).and_then(|cost| u32::try_from(cost).ok());
        let fault = match (whole, cost.and_then(Cost::new)) {
            (Some(_), Some(cost)) => return Ok(Self(cost)),
            (None, _) => fault("int_type", "Input should be a valid integer"),
            (Some(number), None) if number < 0.0 => {
                fault("greater_than_equal", "Input should be greater than or equal to 0")
                    .context(json!({ "ge": 0 }))
            }
            (Some(_), None) => {
                fault("less_than_equal", "Input should be less than or equal to 1000000")
                    .context(json!({ "le": COST_MAX }))
            }
        };
        Err(vec![fault.input(value)])
    }

    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        Some(Ok(Self(Cost::ONE)))
    }
}

/// The address of a client: IPv4 or IPv6, without a port.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl Field for ClientAddress {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let rule = "an address is IPv4 or IPv6, without a port";
        let address = value.as_str().and_then(|text| text.parse().ok());
        address
            .map(|address: IpAddr| Self(address.to_canonical()))
            .ok_or_else(|| at.breaks(&rule, value))
    }
}

/// The name that a client gives a request: 1 to [`REQUEST_ID_LEN_MAX`] of `A-Za-z0-9._-`.
///
/// ```
/// use keyward_api::verify::RequestName;
///
/// assert!(RequestName::parse("8e03978e-40d5").is_some());
/// assert!(RequestName::parse("two words").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct RequestName(String);

impl RequestName {
    /// The name, if it has such a form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_name = (1..=REQUEST_ID_LEN_MAX).contains(&text.len()) && text.bytes().all(fits);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for RequestName {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let rule = "the name of a request has 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`";
        let name = text(at, value, 0..=usize::MAX)?;
        Self::parse(&name).ok_or_else(|| at.breaks(&rule, name.into()))
    }
}

#[cfg(test)]
mod tests;
