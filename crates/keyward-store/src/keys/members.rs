//! The members of a key as the audit trail tells of them: never a secret nor a digest.

use keyward::details::KeyDetails;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::limits;

/// What an entry says of a key that was not there before.
///
/// The text is written as it comes, without a tree of values: it is made for each key of an import.
pub(super) fn new(key: &KeyDetails) -> Result<String, Fault> {
    let new = New { before: None, after: Members::of(key)? };
    serde_json::to_string(&new).map_err(|error| Fault::in_column("audit.details", error))
}

/// What an entry says of a key that was changed: the members that differ.
pub(super) fn changed(before: &KeyDetails, after: &KeyDetails) -> Result<String, Fault> {
    let (mut before, mut after) = (Members::of(before)?.map()?, Members::of(after)?.map()?);
    after.retain(|name, value| {
        let differs = before.get(name) != Some(value);
        if !differs {
            before.shift_remove(name);
        }
        differs
    });
    Ok(json!({ "before": before, "after": after }).to_string())
}

#[derive(Serialize)]
struct New<'a> {
    /// Always `null`: there was nothing.
    before: Option<()>,
    after: Members<'a>,
}

/// All that can change of a key, each under its name and in this order.
#[derive(Serialize)]
struct Members<'a> {
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

impl<'a> Members<'a> {
    fn of(key: &'a KeyDetails) -> Result<Self, Fault> {
        let record = &key.record;
        Ok(Self {
            name: record.name.as_str(),
            tier: key.tier.as_str(),
            owner: record.owner.as_ref().map(|owner| owner.as_str()),
            scopes: record.scopes.iter().map(|scope| scope.as_str()).collect(),
            networks: record.networks.iter().map(ToString::to_string).collect(),
            limits: record.limits.as_ref().map(|limits| limits::to_json(limits.list())),
            metadata: key.metadata.to_json(),
            expires_at: record.expires_at.map(|at| at.0),
            state: record.state.as_str(),
            revoked_reason: key.revoked_reason.as_ref().map(|reason| reason.as_str()),
            hint: &key.hint,
            grace_until: key.grace_until.map(|at| at.0),
        })
    }

    fn map(&self) -> Result<Map<String, Value>, Fault> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Fault::in_column("audit.details", "a struct is an object")),
            Err(error) => Err(Fault::in_column("audit.details", error)),
        }
    }
}
