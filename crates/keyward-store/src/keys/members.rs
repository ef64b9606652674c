//! The members of a key as the audit trail tells of them: never a secret nor a digest.

use keyward::UnixMillis;
use keyward::details::KeyDetails;
use keyward::limit::Limits;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::limits;
use crate::record::state_word;

/// What an entry says of a key that was not there before.
pub(super) fn new(key: &KeyDetails) -> Result<Value, Fault> {
    let after: Map<String, Value> =
        members(key)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(json!({ "before": null, "after": after }))
}

/// What an entry says of a key that was changed: the members that differ.
pub(super) fn changed(before: &KeyDetails, after: &KeyDetails) -> Result<Value, Fault> {
    let (mut left, mut right) = (Map::new(), Map::new());
    for ((name, before), (_, after)) in members(before)?.into_iter().zip(members(after)?) {
        if before != after {
            left.insert(name.to_owned(), before);
            right.insert(name.to_owned(), after);
        }
    }
    Ok(json!({ "before": left, "after": right }))
}

/// All that can change, each under its name.
fn members(key: &KeyDetails) -> Result<[(&'static str, Value); 12], Fault> {
    let record = &key.record;
    let at = |at: Option<UnixMillis>| at.map(|at| at.0);
    let limits = |limits: &Limits| limits::to_json(limits.list());
    let scopes: Vec<_> = record.scopes.iter().map(|scope| scope.as_str()).collect();
    let networks: Vec<_> = record.networks.iter().map(ToString::to_string).collect();
    Ok([
        ("name", json!(record.name.as_str())),
        ("tier", json!(key.tier.as_str())),
        ("owner", json!(record.owner.as_ref().map(|owner| owner.as_str()))),
        ("scopes", json!(scopes)),
        ("networks", json!(networks)),
        ("limits", json!(record.limits.as_ref().map(limits))),
        ("metadata", key.metadata.to_json()),
        ("expires_at", json!(at(record.expires_at))),
        ("state", json!(state_word(record.state)?)),
        ("revoked_reason", json!(key.revoked_reason.as_ref().map(|reason| reason.as_str()))),
        ("hint", json!(key.hint)),
        ("grace_until", json!(at(key.grace_until))),
    ])
}
