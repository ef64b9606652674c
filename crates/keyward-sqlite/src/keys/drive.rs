//! The ways to the keys that fit a filter, each along one index.

use keyward::UnixMillis;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::filter::{OF_TIER, SUSPENDED_ITSELF, number, starting, text, time};
use crate::spans::Span;
use crate::sql_error::SqlError;
use crate::{names, owners};

/// The index over parts of names.
pub(super) const NAMES: &str = "key_names";
/// The condition of every key in `keys_expires`, spelled out for SQLite to see that.
pub(super) const EXPIRES: &str = "keys.expires_at_ms IS NOT NULL";
/// Most trigrams that are asked for together. FTS5 goes on along all of their lists until these
/// meet, and neither a LIMIT nor a span of ids ends that sooner: so it is the number of lists that
/// bounds the work. Three with every second of a million names take some 30 ms to find that they
/// never meet.
const TRIGRAMS_MAX: usize = 3;
/// Names that decide which trigrams are rare. A look takes a twentieth of a microsecond.
const RARE_MAX: u32 = 10_000;

/// The keys of a list of ids, as [`list`](super::filter::list) makes it. CROSS keeps it that way
/// round.
pub(super) const LISTED: &str = "json_each(?) AS listed CROSS JOIN keys ON keys.id = listed.value";

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
    /// The ids of its keys, if these are at most `max`. Looks at no more than that.
    pub(super) fn ids_up_to(
        &self,
        connection: &Connection,
        max: u32,
    ) -> Result<Option<Vec<i64>>, SqlError> {
        let values = self.values.iter().cloned().chain([number(u64::from(max) + 1)]);
        let mut ids = connection.prepare_cached(&self.ids_sql())?;
        let ids = ids.query_map(params_from_iter(values), |row| row.get(0))?;
        let mut ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
        if max as usize <= ids.len().saturating_sub(1) {
            return Ok(None);
        }
        // A key that is suspended with its owner may be so itself.
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    /// The ids of its first keys. Served by the drive's index.
    pub(super) fn ids_sql(&self) -> String {
        let Self { from, id, condition, .. } = self;
        format!("SELECT {id} FROM {from} WHERE {condition} LIMIT ?")
    }
}

/// The ids of the keys of the first drive that has few.
///
/// Those by a part of a name come last, since it takes longest to ask for them.
pub(super) fn few(
    connection: &Connection,
    drives: &[Drive],
    max: u32,
) -> Result<Option<Vec<i64>>, SqlError> {
    let (named, others): (Vec<_>, Vec<_>) = drives.iter().partition(|drive| drive.from == NAMES);
    for drive in others.into_iter().chain(named) {
        let ids = drive.ids_up_to(connection, max)?;
        if ids.is_some() {
            return Ok(ids);
        }
    }
    Ok(None)
}

/// The keys with ids of a span.
pub(super) fn span(span: Span) -> Drive {
    Drive {
        from: "keys NOT INDEXED",
        id: "keys.id",
        condition: "keys.id BETWEEN ? AND ?",
        values: vec![Value::Integer(span.first), Value::Integer(span.last)],
        is_by_id: true,
    }
}

