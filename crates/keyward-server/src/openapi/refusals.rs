//! Refusals, as the document shows them. `keyward_axum::Refusal` is what serves them.

use serde_json::{Value, json};
use utoipa::ToSchema;

use keyward_api::shapes::KeyNumber;

/// Why a request was refused.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is a description; `Refusal` writes the answer")]
pub(crate) struct Refused {
    /// One sentence; the same for every request that is refused for this reason.
    #[schema(example = "Not Found")]
    detail: String,
    /// The key that a request of the same `Idempotency-Key` issued or rotated; with 409 alone.
    #[schema(value_type = KeyNumber, required = false)]
    key_id: Option<u64>,
}

/// The same as a problem document (RFC 9457), for clients that accept `application/problem+json`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is a description; `Refusal` writes the answer")]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says which problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank", pattern = "^about:blank$")]
    kind: String,
    /// The name of the status.
    #[schema(example = "Not Found")]
    title: String,
    /// The status.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    status: u16,
    /// One sentence; the same for every request that is refused for this reason.
    #[schema(example = "Not Found")]
    detail: String,
    /// The key that a request of the same `Idempotency-Key` issued or rotated; with 409 alone.
    #[schema(value_type = KeyNumber, required = false)]
    key_id: Option<u64>,
}

/// Everything in a request that does not fit.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is a description; `Refusal` writes the answer")]
pub(crate) struct Invalid {
    /// The faults, in the order of the members.
    #[schema(min_items = 1)]
    detail: Vec<Fault>,
}

/// Everything in a request that does not fit, as a problem document (RFC 9457).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is a description; `Refusal` writes the answer")]
pub(crate) struct InvalidProblem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    #[schema(example = "about:blank", pattern = "^about:blank$")]
    kind: String,
    /// The name of the status.
    #[schema(example = "Unprocessable Entity")]
    title: String,
    /// The status.
    #[schema(example = 422, minimum = 422, maximum = 422)]
    status: u16,
    /// The faults, in the order of the members.
    #[schema(min_items = 1)]
    detail: Vec<Fault>,
}

/// One thing that does not fit.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "type": "greater_than_equal", "loc": ["query", "limit"], "input": "0", "ctx": {"ge": 1},
    "msg": "Input should be greater than or equal to 1"
}))]
#[expect(dead_code, reason = "it is a description; `keyward_axum::fault::Fault` is what serves")]
struct Fault {
    /// The word that machines match on.
    #[serde(rename = "type")]
    kind: String,
    /// Where: `query`, `path`, `header` or `body`, and from there name by name; a number is a place
    /// in a list, or the byte at which a body is no JSON.
    #[schema(value_type = Vec<Step>, min_items = 1)]
    loc: Vec<Step>,
    /// What is wrong, for people.
    msg: String,
    /// What was sent there; never a header.
    #[schema(value_type = Value)]
    input: Value,
    /// The numbers and words that the message is made of.
    #[schema(value_type = Object, required = false)]
    ctx: Option<Value>,
}

/// A step on the way to a fault.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is a description")]
enum Step {
    /// The name of a member or parameter.
    Name(String),
    /// A place in a list.
    Place(u64),
}

/// The content of a refusal with these details, in both of its forms.
pub(super) fn content(status: u16, details: &str) -> Value {
    let detail = details.split("; ").next().unwrap_or_default();
    let title = http::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    let problem =
        json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
    json!({
        "application/json": { "schema": schema("Refused"), "example": { "detail": detail } },
        "application/problem+json": { "schema": schema("Problem"), "example": problem },
    })
}

/// The content of a 422.
pub(super) fn invalid_content() -> Value {
    json!({
        "application/json": { "schema": schema("Invalid") },
        "application/problem+json": { "schema": schema("InvalidProblem") },
    })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
