//! Rejections, as clients read them. `keyward_http::Rejection` writes them.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::shapes::KeyNumber;

/// Why a request was rejected.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// One sentence; the same for every request that is rejected for this reason.
    #[schema(example = "Not Found")]
    pub detail: String,
    /// The key that a request of the same `Idempotency-Key` issued or rotated; with 409 alone.
    #[schema(value_type = KeyNumber, required = false)]
    pub key_id: Option<KeyNumber>,
}

/// The same as a problem document (RFC 9457), for clients that accept `application/problem+json`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Always `about:blank`: the status says which problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank", pattern = "^about:blank$")]
    pub kind: String,
    /// The name of the status.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The status.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    pub status: u16,
    /// One sentence; the same for every request that is rejected for this reason.
    #[schema(example = "Not Found")]
    pub detail: String,
    /// The key that a request of the same `Idempotency-Key` issued or rotated; with 409 alone.
    #[schema(value_type = KeyNumber, required = false)]
    pub key_id: Option<KeyNumber>,
}

/// All faults of a request.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invalid {
    /// The faults, in the order of the fields.
    #[schema(min_items = 1)]
    pub detail: Vec<Fault>,
}

/// All faults of a request, as a problem document (RFC 9457).
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvalidProblem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    #[schema(example = "about:blank", pattern = "^about:blank$")]
    pub kind: String,
    /// The name of the status.
    #[schema(example = "Unprocessable Entity")]
    pub title: String,
    /// The status.
    #[schema(example = 422, minimum = 422, maximum = 422)]
    pub status: u16,
    /// The faults, in the order of the fields.
    #[schema(min_items = 1)]
    pub detail: Vec<Fault>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "type": "greater_than_equal", "loc": ["query", "limit"], "input": "0", "ctx": {"ge": 1},
    "msg": "Input should be greater than or equal to 1"
}))]
pub struct Fault {
    /// The word that machines match on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its location: `query`, `path`, `header` or `body`, and then name by name; a number is an
    /// index of a list, or the byte at which a body is no JSON.
    #[schema(min_items = 1)]
    pub loc: Vec<Step>,
    /// The fault, for people.
    pub msg: String,
    /// The value that was sent there; never a header.
    pub input: Value,
    /// The numbers and words that the message is made of.
    #[schema(value_type = Object, required = false)]
    pub ctx: Option<Value>,
}

/// A step on the way to a fault.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Step {
    /// The name of a field or parameter.
    Name(String),
    /// An index of a list.
    Index(u64),
}
