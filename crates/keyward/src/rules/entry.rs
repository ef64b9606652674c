//! Entries of the audit trail: the details of each change, and its seal.
//!
//! The chain is sealed over the text of the details, and operators read it with programs, so that
//! its fields, their order and their form do not change. Never a secret nor a digest.

use std::num::NonZeroU32;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Mark, Verb};
use crate::details::Notes;
use crate::limit::{Limit, Limits};
use crate::record::{KeyId, KeyState, Owner};
use crate::stored::Key;
use crate::tier::TierName;
use crate::time::UnixMillis;

use super::decision::DecideError;
use super::lookup::Progress;

/// The subject of an audit entry.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A key.
    Key(KeyId),
    /// A tier.
    Tier(&'a TierName),
    /// An owner.
    Owner(&'a Owner),
    /// The wall clock.
    Clock,
    /// All that a store holds.
    Store,
}

/// The entry that follows the newest one, sealed: for changes that no rule decides, such as that a
/// store was restored.
///
/// # Errors
///
/// Returns [`DecideError::NoNumberLeft`] if every number is given.
pub fn seal(
    after: &Progress,
    audit: &Audit,
    verb: Verb,
    subject: Subject<'_>,
    details: String,
) -> Result<AuditEntry, DecideError> {
    let id = after.change.0.checked_add(1).ok_or(DecideError::NoNumberLeft("change"))?;
    let (key_id, tier, owner) = match subject {
        Subject::Key(id) => (Some(id.get()), None, None),
        Subject::Tier(name) => (None, Some(name.as_str().to_owned()), None),
        Subject::Owner(owner) => (None, None, Some(owner.as_str().to_owned())),
        Subject::Clock | Subject::Store => (None, None, None),
    };
    let mut entry = AuditEntry {
        id: ChangeId(id),
        at: audit.at,
        actor: audit.actor.as_text().into_owned(),
        address: audit.address.map(|address| address.to_string()),
        verb: verb.as_str().to_owned(),
        key_id,
        tier,
        owner,
        request_id: audit.request_id.clone(),
        details: Some(details),
        previous: after.digest,
        digest: ChainDigest::START,
    };
    entry.digest = entry.seal();
    Ok(entry)
}

/// The details of a new key.
///
/// The text is written as it comes, without a tree of values: it is made for each key of an import.
pub(super) fn new_key(key: &Key) -> Result<String, DecideError> {
    let new = NewKey { before: None, after: Fields::of(key) };
    serde_json::to_string(&new).map_err(|error| entry_error(&error))
}

/// The details of a changed key: the fields that differ.
pub(super) fn changed_key(before: &Key, after: &Key) -> Result<String, DecideError> {
    let (mut before, mut after) = (Fields::of(before).map()?, Fields::of(after).map()?);
    after.retain(|name, value| {
        let differs = before.get(name) != Some(value);
        if !differs {
            before.shift_remove(name);
        }
        differs
    });
    Ok(json!({ "before": before, "after": after }).to_string())
}

/// The details of a tier's limits.
pub(super) fn tier(before: Option<&Limits>, after: Option<&Limits>) -> String {
    json!({ "before": before.map(limits), "after": after.map(limits) }).to_string()
}

/// The details of an owner that was suspended or resumed, with the number of its keys that are not
/// revoked.
pub(super) fn suspension(suspended: bool, keys: u64) -> String {
    let state = |suspended| json!({ "state": if suspended { "suspended" } else { "active" } });
    json!({ "before": state(!suspended), "after": state(suspended), "keys": keys }).to_string()
}

/// The details of an owner whose limits changed.
pub(super) fn owner(before: &Limits, after: &Limits) -> String {
    let fields = |list| json!({ "limits": limits(list) });
    json!({ "before": fields(before), "after": fields(after) }).to_string()
}

/// The details of the latest reading of the wall clock.
pub(super) fn clock(before: Option<UnixMillis>, after: UnixMillis) -> String {
    json!({
        "before": { "latest_at": before.map(|before| before.0) },
        "after": { "latest_at": after.0 },
    })
    .to_string()
}

/// The details of a loss: the entry that was known, and the newest one that is left.
pub(super) fn loss(known: Mark, newest: Mark) -> String {
    json!({
        "before": { "change": known.change.0, "digest": known.digest.to_string() },
        "after": { "change": newest.change.0 },
    })
    .to_string()
}

#[derive(Serialize)]
struct NewKey<'a> {
    /// Always `null`: there was nothing.
    before: Option<()>,
    after: Fields<'a>,
}

/// All that can change of a key, each under its name and in this order.
#[derive(Serialize)]
struct Fields<'a> {
    name: &'a str,
    tier: &'a str,
    owner: Option<&'a str>,
    scopes: Vec<&'a str>,
    networks: Vec<String>,
    limits: Option<Vec<LimitFields<'a>>>,
    #[serde(flatten)]
    notes: &'a Notes,
    expires_at: Option<u64>,
    state: &'static str,
    revoked_reason: Option<&'a str>,
    hint: &'a str,
    grace_until: Option<u64>,
}

impl<'a> Fields<'a> {
    fn of(key: &'a Key) -> Self {
        Self {
            name: key.name.as_str(),
            tier: key.tier.as_str(),
            owner: key.owner.as_ref().map(Owner::as_str),
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            limits: key.limits.as_ref().map(|own| own.list().iter().map(LimitFields::of).collect()),
            notes: &key.notes,
            expires_at: key.expires_at.map(|at| at.0),
            state: state(key.state),
            revoked_reason: key.revoked_reason.as_ref().map(|reason| reason.as_str()),
            hint: &key.secret.hint,
            grace_until: key.grace_until().map(|at| at.0),
        }
    }

    fn map(&self) -> Result<Map<String, Value>, DecideError> {
        match serde_json::to_value(self).map_err(|error| entry_error(&error))? {
            Value::Object(fields) => Ok(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(DecideError::Entry("a struct is an object".to_owned())),
        }
    }
}

#[derive(Serialize)]
struct LimitFields<'a> {
    name: &'a str,
    amount: NonZeroU32,
    per_secs: u64,
    burst: NonZeroU32,
}

impl<'a> LimitFields<'a> {
    fn of(limit: &'a Limit) -> Self {
        Self {
            name: limit.name(),
            amount: limit.amount(),
            per_secs: limit.per().as_secs(),
            burst: limit.burst(),
        }
    }
}

fn limits(limits: &Limits) -> Value {
    let fields: Vec<_> = limits.list().iter().map(LimitFields::of).collect();
    json!(fields)
}

fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Suspended => "suspended",
        KeyState::Revoked { .. } => "revoked",
    }
}

fn entry_error(error: &serde_json::Error) -> DecideError {
    DecideError::Entry(error.to_string())
}
