//! The common parts of all operations: the ways to authenticate, the rejections and the headers.

use std::collections::BTreeMap;

use keyward_api::body::RequestBody as _;
use keyward_api::key::{EditKeyBody, NewKeyBody};
use serde_json::{Map, Value, json};

use super::rejections;
use super::security::{rejections_for, schemes, security};
use crate::routes::Access;

/// The rejections that any operation may respond with: status, name and details.
const ANYONE: [(u16, &str, &str); 5] = [
    (400, "Malformed", MALFORMED),
    (408, "TooSlow", "Request Timeout"),
    (414, "TargetTooLong", "URI Too Long"),
    (431, "HeadTooLarge", "Request Header Fields Too Large"),
    (500, "Broken", "Internal Server Error"),
];
const MALFORMED: &str = "Malformed request line; Malformed header field; Malformed Content-Length \
                         or Transfer-Encoding; Content-Length beside Transfer-Encoding; Missing \
                         Host header; More than one Host header; The path is not UTF-8";
const WITH_BODY: (u16, &str, &str) = (413, "TooLarge", "Content Too Large");
/// Headers of every response to a caller whose key works.
const STANDING: [&str; 5] = [
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];
/// Headers of every response for which a key was looked for.
const KEPT: [&str; 2] = ["Cache-Control", "Vary"];

/// Bodies with the two fields that exclude each other, if there are any, even as `null`.
const EXCLUSIVE: [(&str, Option<[&str; 2]>); 2] =
    [("NewKeyBody", NewKeyBody::EXCLUSIVE), ("EditKeyBody", EditKeyBody::EXCLUSIVE)];

/// Who may use an operation, by its path and its method in small letters.
type AccessRules = BTreeMap<(String, String), Access>;

/// Adds the common parts to each operation.
pub(super) fn complete(document: &mut Value, access: &AccessRules) {
    let mut shared = Map::new();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let access = access.get(&(path.clone(), method.clone()));
            if let (Some(access), Some(operation)) = (access, operation.as_object_mut()) {
                complete_operation(*access, operation, &mut shared);
            }
        }
    }
    let components = document.get_mut("components").and_then(Value::as_object_mut);
    if let Some(components) = components {
        components.insert("responses".into(), shared.into());
        components.insert("headers".into(), headers());
        components.insert("securitySchemes".into(), schemes());
        let mut schemas = components.get_mut("schemas");
        for (name, fields) in EXCLUSIVE {
            let schema = schemas.as_mut().and_then(|schemas| schemas.get_mut(name));
            if let (Some(fields), Some(schema)) = (fields, schema.and_then(Value::as_object_mut)) {
                // Their names are properties here, too, as generators of clients expect.
                let any = fields.map(|field| (field.to_owned(), json!({})));
                let any: Map<_, _> = any.into_iter().collect();
                schema.insert("not".into(), json!({ "properties": any, "required": fields }));
            }
        }
    }
}

fn complete_operation(
    access: Access,
    operation: &mut Map<String, Value>,
    shared: &mut Map<String, Value>,
) {
    // Requests of operators are rejected for any input that a route does not read.
    let is_read = matches!(access, Access::Admin(_));
    let has_body = is_read || operation.contains_key("requestBody");
    let has_input = has_body || operation.contains_key("parameters");
    if let Some(body) = operation.get_mut("requestBody") {
        forbid_null(body);
    }
    // An operation without `security` would get the whole document's rule.
    operation.insert("security".to_owned(), security(access));
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    let common = rejections_for(access).iter().chain(&ANYONE).chain(has_body.then_some(&WITH_BODY));
    for &(status, name, details) in common {
        let status_text = status.to_string();
        if responses.contains_key(&status_text) {
            continue;
        }
        if !shared.contains_key(name) {
            let mut response = json!({ "description": details });
            complete_response(status, &mut response, access);
            shared.insert(name.to_owned(), response);
        }
        let reference = format!("#/components/responses/{name}");
        responses.insert(status_text, json!({ "$ref": reference }));
    }
    if has_input && !responses.contains_key("422") {
        let invalid = json!({ "description": "Every fault that was found" });
        responses.insert("422".to_owned(), invalid);
    }
    for (status, response) in responses.iter_mut() {
        if !response.get("$ref").is_some_and(Value::is_string) {
            complete_response(status.parse().unwrap_or_default(), response, access);
        }
    }
    responses.sort_keys();
}

