//! A client of the control plane: makes one change at a time, and keeps each.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::checker::REQUEST;
use super::history::{Change, Effect, Operation, Outcome, Terms, What};
use super::node::{ADMIN_KEY, Node};
use super::world::World;
use crate::http::{Connection, Message, Request};

/// How long a response to a change is waited for.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long one is waited for by a client that asks again elsewhere.
const SHORT: Duration = Duration::from_millis(100);

/// How a change is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Once,
    /// Its response is hardly waited for, and it is asked for once more elsewhere.
    InHaste,
    /// It was asked for before, so that it may change nothing.
    Again,
}

/// Asks a node to make a change. Returns `None` if it could not be asked.
///
/// `id` is the id of the key that it is about.
pub(crate) fn change(
    world: &World,
    node: &Node,
    mut effect: Effect,
    id: u64,
    asking: Asking,
) -> Result<Option<(Outcome, Value)>> {
    // Each has a connection of its own: one that was kept may have been closed meanwhile, and
    // whether the change was made would be unknown for no reason.
    let Ok(connection) = Connection::open(Ipv4Addr::LOCALHOST, node.public) else {
        return Ok(None);
    };
    let (number, start) = (world.number(), node.started());
    let request = request(&effect, id).header("X-Request-Id", &format!("{REQUEST}{number}"));
    let (begin, again) = (world.clock.now(), asking == Asking::Again);
    let operation = |end: u64, outcome: Outcome, effect: Effect| {
        let what = What::Change(Change { request: number, outcome, again, effect });
        Operation { begin, end, node: node.number, start, what }
    };
    world.recorder.begin(operation(begin, Outcome::Unknown, effect.clone()));
    let patience = if asking == Asking::InHaste { SHORT } else { PATIENCE };
    let response = connection.patience(patience)?.send(&request);
    let end = world.clock.now();
    let (outcome, body) = response.map_or((Outcome::Unknown, Value::Null), |it| outcome(&it));
    if let Effect::Issue { id, .. } = &mut effect {
        *id = body.get("key_id").and_then(Value::as_u64);
    }
    world.recorder.add(operation(end, outcome, effect))?;
    Ok(Some((outcome, body)))
}

/// Sends a request that changes nothing.
pub(crate) fn get(node: &Node, target: &str) -> Result<Message> {
    let request = Request::get(target).header("X-Admin-Key", ADMIN_KEY);
    Connection::open(Ipv4Addr::LOCALHOST, node.public)?.send(&request)
}

fn outcome(response: &Message) -> (Outcome, Value) {
    let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    let outcome = match response.status() {
        200..300 if body.get("everywhere") == Some(&json!(false)) => Outcome::DoneHere,
        200..300 => Outcome::Done,
        // The server gave it up while it was under way.
        408 => Outcome::Unknown,
        400..500 => Outcome::Rejected,
        _ => Outcome::Unknown,
    };
    (outcome, body)
}

fn request(effect: &Effect, id: u64) -> Request {
    let key = format!("/admin/api-keys/{id}");
    let owner_path = |owner: u64| format!("/admin/owners/{}", owner_name(owner));
    let (method, target, body) = match effect {
        Effect::Issue { key, owner, tier, terms, .. } => {
            let limits = terms.as_ref().map(limits);
            let body = json!({
                "name": format!("torture-{key}"), "owner": owner_name(*owner),
                "tier": tier_name(*tier), "limits": limits,
            });
            ("POST", "/admin/api-keys".to_owned(), body)
        }
        Effect::Revoke { .. } => ("DELETE", key, Value::Null),
        Effect::Suspend { .. } => ("POST", key + "/suspend", json!({})),
        Effect::Resume { .. } => ("POST", key + "/resume", json!({})),
        Effect::Rotate { .. } => ("POST", key + "/rotate", json!({ "grace": "0s" })),
        Effect::Limit { terms, .. } => ("PATCH", key, json!({ "limits": limits(terms) })),
        Effect::Tier { tier, terms } => {
            let limits = terms.as_ref().map_or(json!([]), limits);
            let target = format!("/admin/tiers/{}", tier_name(*tier));
            ("PUT", target, json!({ "limits": limits }))
        }
        Effect::SuspendOwner { owner } => ("POST", owner_path(*owner) + "/suspend", json!({})),
        Effect::ResumeOwner { owner } => ("POST", owner_path(*owner) + "/resume", json!({})),
        Effect::LimitOwner { owner, terms } => {
            ("PATCH", owner_path(*owner), json!({ "limits": limits(terms) }))
        }
    };
    let request = Request::new(method, &target).header("X-Admin-Key", ADMIN_KEY);
    if body.is_null() { request } else { request.json(&body) }
}

fn owner_name(owner: u64) -> String {
    format!("owner-{owner}")
}

fn tier_name(tier: u64) -> String {
    format!("tier-{tier}")
}

fn limits(terms: &Terms) -> Value {
    let Terms { amount, per, burst } = *terms;
    json!([{ "name": "requests", "amount": amount, "per": format!("{per}s"), "burst": burst }])
}