/// Every drive that a filter offers; the ones that are likely to have few keys come first.
pub(super) fn drives(
    connection: &Connection,
    filter: &KeyFilter,
    now: UnixMillis,
) -> Result<Vec<Drive>, SqlError> {
    let by_id =
        |from, condition, values| Drive { from, id: "keys.id", condition, values, is_by_id: true };
    let by_time =
        |from, id, condition, values| Drive { from, id, condition, values, is_by_id: false };
    let name = filter.name_part.as_deref().map(|part| named(connection, part));
    let owner = filter.owner.as_ref().map(|owner| {
        by_id("keys INDEXED BY keys_owner", "keys.owner = ?", vec![text(owner.as_str())])
    });
    let hint = filter.hint_start.as_deref().map(|start| {
        let condition = "keys.hint >= ? AND keys.hint < ?";
        by_time("keys INDEXED BY keys_hint", "keys.id", condition, starting(start).into())
    });
    let soon = filter.expires_before.map(|before| {
        let condition = "keys.expires_order > ? AND keys.expires_order < ? \
                         AND keys.expires_at_ms IS NOT NULL";
        let values = vec![time(now), time(before)];
        by_time("keys INDEXED BY keys_expires", "keys.id", condition, values)
    });
    let state = filter.state.map(|stage| in_stage(connection, stage, now)).transpose()?.flatten();
    let idle = filter.idle_since.map(|since| {
        let condition = "key_uses.last_used_at_ms < ?";
        let from = "key_uses INDEXED BY key_uses_last";
        by_time(from, "key_uses.key_id", condition, vec![time(since)])
    });
    let tier = filter
        .tier
        .as_ref()
        .map(|tier| by_id("keys INDEXED BY keys_tier", OF_TIER, vec![text(tier.as_str())]));
    let name = name.transpose()?.flatten();
    Ok([name, owner, hint, soon, state, idle, tier].into_iter().flatten().collect())
}

/// Keys that are suspended themselves, and all keys of owners that are.
const SUSPENDED: &str = "(SELECT keys.id FROM keys INDEXED BY keys_state \
     WHERE keys.state = 'suspended' AND keys.state <> 'active' \
     UNION ALL SELECT keys.id FROM owners INDEXED BY owners_suspended \
     CROSS JOIN keys INDEXED BY keys_owner ON keys.owner = owners.id \
     WHERE owners.suspended_at_ms IS NOT NULL) AS suspended";

/// The keys in a stage, and perhaps some more. `None` if nearly all are: then the order's own index
/// is as good a way.
fn in_stage(
    connection: &Connection,
    stage: Stage,
    now: UnixMillis,
) -> Result<Option<Drive>, SqlError> {
    let of_state = |condition| {
        let from = "keys INDEXED BY keys_state";
        Drive { from, id: "keys.id", condition, values: Vec::new(), is_by_id: true }
    };
    Ok(match stage {
        Stage::Active => None,
        Stage::Revoked => Some(of_state("keys.state = 'revoked' AND keys.state <> 'active'")),
        Stage::Suspended if owners::is_any_suspended(connection)? => Some(Drive {
            from: SUSPENDED,
            id: "suspended.id",
            condition: "1",
            values: Vec::new(),
            is_by_id: false,
        }),
        Stage::Suspended => Some(of_state(SUSPENDED_ITSELF)),
        Stage::Expired => Some(Drive {
            from: "keys INDEXED BY keys_active",
            id: "keys.id",
            condition: "keys.state = 'active' AND keys.expires_order <= ?",
            values: vec![time(now)],
            is_by_id: false,
        }),
    })
}

/// The keys whose names have the rarest trigrams of a part: the ones with the part, and some more.
/// `None` if the part is too short to have any.
fn named(connection: &Connection, part: &str) -> Result<Option<Drive>, SqlError> {
    let trigrams = names::trigrams(&names::fold(part));
    let trigrams =
        if TRIGRAMS_MAX < trigrams.len() { rarest(connection, trigrams)? } else { trigrams };
    Ok((!trigrams.is_empty()).then(|| Drive {
        from: NAMES,
        id: "key_names.rowid",
        condition: "key_names MATCH ?",
        values: vec![Value::Text(trigrams.join(" AND "))],
        is_by_id: true,
    }))
}

/// The trigrams that the fewest names have.
fn rarest(connection: &Connection, trigrams: Vec<String>) -> Result<Vec<String>, SqlError> {
    // Served by `key_names`; `RARE_MAX` bounds the rows.
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM key_names WHERE key_names MATCH ?1 LIMIT {RARE_MAX})"
    );
    let mut count = connection.prepare_cached(&sql)?;
    let mut counted = Vec::new();
    for trigram in trigrams {
        let names: u32 = count.query_row([&trigram], |row| row.get(0))?;
        counted.push((names, trigram));
    }
    counted.sort_unstable();
    Ok(counted.into_iter().take(TRIGRAMS_MAX).map(|(_, trigram)| trigram).collect())
}
