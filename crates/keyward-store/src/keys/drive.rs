//! The ways to the keys that fit a filter, each along one index.

use keyward::UnixMillis;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::filter::{number, starting, text, time};
use crate::fault::Fault;
use crate::names;
use crate::spans::Span;

/// Some of the keys, by one condition of a filter and the index that serves it.
///
/// Every placeholder is a bare `?`.
#[derive(Clone, Debug)]
pub(super) struct Drive {
    /// The table, and the index by its name.
    pub(super) from: &'static str,
    /// Its column that holds the ids of keys.
    pub(super) id: &'static str,
    pub(super) condition: &'static str,
    pub(super) values: Vec<Value>,
    /// Whether the index has the keys in the order of their ids.
    pub(super) is_by_id: bool,
}

impl Drive {
    /// Whether the drive has at most `max` keys. Looks at no more than that.
    pub(super) fn has_at_most(&self, connection: &Connection, max: u32) -> Result<bool, Fault> {
        let Self { from, condition, .. } = self;
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {condition} LIMIT ?)");
        let values = self.values.iter().cloned().chain([number(u64::from(max) + 1)]);
        let mut count = connection.prepare_cached(&sql)?;
        let count: u32 = count.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(count <= max)
    }
}

/// The keys with ids of a span, if these are at most `max`.
pub(super) fn span(span: Span, max: u32) -> Option<Drive> {
    let width = span.last.checked_sub(span.first)?;
    let drive = || Drive {
        from: "keys NOT INDEXED",
        id: "keys.id",
        condition: "keys.id BETWEEN ? AND ?",
        values: vec![Value::Integer(span.first), Value::Integer(span.last)],
        is_by_id: true,
    };
    (width < i64::from(max)).then(drive)
}

/// Every drive that a filter offers, those that are likely to have few keys first.
pub(super) fn drives(filter: &KeyFilter, now: UnixMillis) -> Vec<Drive> {
    let by_id = |from, condition, value| Drive {
        from,
        id: "keys.id",
        condition,
        values: vec![value],
        is_by_id: true,
    };
    let by_time =
        |from, id, condition, values| Drive { from, id, condition, values, is_by_id: false };
    let owner = filter
        .owner
        .as_ref()
        .map(|owner| by_id("keys INDEXED BY keys_owner", "keys.owner = ?", text(owner.as_str())));
    let threes = filter.name_part.as_deref().and_then(|part| names::threes(&names::fold(part)));
    let name = threes.map(|threes| Drive {
        // An index over threes of characters: it takes some more names than those with the part.
        from: "key_names",
        id: "key_names.rowid",
        condition: "key_names MATCH ?",
        values: vec![Value::Text(threes)],
        is_by_id: true,
    });
    let hint = filter.hint_start.as_deref().map(|start| {
        let condition = "keys.hint >= ? AND keys.hint < ?";
        by_time("keys INDEXED BY keys_hint", "keys.id", condition, starting(start).into())
    });
    let expires =
        |condition, values| by_time("keys INDEXED BY keys_expires", "keys.id", condition, values);
    let soon = filter.expires_before.map(|before| {
        let condition = "keys.expires_order > ? AND keys.expires_order < ?";
        expires(condition, vec![time(now), time(before)])
    });
    let standing = |word| by_id("keys INDEXED BY keys_standing", "keys.standing = ?", text(word));
    let state = filter.state.and_then(|stage| match stage {
        // Nearly all are, so the order's own index is as good a way.
        Stage::Active => None,
        Stage::Suspended | Stage::Revoked => Some(standing(stage.as_str())),
        Stage::Expired => Some(expires("keys.expires_order <= ?", vec![time(now)])),
    });
    let idle = filter.idle_since.map(|since| {
        let condition = "key_uses.last_used_at_ms < ?";
        let from = "key_uses INDEXED BY key_uses_last";
        by_time(from, "key_uses.key_id", condition, vec![time(since)])
    });
    let tier = filter
        .tier
        .as_ref()
        .map(|tier| by_id("keys INDEXED BY keys_tier", "keys.tier = ?", text(tier.as_str())));
    [owner, name, hint, soon, state, idle, tier].into_iter().flatten().collect()
}
