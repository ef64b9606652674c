//! The audit trail: what was changed, when and by whom, each entry chained to the one before.

use keyward::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use keyward::record::Owner;
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Statement, params};

use crate::fault::Fault;
use crate::spans;

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
    /// The wall clock.
    Clock,
    /// All there is.
    Store,
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
            Subject::Key(id) => (Some(id.get()), None, None),
            Subject::Tier(name) => (None, Some(name.as_str().to_owned()), None),
            Subject::Owner(owner) => (None, None, Some(owner.as_str().to_owned())),
            Subject::Clock | Subject::Store => (None, None, None),
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
        Ok(spans::AUDIT.go_on(self.connection, self.audit.at.hour().0, self.first)?)
    }
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
        entry.key_id,
        entry.tier,
        entry.owner,
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

/// Reads [`COLUMNS`], whatever somebody made of them by hand: what nothing here could have written
/// becomes something else that nothing here writes, so that the entry does not fit its digest.
pub(crate) fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    let number = |at| -> Result<Option<u64>, Fault> {
        // A negative number is one of the upper half, which no column takes from here.
        Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
    };
    Ok(AuditEntry {
        id: ChangeId(number(0)?.unwrap_or_default()),
        at: UnixMillis(number(1)?.unwrap_or_default()),
        actor: text(row, 2)?.unwrap_or_default(),
        address: text(row, 3)?,
        verb: text(row, 4)?.unwrap_or_default(),
        key_id: number(5)?,
        tier: text(row, 6)?,
        owner: text(row, 7)?,
        request_id: text(row, 8)?,
        details: text(row, 9)?,
        previous: link(row, 10)?,
        digest: link(row, 11)?,
    })
}

/// A text. Bytes that are none of UTF-8 become the character that stands for such.
fn text(row: &Row<'_>, at: usize) -> Result<Option<String>, Fault> {
    let value = row.get_ref(at)?;
    let bytes = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        other => {
            return Err(Fault::in_column("audit", format!("a text is a {}", other.data_type())));
        }
    };
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// A digest; one of another length is one that no entry has.
fn link(row: &Row<'_>, at: usize) -> Result<ChainDigest, Fault> {
    let bytes = row.get_ref(at)?.as_blob()?;
    Ok(ChainDigest(bytes.try_into().unwrap_or([0xff; 32])))
}