/// A body that may be left out is an `Option` to utoipa, which then says that it may be `null`.
fn forbid_null(body: &mut Value) {
    let schema = body.pointer_mut("/content/application~1json/schema");
    let Some(schema) = schema else { return };
    if let Some([only, null]) = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice)
        && *null == json!({ "type": "null" })
    {
        *schema = only.clone();
    }
}

fn complete_response(status: u16, response: &mut Value, access: Access) {
    let Some(response) = response.as_object_mut() else { return };
    if 400 <= status && !response.contains_key("content") {
        let details = response.get("description").and_then(Value::as_str).unwrap_or_default();
        let content = match status {
            422 => rejections::invalid_content(),
            _ => rejections::content(status, details),
        };
        response.insert("content".to_owned(), content);
    }
    let is_for_callers = access == Access::Key;
    let known = is_for_callers && !matches!(status, 400 | 401 | 500);
    let standing = STANDING.iter().filter(|_| known);
    let kept = KEPT.iter().filter(|_| is_for_callers);
    let own: &[&str] = match (status, access) {
        (401, _) | (400 | 403, Access::Key) => &["WWW-Authenticate"],
        (429 | 503, _) => &["Retry-After"],
        _ => &[],
    };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    if let Some(headers) = headers.as_object_mut() {
        for name in standing.chain(kept).chain(own).chain(&["X-Request-Id"]) {
            let reference = json!({ "$ref": format!("#/components/headers/{name}") });
            headers.entry(*name).or_insert(reference);
        }
    }
}

fn headers() -> Value {
    let whole = json!({ "type": "integer", "minimum": 0 });
    json!({
        "X-Request-Id": {
            "description": "The request's own, if it was decent, or one that the server gave.",
            "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
            "example": "5f3759df00000001",
        },
        "Retry-After": {
            "description": "Seconds after which trying again may help.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
            "example": 1,
        },
        "WWW-Authenticate": {
            "description": "How to authenticate, and the fault (RFC 6750).",
            "schema": { "type": "string", "pattern": "^Bearer" },
            "example": "Bearer error=\"invalid_token\"",
        },
        "Cache-Control": {
            "description": "The caller alone may keep it, and has to ask each time whether it \
                            still holds.",
            "schema": { "type": "string" },
            "example": "private, no-cache",
        },
        "Vary": {
            "description": "The response depends on the key.",
            "schema": { "type": "string" },
            "example": "Authorization, X-API-Key",
        },
        "RateLimit-Policy": {
            "description": "The limit: its name, requests (`q`) and seconds (`w`). Absent, as \
                            the others are, where there is no limit, or where \
                            `rate_limit_headers` leaves it out.",
            "schema": { "type": "string" },
            "example": "\"requests\";q=100;w=60",
        },
        "RateLimit": {
            "description": "The requests that are left (`r`), and the seconds until all are \
                            back (`t`); with 429, until the next request is let in.",
            "schema": { "type": "string" },
            "example": "\"requests\";r=99;t=1",
        },
        "X-RateLimit-Limit": {
            "description": "Most requests at once.", "schema": whole, "example": 100,
        },
        "X-RateLimit-Remaining": {
            "description": "Requests that are left.", "schema": whole, "example": 99,
        },
        "X-RateLimit-Reset": {
            "description": "When all requests are back, in seconds since 1970; with 429, when \
                            the next request is let in.",
            "schema": whole, "example": 1_795_512_600,
        },
    })
}
