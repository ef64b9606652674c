//! The members of a key as the audit trail tells of them: never a secret nor a digest.

use keyward::UnixMillis;
use keyward::details::KeyDetails;
use keyward::limit::Limits;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::limits;
use crate::record::state_word;

/// What an entry says of a key that was not there before.
///
/// The text is written as it comes, without a tree of values: it is made for each key of an import.
pub(super) fn new(key: &KeyDetails) -> Result<String, Fault> {
    let record = &key.record;
    let after = After {
        name: record.name.as_str(),
        tier: key.tier.as_str(),
        owner: record.owner.as_ref().map(|owner| owner.as_str()),
        scopes: record.scopes.iter().map(|scope| scope.as_str()).collect(),
        networks: record.networks.iter().map(ToString::to_string).collect(),
        limits: record.limits.as_ref().map(|limits| limits::to_json(limits.list())),
        metadata: key.metadata.to_json(),
        expires_at: record.expires_at.map(|at| at.0),
        state: state_word(record.state)?,
        revoked_reason: key.revoked_reason.as_ref().map(|reason| reason.as_str()),
        hint: &key.hint,
        grace_until: key.grace_until.map(|at| at.0),
    };
    serde_json::to_string(&New { before: None, after })
        .map_err(|error| Fault::in_column("audit.details", error))
}

#[derive(Serialize)]
struct New<'a> {
    /// Always `null`: there was nothing.
    before: Option<()>,
    after: After<'a>,
}

/// What [`members`] says, in the same order.
#[derive(Serialize)]
struct After<'a> {
    name: &'a str,
    tier: &'a str,
    owner: Option<&'a str>,
    scopes: Vec<&'a str>,
    networks: Vec<String>,
    limits: Option<Value>,
    metadata: Value,
    expires_at: Option<u64>,
    state: &'static str,
    revoked_reason: Option<&'a str>,
    hint: &'a str,
    grace_until: Option<u64>,
}

/// What an entry says of a key that was changed: the members that differ.
pub(super) fn changed(before: &KeyDetails, after: &KeyDetails) -> Result<String, Fault> {
    let (mut left, mut right) = (Map::new(), Map::new());
    for ((name, before), (_, after)) in members(before)?.into_iter().zip(members(after)?) {
        if before != after {
            left.insert(name.to_owned(), before);
            right.insert(name.to_owned(), after);
        }
    }
    Ok(json!({ "before": left, "after": right }).to_string())
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
