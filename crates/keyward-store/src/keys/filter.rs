//! Which keys to look for, as SQL.

use keyward::UnixMillis;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use rusqlite::types::Value;

use crate::names;

/// Conditions on columns of `keys` and `key_uses`, and the values that they speak of.
///
/// Every placeholder is a bare `?`, so the values come in the order of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    texts: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    pub(super) fn add(&mut self, text: &'static str, values: impl IntoIterator<Item = Value>) {
        self.texts.push(text);
        self.values.extend(values);
    }

    /// All of them, joined; `1` if there are none.
    pub(super) fn sql(&self) -> String {
        if self.texts.is_empty() { "1".to_owned() } else { self.texts.join(" AND ") }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value> {
        self.values.iter().cloned()
    }
}

/// A filter in the two halves in which it is applied: what columns say, and what the name holds.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    pub(super) conditions: Conditions,
    /// A part of a name, folded.
    pub(super) name_part: Option<String>,
    /// Whether a condition speaks of `key_uses`.
    pub(super) asks_for_use: bool,
}

impl Sieve {
    pub(super) fn new(filter: &KeyFilter, now: UnixMillis) -> Self {
        let KeyFilter {
            state,
            tier,
            owner,
            name_part,
            hint_start,
            expires_before,
            idle_since,
            created_from,
            created_before,
        } = filter;
        let mut all = Conditions::default();
        if let Some(stage) = state {
            let (text, at) = standing(*stage, now);
            all.add(text, at);
        }
        if let Some(tier) = tier {
            all.add("keys.tier = ?", [text(tier.as_str())]);
        }
        if let Some(owner) = owner {
            all.add("keys.owner = ?", [text(owner.as_str())]);
        }
        if let Some(start) = hint_start {
            all.add("keys.hint >= ? AND keys.hint < ?", starting(start));
        }
        if let Some(before) = expires_before {
            let span = [time(now), time(*before)];
            all.add("keys.expires_order > ? AND keys.expires_order < ?", span);
        }
        if let Some(since) = idle_since {
            let both = [time(*since), time(*since)];
            all.add("keys.created_at_ms < ? AND key_uses.last_used_at_ms < ?", both);
        }
        if let Some(from) = created_from {
            all.add("keys.created_at_ms >= ?", [time(*from)]);
        }
        if let Some(before) = created_before {
            all.add("keys.created_at_ms < ?", [time(*before)]);
        }
        Self {
            conditions: all,
            name_part: name_part.as_deref().map(names::fold),
            asks_for_use: idle_since.is_some(),
        }
    }

    /// Whether a name holds the part that is looked for.
    pub(super) fn takes_name(&self, name: &str) -> bool {
        self.name_part.as_ref().is_none_or(|part| names::fold(name).contains(part.as_str()))
    }
}

fn standing(stage: Stage, now: UnixMillis) -> (&'static str, Option<Value>) {
    match stage {
        Stage::Active => ("keys.standing = 'active' AND keys.expires_order > ?", Some(time(now))),
        Stage::Expired => ("keys.standing = 'active' AND keys.expires_order <= ?", Some(time(now))),
        Stage::Suspended => ("keys.standing = 'suspended'", None),
        Stage::Revoked => ("keys.standing = 'revoked'", None),
    }
}

/// The first text that begins so, and one above all that do.
pub(super) fn starting(start: &str) -> [Value; 2] {
    [text(start), Value::Text(format!("{start}\u{10ffff}"))]
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A time as a column holds it; one that fits none is above all that do.
pub(super) fn time(at: UnixMillis) -> Value {
    Value::Integer(i64::try_from(at.0).unwrap_or(i64::MAX))
}
