//! How callers and operators authenticate, and the rejections that follow from it.

use serde_json::{Value, json};

use crate::routes::Access;

/// The ways to authenticate for a route.
pub(super) fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Key => json!([{ "key": [] }, { "key_header": [] }]),
        Access::Door => json!([{}, { "door_key": [] }]),
        Access::Admin(_) => json!([{ "admin_key": [] }, { "person": [] }]),
    }
}

/// The rejections that every route of this access has: status, name and details.
pub(super) fn rejections_for(access: Access) -> &'static [(u16, &'static str, &'static str)] {
    match access {
        Access::Open => &[],
        Access::Key => &[
            (400, "SeveralKeys", "More than one API key in the request; Missing Host header"),
            (
                401,
                "NoKey",
                "Missing Authorization header; Invalid or inactive API key; \
                     Invalid Authorization format. Use: Bearer YOUR_API_KEY",
            ),
            (403, "OutOfScope", "Insufficient scope; Address not allowed"),
            (429, "Limited", "Rate limit exceeded"),
            (503, "Unavailable", "Service Unavailable"),
        ],
        Access::Door => &[
            (401, "NoDoorKey", "Invalid door key"),
            (403, "NoDoor", "Address not allowed"),
            (429, "TooManyWrongKeys", "Rate limit exceeded"),
            (503, "Unavailable", "Service Unavailable"),
        ],
        Access::Admin(_) => &[
            (401, "NoAccess", "Invalid access token"),
            (403, "NotAdmin", "Invalid admin key; Insufficient role; Address not allowed"),
            (429, "TooManyWrong", "Too many wrong admin keys"),
            (500, "NotConfigured", "ADMIN_API_KEY is not configured; Internal Server Error"),
            (503, "Unavailable", "Service Unavailable"),
        ],
    }
}

/// All ways to authenticate.
pub(super) fn schemes() -> Value {
    json!({
        "key": {
            "type": "http", "scheme": "bearer", "bearerFormat": "kw_…",
            "description": "An API key.",
        },
        "key_header": {
            "type": "apiKey", "in": "header", "name": "X-API-Key",
            "description": "An API key, for clients that cannot set `Authorization`.",
        },
        "door_key": {
            "type": "apiKey", "in": "header", "name": "X-Keyward-Door",
            "description": "A door key, where the settings ask for one.",
        },
        "admin_key": {
            "type": "apiKey", "in": "header", "name": "X-Admin-Key",
            "description": "The value of `ADMIN_API_KEY`.",
        },
        "person": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of the OpenID Connect issuer in the settings. Its \
                            claims give a role: viewer, issuer or admin.",
        },
    })
}
