//! The rows of tiers.

use keyward::audit::ChangeId;
use keyward::columns::{limits_text, parse_limits};
use keyward::stored::{TierId, TierRow};
use keyward::tier::TierName;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{get, get_number, number, parse};
use crate::pg_error::PgError;

/// All tiers that are not gone, in the order in which they were made. The rules bound their number.
pub(crate) const LIST: &str =
    "SELECT id, limits, keys, is_gone, name FROM tiers WHERE NOT is_gone ORDER BY id";
/// All tiers, deleted ones too; with the entry that changed the limits.
pub(crate) const ALL: &str = "SELECT id, limits, keys, is_gone, name, rev FROM tiers ORDER BY id";
/// The tiers of some names that are not gone. Served by `tiers_name`.
pub(crate) const NAMED: &str = "SELECT id, limits, keys, is_gone, name FROM tiers \
                                WHERE name = ANY($1) AND NOT is_gone";
/// How many tiers there are that are not gone.
pub(crate) const COUNT: &str = "SELECT count(*) FROM tiers WHERE NOT is_gone";
/// Writes rows, whose names never change. The entry is kept that changed the limits. Served by the
/// primary key.
pub(crate) const PUT: &str = "INSERT INTO tiers AS t (id, name, limits, rev, keys, is_gone) \
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], \
                         $6::boolean[]) \
    ON CONFLICT (id) DO UPDATE SET \
    rev = CASE WHEN t.limits = excluded.limits AND t.is_gone = excluded.is_gone THEN t.rev \
               ELSE excluded.rev END, \
    limits = excluded.limits, keys = excluded.keys, is_gone = excluded.is_gone";

/// Where the entry is that changed the limits, in statements that have it.
pub(crate) const REVISION: usize = 5;

/// Reads a row of the statements above, from the column at `first` on.
pub(crate) fn row(row: &Row, first: usize) -> Result<TierRow, PgError> {
    let name = parse("tiers.name", get(row, first + 4)?)?;
    let limits = parse_limits(get(row, first + 1)?)
        .map_err(|error| PgError::in_column("tiers.limits", error).in_row_of_tier(&name))?;
    let id = TierId::new(get_number(row, first)?);
    Ok(TierRow {
        id: id.ok_or_else(|| PgError::in_column("tiers.id", "0"))?,
        name,
        limits,
        keys: get_number(row, first + 2)?,
        is_gone: get(row, first + 3)?,
    })
}

/// A tier as its keys show it: its name, and whether it is gone.
pub(crate) type ShownTier = (TierName, bool);

/// Reads the id of a tier, and how its keys show it.
pub(crate) fn shown(row: &Row, first: usize) -> Result<(TierId, ShownTier), PgError> {
    let id = TierId::new(get_number(row, first)?);
    let id = id.ok_or_else(|| PgError::in_column("tiers.id", "0"))?;
    Ok((id, (parse("tiers.name", get(row, first + 4)?)?, get(row, first + 3)?)))
}

/// Reads the row of a tier that was deleted and whose limits cannot be read: no key is judged by
/// them.
pub(crate) fn gone_row(row: &Row, first: usize) -> Result<Option<TierRow>, PgError> {
    let (id, (name, is_gone)) = shown(row, first)?;
    let limits = parse_limits("[]")?;
    let gone = TierRow { id, name, limits, keys: get_number(row, first + 2)?, is_gone };
    Ok(is_gone.then_some(gone))
}

impl PgError {
    fn in_row_of_tier(self, name: &TierName) -> Self {
        self.in_row(format_args!("the tier `{}`", name.as_str()))
    }
}

/// The values of [`PUT`].
#[derive(Default)]
pub(crate) struct Put {
    pub(crate) ids: Vec<i64>,
    pub(crate) names: Vec<String>,
    pub(crate) limits: Vec<String>,
    pub(crate) revs: Vec<i64>,
    pub(crate) keys: Vec<i64>,
    pub(crate) gone: Vec<bool>,
}

impl Put {
    /// The values in the order of the statement.
    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.ids, &self.names, &self.limits, &self.revs, &self.keys, &self.gone]
    }

    /// Adds a row as it is after this change.
    pub(crate) fn push(&mut self, tier: &TierRow, rev: ChangeId) -> Result<(), PgError> {
        self.ids.push(number(tier.id.get())?);
        self.names.push(tier.name.as_str().to_owned());
        self.limits.push(limits_text(&tier.limits)?);
        self.revs.push(number(rev.0)?);
        self.keys.push(number(tier.keys)?);
        self.gone.push(tier.is_gone);
        Ok(())
    }
}
