//! The rows of owners.

use keyward::UnixMillis;
use keyward::audit::ChangeId;
use keyward::columns::{limits_text, parse_limits};
use keyward::details::OwnerVersion;
use keyward::record::Owner;
use keyward::stored::OwnerRow;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{get, get_number, get_optional, number, optional_millis, parse};
use crate::pg_error::PgError;

/// The columns that [`row`] reads.
macro_rules! owner_columns {
    () => {
        "o.id, o.version, o.suspended_at_ms, o.limits, o.keys, o.revoked_keys"
    };
}

pub(crate) use owner_columns;

/// Some owners by their names. Served by the primary key.
pub(crate) const NAMED: &str =
    concat!("SELECT ", owner_columns!(), " FROM owners o WHERE o.id = ANY($1) ORDER BY o.id");
/// All owners, in order.
pub(crate) const ALL: &str =
    concat!("SELECT ", owner_columns!(), ", o.limits_rev FROM owners o ORDER BY o.id");
/// Where the entry is that changed the limits, in statements that have it.
pub(crate) const REVISION: usize = 6;
/// Owners after this one that have limits and no key. Served by `owners_limited`.
pub(crate) const LIMITED_WITHOUT_KEYS: &str = concat!(
    "SELECT ",
    owner_columns!(),
    " FROM owners o WHERE o.limits <> '[]' AND o.keys = 0 AND $1 < o.id ORDER BY o.id LIMIT $2"
);
/// Owners after this one that are suspended. Served by `owners_suspended`.
pub(crate) const SUSPENDED: &str = "SELECT id FROM owners \
    WHERE suspended_at_ms IS NOT NULL AND $1 < id ORDER BY id LIMIT $2";
/// Whether any owner is suspended. Served by `owners_suspended`.
pub(crate) const IS_ANY_SUSPENDED: &str =
    "SELECT EXISTS (SELECT FROM owners WHERE suspended_at_ms IS NOT NULL)";
/// Writes rows. The entry is kept that changed the limits. Served by the primary key.
pub(crate) const PUT: &str = "INSERT INTO owners AS o \
    (id, version, suspended_at_ms, limits, limits_rev, keys, revoked_keys) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], \
                         $6::bigint[], $7::bigint[]) \
    ON CONFLICT (id) DO UPDATE SET \
    version = excluded.version, suspended_at_ms = excluded.suspended_at_ms, \
    limits_rev = CASE WHEN o.limits = excluded.limits THEN o.limits_rev \
                      ELSE excluded.limits_rev END, \
    limits = excluded.limits, keys = excluded.keys, revoked_keys = excluded.revoked_keys";

/// Reads `owner_columns` from the one at `first` on.
pub(crate) fn row(row: &Row, first: usize) -> Result<OwnerRow, PgError> {
    let owner: Owner = parse("owners.id", get(row, first)?)?;
    let limits = parse_limits(get(row, first + 3)?).map_err(|error| {
        let error = PgError::in_column("owners.limits", error);
        error.in_row(format_args!("the owner `{}`", owner.as_str()))
    })?;
    Ok(OwnerRow {
        owner,
        version: OwnerVersion(get_number(row, first + 1)?),
        suspended_at: get_optional(row, first + 2)?.map(UnixMillis),
        limits,
        keys: get_number(row, first + 4)?,
        revoked_keys: get_number(row, first + 5)?,
    })
}

/// The values of [`PUT`].
#[derive(Default)]
pub(crate) struct Put {
    pub(crate) ids: Vec<String>,
    pub(crate) versions: Vec<i64>,
    pub(crate) suspended: Vec<Option<i64>>,
    pub(crate) limits: Vec<String>,
    pub(crate) revs: Vec<i64>,
    pub(crate) keys: Vec<i64>,
    pub(crate) revoked: Vec<i64>,
}

impl Put {
    /// The values in the order of the statement.
    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.ids,
            &self.versions,
            &self.suspended,
            &self.limits,
            &self.revs,
            &self.keys,
            &self.revoked,
        ]
    }

    /// Adds a row as it is after this change.
    pub(crate) fn push(&mut self, row: &OwnerRow, rev: ChangeId) -> Result<(), PgError> {
        self.ids.push(row.owner.as_str().to_owned());
        self.versions.push(number(row.version.0)?);
        self.suspended.push(optional_millis(row.suspended_at)?);
        self.limits.push(limits_text(&row.limits)?);
        self.revs.push(number(rev.0)?);
        self.keys.push(number(row.keys)?);
        self.revoked.push(number(row.revoked_keys)?);
        Ok(())
    }
}
