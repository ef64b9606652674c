//! The audit trail: what was changed, when and by whom, each entry chained to the one before.

use keyward::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use keyward::record::Owner;
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Statement, params};

use crate::fault::Fault;

/// What an audit entry says about a change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) verb: Verb,
    pub(crate) subject: Subject<'a>,
    /// JSON: `{"before": …, "after": …}`, with what changed only.
    pub(crate) details: String,
}

/// What was changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Key(KeyId),
    Tier(&'a TierName),
    Owner(&'a Owner),
}

/// Writes an entry. It belongs into the savepoint of the change that it tells of.
pub(crate) fn record(
    connection: &Connection,
    audit: &Audit,
    change: Change<'_>,
) -> Result<(), Fault> {
    let mut trail = Trail::open(connection, audit)?;
    trail.record(change)?;
    trail.finish()
}

/// The end of the trail, to which the entries of one job are added.
pub(crate) struct Trail<'a> {
    connection: &'a Connection,
    /// [`INSERT`], for [`append`].
    append: CachedStatement<'a>,
    audit: &'a Audit,
    head: ChainDigest,
    next: u64,
    first: u64,
}

impl<'a> Trail<'a> {
    /// Looks for the end. Nobody else writes until the job has ended.
    pub(crate) fn open(connection: &'a Connection, audit: &'a Audit) -> Result<Self, Fault> {
        // The first is served by the primary key, the second has a row for each table that counts
        // up.
        const HEAD: &str = "SELECT digest FROM audit ORDER BY id DESC LIMIT 1";
        const NUMBER: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
        let head = connection.prepare_cached(HEAD)?.query_row([], |row| row.get(0)).optional()?;
        // Not the highest id that there is: a number is not given again when its row is gone.
        let last: Option<u64> =
            connection.prepare_cached(NUMBER)?.query_row([], |row| row.get(0)).optional()?;
        let next = last.unwrap_or_default() + 1;
        let head = head.map_or(ChainDigest::START, ChainDigest);
        let append = connection.prepare_cached(INSERT)?;
        Ok(Self { connection, append, audit, head, next, first: next })
    }

    /// Writes an entry.
    pub(crate) fn record(&mut self, change: Change<'_>) -> Result<(), Fault> {
        let (key_id, tier, owner) = match change.subject {
            Subject::Key(id) => (Some(id), None, None),
            Subject::Tier(name) => (None, Some(name.clone()), None),
            Subject::Owner(owner) => (None, None, Some(owner.clone())),
        };
        let audit = self.audit;
        let mut entry = AuditEntry {
            id: ChangeId(self.next),
            at: audit.at,
            actor: audit.actor.as_text().into_owned(),
            address: audit.address.map(|address| address.to_string()),
            verb: change.verb.as_str().to_owned(),
            key_id,
            tier,
            owner,
            request_id: audit.request_id.clone(),
            details: Some(change.details),
            previous: self.head,
            digest: ChainDigest::START,
        };
        entry.digest = entry.seal();
        append(&mut self.append, &entry)?;
        (self.head, self.next) = (entry.digest, self.next + 1);
        Ok(())
    }

    /// Notes in which hour the entries were written. Without this they would not be found by time.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.first == self.next {
            return Ok(());
        }
        note_hour(self.connection, self.audit.at, self.first, self.next - 1)
    }
}

/// Notes that entries of an hour have these numbers, which are higher than any before.
pub(crate) fn note_hour(
    connection: &Connection,
    at: UnixMillis,
    first: u64,
    last: u64,
) -> Result<(), Fault> {
    // Served by the primary key.
    const HOUR: &str = "INSERT INTO audit_hours (hour, first_id, last_id) VALUES (?1, ?2, ?3) \
                        ON CONFLICT (hour) DO UPDATE SET last_id = excluded.last_id";
    connection.prepare_cached(HOUR)?.execute((at.hour().0, first, last))?;
    Ok(())
}

/// The statement of [`append`].
pub(crate) const INSERT: &str = "INSERT INTO audit (id, at_ms, actor, address, verb, key_id, \
                                                    tier, owner, request_id, details, previous, \
                                                    digest) \
                                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Writes an entry that is sealed, with the statement [`INSERT`].
pub(crate) fn append(insert: &mut Statement<'_>, entry: &AuditEntry) -> Result<(), Fault> {
    let row = params![
        entry.id.0,
        entry.at.0,
        entry.actor,
        entry.address,
        entry.verb,
        entry.key_id.map(KeyId::get),
        entry.tier.as_ref().map(TierName::as_str),
        entry.owner.as_ref().map(Owner::as_str),
        entry.request_id,
        entry.details,
        entry.previous.0,
        entry.digest.0,
    ];
    insert.execute(row)?;
    Ok(())
}

/// The columns of an entry, in the order in which [`entry`] reads them.
pub(crate) const COLUMNS: &str = "id, at_ms, actor, address, verb, key_id, tier, owner, \
                                  request_id, details, previous, digest";

/// Reads [`COLUMNS`].
pub(crate) fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    let key_id: Option<u64> = row.get(5)?;
    let key_id = key_id
        .map(|id| KeyId::new(id).ok_or_else(|| Fault::in_column("audit.key_id", "not an id")))
        .transpose()?;
    let tier = row.get_ref(6)?.as_str_or_null()?;
    let tier = tier
        .map(|tier| tier.parse().map_err(|error| Fault::in_column("audit.tier", error)))
        .transpose()?;
    let owner = row.get_ref(7)?.as_str_or_null()?;
    let owner = owner
        .map(|owner| owner.parse().map_err(|error| Fault::in_column("audit.owner", error)))
        .transpose()?;
    Ok(AuditEntry {
        id: ChangeId(row.get(0)?),
        at: UnixMillis(row.get(1)?),
        actor: row.get(2)?,
        address: row.get(3)?,
        verb: row.get(4)?,
        key_id,
        tier,
        owner,
        request_id: row.get(8)?,
        details: row.get(9)?,
        previous: ChainDigest(row.get(10)?),
        digest: ChainDigest(row.get(11)?),
    })
}
