//! Apache asks by introspection, which is another contract: most of its row is its own.

use super::{Deviation, all, without_limits};
use crate::doors::cells::Step;
use crate::doors::facts::Facts;
use crate::doors::lane;
use crate::doors::proxy::Proxy;

/// How the module rejects a request in which it finds no key.
const NO_KEY: &str =
    r#"Bearer error="invalid_request", error_description="No bearer token found in the request""#;
/// How it rejects a key that Keyward does not say to be active.
const INACTIVE: &str = concat!(
    r#"Bearer error="invalid_token", "#,
    r#"error_description="Reference token could not be introspected""#,
);

/// The first of them changes the others, too: none of their values has a limit.
pub(super) const ALL: [Deviation; 12] = [
    Deviation {
        proxy: Proxy::Apache,
        cells: &["no key", "malformed", "HEAD without a key"],
        reason: "A rejection is a page of Apache's in HTML, with a challenge of the module's.",
        change: |steps| all(steps, |facts| *facts = page(facts, 401, NO_KEY)),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["another host"],
        reason: "So it is for every host.",
        change: |steps| {
            if let Some(step) = steps.first_mut() {
                step.expected = page(&step.expected, 401, NO_KEY);
            }
        },
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["wrong key", "suspended", "two Authorization"],
        reason: "A key that does not work is one that could not be introspected.",
        change: |steps| all(steps, |facts| *facts = page(facts, 401, INACTIVE)),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["revoked", "keep-alive"],
        reason: "That holds for a revoked key from the next request on.",
        change: |steps| {
            if let Some(step) = steps.get_mut(1) {
                step.expected = page(&step.expected, 401, INACTIVE);
            }
        },
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["out of scope"],
        reason: "A key without the scope gets 403, and is not told which scope it lacks.",
        change: |steps| all(steps, |facts| *facts = page(facts, 403, "")),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["allowed by X-API-Key", "two X-API-Key"],
        reason: "A key in `X-API-Key` is not read: such a request has no key.",
        change: |steps| all(steps, |facts| *facts = page(facts, 401, NO_KEY)),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["two keys", "limited"],
        reason: "So a request with two keys is one with its Bearer key, and a caller above its \
                 limit is let in.",
        change: let_in,
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["network of the client", "forged X-Forwarded-For", "forged, by a trusted proxy"],
        reason: "A key that is restricted to networks never works, since introspection knows no \
                 address.",
        change: |steps| {
            all(steps, |facts| {
                let address = facts.get("address").map(str::to_owned);
                *facts = page(facts, 401, INACTIVE);
                if let Some(address) = address {
                    facts.set("address", address);
                }
            });
        },
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["verifier dead", "verifier silent", "operator's mistake"],
        reason: "When Keyward cannot be reached, or the door key is wrong, a client gets 401, as \
                 with a wrong key.",
        change: |steps| all(steps, |facts| *facts = page(facts, 401, INACTIVE)),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &[
            "X-Keyward-* of the client",
            "X_Keyward_* of the client",
            "X.Keyward.* of the client",
            "X-Keyward-* in a preflight",
        ],
        reason: "A request that brings an identity of its own gets 403, since Apache cannot remove \
                 header fields by a pattern.",
        change: |steps| all(steps, |facts| *facts = page(facts, 403, "")),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &["keep-alive to Keyward"],
        reason: "Each request opens a connection to Keyward, with a TLS handshake.",
        change: |steps| all(steps, |facts| facts.set("connections to Keyward", "not kept")),
    },
    Deviation {
        proxy: Proxy::Apache,
        cells: &[],
        reason: "The name of a key is sent in UTF-8 as it is, and responses have no `RateLimit`.",
        change: |steps| {
            all(steps, |facts| {
                without_limits(facts);
                if let Some(name) = facts.get("api.x-keyward-name") {
                    let name = name.replace("%C3%BC", "ü");
                    facts.set("api.x-keyward-name", name);
                }
            });
        },
    },
];

/// Apache's own page in place of a response; the rest stays.
fn page(before: &Facts, status: u16, challenge: &str) -> Facts {
    let is_head = before.get("body") == Some("");
    let mut facts = lane::rejected(status, if is_head { "" } else { "HTML" });
    facts.remove("shared caches");
    let facts = facts.with("content-type", "text/html; charset=iso-8859-1");
    let connection = before.get("connection").into_iter();
    let facts = connection.fold(facts, |facts, value| facts.with("connection", value));
    if challenge.is_empty() { facts } else { facts.with("www-authenticate", challenge) }
}

/// The request reaches the API.
fn let_in(steps: &mut [Step]) {
    for step in steps {
        if let Some(key) = &step.key {
            step.expected = lane::allowed(key, 99);
        }
    }
}
