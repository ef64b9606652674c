//! The content of rejections, as the document shows it.

use serde_json::{Value, json};

/// The content of a rejection with these details, in both of its forms.
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
