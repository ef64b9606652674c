//! Which keys to look for, as SQL.

use keyward::UnixMillis;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::sql_error::SqlError;
use crate::{names, owners};

/// Conditions on columns of `keys` and `key_uses`, and their values.
///
/// Every placeholder is a bare `?`, so the values come in the order of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(Vec<(&'static str, Vec<Value>)>);

impl Conditions {
    /// One condition without a value.
    pub(super) fn one(text: &'static str) -> Self {
        Self(vec![(text, Vec::new())])
    }

    fn add(&mut self, text: &'static str, values: impl IntoIterator<Item = Value>) {
        self.0.push((text, values.into_iter().collect()));
    }

    /// All of them, joined; `1` if there are none.
    pub(super) fn sql(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(|(text, _)| *text).collect();
        if texts.is_empty() { "1".to_owned() } else { texts.join(" AND ") }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value> {
        self.0.iter().flat_map(|(_, values)| values.iter().cloned())
    }

    /// All but the conditions on the owner.
    pub(super) fn but_of_owner(&self) -> Self {
        let others = self.0.iter().filter(|(text, _)| *text != OWNER_WORKS);
        Self(others.cloned().collect())
    }

    /// The conditions on one column.
    pub(super) fn only_of(&self, column: &str) -> Self {
        let of_column = self.0.iter().filter(|(text, _)| text.starts_with(column));
        Self(of_column.cloned().collect())
    }
}

/// A filter in the two halves in which it is applied: conditions on columns, and a part of the
/// name.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    pub(super) conditions: Conditions,
    /// A part of a name, folded.
    pub(super) name_part: Option<String>,
    /// Whether a condition is on `key_uses`.
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
            let StageConditions { own, expiry, owner } = stage_conditions(*stage);
            all.add(own, []);
            if let Some(expiry) = expiry {
                all.add(expiry, [time(now)]);
            }
            if let Some(owner) = owner {
                all.add(owner, []);
            }
        }
        if let Some(tier) = tier {
            all.add(OF_TIER, [text(tier.as_str())]);
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
            all.add("keys.created_at_ms < ?", [time(*since)]);
            all.add("key_uses.last_used_at_ms < ?", [time(*since)]);
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

/// Has the keys of one tier: the one of that name that is there. It is looked up once.
pub(super) const OF_TIER: &str =
    "keys.tier_id = (SELECT id FROM tiers WHERE name = ? AND is_gone = 0)";

/// Whether the owner of a key is not suspended. Served by an index of the suspended ones.
pub(super) const OWNER_WORKS: &str = "NOT EXISTS (SELECT 1 FROM owners INDEXED BY owners_suspended \
     WHERE owners.id = keys.owner AND owners.suspended_at_ms IS NOT NULL)";

/// The conditions of a stage on a key.
pub(super) struct StageConditions {
    /// Of its own state; or, if it is suspended, of its owner's too.
    pub(super) own: &'static str,
    /// Of its expiry.
    pub(super) expiry: Option<&'static str>,
    /// Of its owner.
    pub(super) owner: Option<&'static str>,
}

/// The conditions of a stage on a key. The text spells out the states, and their consequences too:
/// else SQLite would not see that an index of some keys has them all.
pub(super) fn stage_conditions(stage: Stage) -> StageConditions {
    let (own, expiry, owner) = match stage {
        Stage::Active => {
            ("keys.state = 'active'", Some("keys.expires_order > ?"), Some(OWNER_WORKS))
        }
        Stage::Expired => {
            ("keys.state = 'active'", Some("keys.expires_order <= ?"), Some(OWNER_WORKS))
        }
        Stage::Suspended => (
            "(keys.state = 'suspended' OR (keys.state = 'active' AND EXISTS \
             (SELECT 1 FROM owners INDEXED BY owners_suspended \
              WHERE owners.id = keys.owner AND owners.suspended_at_ms IS NOT NULL)))",
            None,
            None,
        ),
        Stage::Revoked => ("keys.state = 'revoked' AND keys.state <> 'active'", None, None),
    };
    StageConditions { own, expiry, owner }
}

/// Whether a key is suspended itself, in the words of the index that has those.
pub(super) const SUSPENDED_ITSELF: &str = "keys.state = 'suspended' AND keys.state <> 'active'";

/// Whether no key can fit: those of a suspended owner neither work nor expire.
pub(super) fn is_void(connection: &Connection, filter: &KeyFilter) -> Result<bool, SqlError> {
    match (filter.state, &filter.owner) {
        (Some(Stage::Active | Stage::Expired), Some(owner)) => {
            Ok(owners::read(connection, owner)?.is_some_and(|owner| owner.is_suspended()))
        }
        (Some(Stage::Active | Stage::Suspended | Stage::Revoked | Stage::Expired) | None, _) => {
            Ok(false)
        }
    }
}

/// The first text that begins so, and one above all that do.
pub(super) fn starting(start: &str) -> [Value; 2] {
    [text(start), Value::Text(format!("{start}\u{10ffff}"))]
}

/// Ids as one value: JSON.
pub(super) fn list(ids: &[i64]) -> Value {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Value::Text(format!("[{}]", ids.join(",")))
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A time as a column holds it.
pub(super) fn time(at: UnixMillis) -> Value {
    number(at.0)
}

/// A number as a column holds it; one that fits none is above all that do.
pub(super) fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
