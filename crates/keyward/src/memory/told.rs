//! What the audit trail tells of a change: what was before and after, without secrets.

use serde_json::{Map, Value, json};

use crate::limit::Limit;
use crate::transfer::KeyCopy;

/// Everything about a key that people decide.
pub(super) fn members(copy: &KeyCopy) -> Map<String, Value> {
    let members = [
        ("name", json!(copy.name.as_str())),
        ("tier", json!(copy.tier.as_str())),
        ("owner", json!(copy.owner.as_ref().map(|owner| owner.as_str()))),
        ("scopes", copy.scopes.iter().map(|scope| scope.as_str()).collect()),
        ("networks", copy.networks.iter().map(ToString::to_string).collect()),
        ("limits", json!(copy.limits.as_ref().map(|own| limits(own.list())))),
        ("metadata", copy.metadata.to_json()),
        ("expires_at", json!(copy.expires_at.map(|at| at.0))),
        ("state", json!(copy.state.as_str())),
        ("revoked_reason", json!(copy.revoked_reason.as_ref().map(|reason| reason.as_str()))),
        ("hint", json!(copy.secret.hint)),
        ("grace_until", json!(copy.former.last().map(|(_, ends_at)| ends_at.0))),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The members that differ, as they were and as they are.
pub(super) fn difference(before: &KeyCopy, after: &KeyCopy) -> Value {
    let (mut before, mut after) = (members(before), members(after));
    let differs =
        |name: &str, other: &Map<String, Value>, value: &Value| other.get(name) != Some(value);
    let all_before = before.clone();
    before.retain(|name, value| differs(name, &after, value));
    after.retain(|name, value| differs(name, &all_before, value));
    json!({ "before": before, "after": after })
}

pub(super) fn limits(limits: &[Limit]) -> Value {
    let limit = |limit: &Limit| {
        json!({
            "name": limit.name(),
            "amount": limit.amount(),
            "per_secs": limit.per().as_secs(),
            "burst": limit.burst(),
        })
    };
    limits.iter().map(limit).collect()
}
