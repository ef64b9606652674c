//! The rows of the audit trail.

use keyward::UnixMillis;
use keyward::audit::{AuditEntry, ChainDigest, ChangeId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{get, millis, number};
use crate::pg_error::PgError;

/// The columns of an entry, in the order in which [`entry`] reads them.
macro_rules! audit_columns {
    () => {
        "id, at_ms, actor, address, verb, key_id, tier, owner, request_id, details, previous, \
         digest"
    };
}

/// Some entries, by their ids. Served by the primary key.
pub(crate) const BY_ID: &str =
    concat!("SELECT ", audit_columns!(), " FROM audit WHERE id = ANY($1)");
/// All entries, in order.
pub(crate) const ALL: &str = concat!("SELECT ", audit_columns!(), " FROM audit ORDER BY id");
/// The digest of an entry. Served by the primary key.
pub(crate) const DIGEST: &str = "SELECT digest FROM audit WHERE id = $1";
/// The digests of some entries. Served by the primary key.
pub(crate) const DIGESTS: &str = "SELECT id, digest FROM audit WHERE id = ANY($1)";
/// Adds entries.
pub(crate) const ADD: &str = concat!(
    "INSERT INTO audit (",
    audit_columns!(),
    ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], \
     $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[])"
);

/// Reads an entry, even after edits by hand: a number that this program could not have written
/// becomes another such value, so that the entry does not fit its digest.
pub(crate) fn entry(row: &Row) -> Result<AuditEntry, PgError> {
    // A negative number is one of the upper half, which no column takes from here.
    let number = |at| -> Result<u64, PgError> { Ok(get::<i64>(row, at)?.cast_unsigned()) };
    Ok(AuditEntry {
        id: ChangeId(number(0)?),
        at: UnixMillis(number(1)?),
        actor: get(row, 2)?,
        address: get(row, 3)?,
        verb: get(row, 4)?,
        key_id: get::<Option<i64>>(row, 5)?.map(i64::cast_unsigned),
        tier: get(row, 6)?,
        owner: get(row, 7)?,
        request_id: get(row, 8)?,
        details: get(row, 9)?,
        previous: link(get(row, 10)?),
        digest: link(get(row, 11)?),
    })
}

/// A digest; one of another length is one that no entry has.
pub(crate) fn link(bytes: &[u8]) -> ChainDigest {
    ChainDigest(bytes.try_into().unwrap_or([0xff; 32]))
}

/// The values of [`ADD`].
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<i64>,
    pub(crate) times: Vec<i64>,
    pub(crate) actors: Vec<String>,
    pub(crate) addresses: Vec<Option<String>>,
    pub(crate) verbs: Vec<String>,
    pub(crate) keys: Vec<Option<i64>>,
    pub(crate) tiers: Vec<Option<String>>,
    pub(crate) owners: Vec<Option<String>>,
    pub(crate) requests: Vec<Option<String>>,
    pub(crate) details: Vec<Option<String>>,
    pub(crate) previous: Vec<Vec<u8>>,
    pub(crate) digests: Vec<Vec<u8>>,
}

impl Rows {
    /// The values in the order of the statement.
    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 12] {
        [
            &self.ids,
            &self.times,
            &self.actors,
            &self.addresses,
            &self.verbs,
            &self.keys,
            &self.tiers,
            &self.owners,
            &self.requests,
            &self.details,
            &self.previous,
            &self.digests,
        ]
    }

    /// Adds an entry that is sealed.
    pub(crate) fn push(&mut self, entry: AuditEntry) -> Result<(), PgError> {
        self.ids.push(number(entry.id.0)?);
        self.times.push(millis(entry.at)?);
        self.actors.push(entry.actor);
        self.addresses.push(entry.address);
        self.verbs.push(entry.verb);
        self.keys.push(entry.key_id.map(number).transpose()?);
        self.tiers.push(entry.tier);
        self.owners.push(entry.owner);
        self.requests.push(entry.request_id);
        self.details.push(entry.details);
        self.previous.push(entry.previous.0.to_vec());
        self.digests.push(entry.digest.0.to_vec());
        Ok(())
    }
}
