//! How callers and operators authenticate, and the rejections that follow from it.

use serde_json::{Map, Value, json};

/// Who an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Every client, without authentication.
    Anyone,
    /// The holders of a key: the handler says so, with `security(("key" = []), ("key_header" =
    /// []))`.
    Callers,
    /// Operators: everything under `/admin`.
    Operators,
}

impl Audience {
    /// Who this operation is for.
    pub(super) fn of(path: &str, operation: &Map<String, Value>) -> Self {
        if path.starts_with("/admin/") {
            Self::Operators
        } else if operation.contains_key("security") {
            Self::Callers
        } else {
            Self::Anyone
        }
    }

    /// Its `security` in the document, if the handler declares none.
    pub(super) fn security(self) -> Option<Value> {
        match self {
            Self::Operators => Some(json!([{ "admin_key": [] }, { "person": [] }])),
            Self::Callers | Self::Anyone => None,
        }
    }

    /// The rejections that every operation for this audience has: status, name and details.
    pub(super) fn rejections(self) -> &'static [(u16, &'static str, &'static str)] {
        match self {
            Self::Anyone => &[],
            Self::Callers => &[
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
            Self::Operators => &[
                (401, "NoAccess", "Invalid access token"),
                (403, "NotAdmin", "Invalid admin key; Insufficient role; Address not allowed"),
                (429, "TooManyWrong", "Too many wrong admin keys"),
                (500, "NotConfigured", "ADMIN_API_KEY is not configured; Internal Server Error"),
                (503, "Unavailable", "Service Unavailable"),
            ],
        }
    }
}

/// The ways to authenticate.
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
