//! Writing what a batch of changes decided, and its COMMIT: all of it in one round trip.

use std::pin::Pin;

use futures_util::future::{try_join_all, try_join3, try_join4};
use keyward::KeyId;
use keyward::audit::ChangeId;
use keyward::stored::FormerSecret;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::columns::{millis, number};
use crate::merge::{Hours, Merged};
use crate::pg_error::PgError;
use crate::schema::timeline;
use crate::{audit, owners, record, small, tiers};

/// Names that are forgotten for each that is kept, at most.
const FORGOTTEN_MAX: usize = 8;

/// Adds former secrets.
const REPLACE: &str = "INSERT INTO former_secrets \
    (key_id, number, digest, hint, created_at_ms, ends_at_ms) \
    SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::text[], $5::bigint[], \
                         $6::bigint[])";
/// Writes when former secrets end. Served by `former_secrets_digest`.
const END: &str = "UPDATE former_secrets f SET ends_at_ms = v.at \
    FROM unnest($1::bytea[], $2::bigint[]) AS v (digest, at) WHERE f.digest = v.digest";
/// Says of new keys when they were last used.
const USED: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) \
    SELECT * FROM unnest($1::bigint[], $2::bigint[])";
/// Notes what secrets begin with.
const PREFIXES: &str = "INSERT INTO prefixes (prefix) SELECT * FROM unnest($1::text[]) \
    ON CONFLICT DO NOTHING";
/// Goes on from here, on the timeline of the server; `$5` keys were added.
const ADVANCE: &str = concat!(
    "UPDATE cluster SET change_id = $1, digest = $2, key_id = $3, tier_id = $4, keys = keys + $5, \
     timeline = ",
    timeline!()
);

/// A COMMIT that waits for a standby and is cancelled succeeds with a warning, and would be taken
/// for one that the standby has: so nothing cancels it.
pub(crate) const WITHOUT_END: &str = "SET LOCAL statement_timeout = 0";

fn hours_sql(table: &str) -> String {
    format!(
        "INSERT INTO {table} AS h (hour, first_id, last_id) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
         ON CONFLICT (hour) DO UPDATE SET first_id = least(h.first_id, excluded.first_id), \
                                          last_id = greatest(h.last_id, excluded.last_id) \
         WHERE excluded.first_id < h.first_id OR h.last_id < excluded.last_id"
    )
}

/// The statements that write, prepared on one connection.
pub(crate) struct Writing {
    tiers: Statement,
    owners: Statement,
    add: Statement,
    put: Statement,
    replace: Statement,
    end: Statement,
    used: Statement,
    prefixes: Statement,
    key_hours: Statement,
    keep_once: Statement,
    forget_once: Statement,
    reading: Statement,
    audit: Statement,
    audit_hours: Statement,
    advance: Statement,
    /// Ends the transaction, and tells others that it did.
    commit: String,
}

impl Writing {
    /// Prepares them all in one round trip. `channel` is the one by which others are told.
    pub(crate) async fn prepare(client: &Client, channel: &str) -> Result<Self, PgError> {
        let prepare = |sql| client.prepare(sql);
        let (key_hours, audit_hours) = (hours_sql("key_hours"), hours_sql("audit_hours"));
        let first = try_join4(
            prepare(tiers::PUT),
            prepare(owners::PUT),
            prepare(record::ADD),
            prepare(record::PUT),
        );
        let second = try_join4(prepare(REPLACE), prepare(END), prepare(USED), prepare(PREFIXES));
        let third = try_join4(
            prepare(&key_hours),
            prepare(small::KEEP_ONCE),
            prepare(small::FORGET_ONCE),
            prepare(small::SET_READING),
        );
        let fourth = try_join3(prepare(audit::ADD), prepare(&audit_hours), prepare(ADVANCE));
        let (first, second, third, fourth) = try_join4(first, second, third, fourth).await?;
        let (tiers, owners, add, put) = first;
        let (replace, end, used, prefixes) = second;
        let (key_hours, keep_once, forget_once, reading) = third;
        let (audit, audit_hours, advance) = fourth;
        let commit = format!("{WITHOUT_END}; NOTIFY {channel}; COMMIT");
        Ok(Self {
            tiers,
            owners,
            add,
            put,
            replace,
            end,
            used,
            prefixes,
            key_hours,
            keep_once,
            forget_once,
            reading,
            audit,
            audit_hours,
            advance,
            commit,
        })
    }

    /// Writes it all and commits. If one statement fails, so do all after it, and COMMIT is a
    /// rollback.
    pub(crate) async fn commit(&self, client: &Client, merged: Merged) -> Result<(), PgError> {
        let rows = Rows::of(merged)?;
        let Rows { tiers, owners, added, put, former, once, audit, .. } = &rows;
        let mut sent = Sent { client, all: Vec::new() };
        sent.add(&self.tiers, tiers.values(), !tiers.ids.is_empty());
        sent.add(&self.owners, owners.values(), !owners.ids.is_empty());
        sent.add(&self.add, added.values(), !added.is_empty());
        sent.add(&self.put, put.values(), !put.is_empty());
        let (digests, ends) = &rows.ended;
        sent.add(&self.end, [digests, ends], !digests.is_empty());
        sent.add(&self.replace, former.values(), !former.ids.is_empty());
        sent.add(&self.used, [&added.ids, &added.used], !added.is_empty());
        sent.add(&self.prefixes, [&rows.prefixes], !rows.prefixes.is_empty());
        sent.add(&self.key_hours, rows.key_hours.values(), !rows.key_hours.hours.is_empty());
        sent.add(&self.keep_once, once.values(), !once.names.is_empty());
        let forgotten: [&(dyn ToSql + Sync); 2] = [&once.forgotten_at, &once.forgotten_max];
        sent.add(&self.forget_once, forgotten, once.forgotten_at.is_some());
        sent.add(&self.reading, [&rows.reading], rows.reading.is_some());
        sent.add(&self.audit, audit.values(), true);
        sent.add(&self.audit_hours, rows.audit_hours.values(), true);
        sent.add(&self.advance, rows.advance.values(), true);
        sent.all.push(Box::pin(async { Ok(client.batch_execute(&self.commit).await?) }));
        // Each is sent when it is first polled, in their order; there are less than the number
        // beyond which that would not be so.
        try_join_all(sent.all).await?;
        Ok(())
    }
}

/// A statement on its way.
type Run<'a> = Pin<Box<dyn Future<Output = Result<(), PgError>> + Send + 'a>>;

/// Statements that are sent together.
struct Sent<'a> {
    client: &'a Client,
    all: Vec<Run<'a>>,
}

impl<'a> Sent<'a> {
    /// Adds one, if it is needed.
    fn add<const N: usize>(
        &mut self,
        statement: &'a Statement,
        values: [&'a (dyn ToSql + Sync); N],
        is_needed: bool,
    ) {
        let client = self.client;
        if is_needed {
            let run = async move { Ok(client.execute(statement, &values).await.map(drop)?) };
            self.all.push(Box::pin(run));
        }
    }
}

/// The values of all statements.
struct Rows {
    tiers: tiers::Put,
    owners: owners::Put,
    added: record::Rows,
    put: record::Rows,
    former: FormerRows,
    ended: (Vec<Vec<u8>>, Vec<i64>),
    prefixes: Vec<String>,
    key_hours: HourRows,
    once: OnceRows,
    reading: Option<i64>,
    audit: audit::Rows,
    audit_hours: HourRows,
    advance: Advance,
}

impl Rows {
    fn of(merged: Merged) -> Result<Self, PgError> {
        let progress = merged.progress.ok_or_else(|| {
            PgError::Inconsistent("a batch without writes is not written".to_owned())
        })?;
        let added_keys = merged.added.len() as u64;
        let advance = Advance {
            change: number(progress.change.0)?,
            digest: progress.digest.0.to_vec(),
            key: progress.key.map(record::id).transpose()?,
            tier: progress.tier.map(|tier| number(tier.get())).transpose()?,
            keys: number(added_keys)?,
        };
        let mut rows = Self {
            tiers: tiers::Put::default(),
            owners: owners::Put::default(),
            added: record::Rows::default(),
            put: record::Rows::default(),
            former: FormerRows::default(),
            ended: (Vec::new(), Vec::new()),
            prefixes: merged.prefixes.into_iter().collect(),
            key_hours: HourRows::of(&merged.key_hours)?,
            once: OnceRows::default(),
            reading: merged.reading.map(millis).transpose()?,
            audit: audit::Rows::default(),
            audit_hours: HourRows::of(&merged.audit_hours)?,
            advance,
        };
        for (tier, rev) in merged.tiers.into_values() {
            rows.tiers.push(&tier, rev)?;
        }
        for (owner, rev) in merged.owners.into_values() {
            rows.owners.push(&owner, rev)?;
        }
        for (key, _) in merged.added.into_values() {
            // Its limits are as they were at first: no terms came before these.
            rows.added.push(&key, ChangeId(0))?;
        }
        for (key, rev) in merged.put.into_values() {
            rows.put.push(&key, rev)?;
        }
        for ((id, at), former) in merged.replaced {
            rows.former.push(id, at, former)?;
        }
        for (digest, at) in merged.ended {
            rows.ended.0.push(digest.to_vec());
            rows.ended.1.push(millis(at)?);
        }
        rows.once.forgotten_at = merged.forgotten_at.map(millis).transpose()?;
        rows.once.forgotten_max = number((merged.once.len() * FORGOTTEN_MAX) as u64)?;
        for ((actor, name), row) in merged.once {
            rows.once.actors.push(actor);
            rows.once.names.push(name);
            rows.once.requests.push(row.once.request.to_vec());
            rows.once.keys.push(record::id(row.key)?);
            rows.once.times.push(millis(row.at)?);
        }
        for entry in merged.entries {
            rows.audit.push(entry)?;
        }
        Ok(rows)
    }
}

/// Former secrets to add.
#[derive(Default)]
struct FormerRows {
    ids: Vec<i64>,
    numbers: Vec<i32>,
    digests: Vec<Vec<u8>>,
    hints: Vec<String>,
    created: Vec<i64>,
    ends: Vec<i64>,
}

impl FormerRows {
    fn push(&mut self, id: KeyId, at: usize, former: FormerSecret) -> Result<(), PgError> {
        self.ids.push(record::id(id)?);
        self.numbers.push(i32::try_from(at).map_err(|_| {
            PgError::Inconsistent("a key has more former secrets than can be counted".to_owned())
        })?);
        self.digests.push(former.secret.digest.as_bytes().to_vec());
        self.hints.push(former.secret.hint);
        self.created.push(millis(former.secret.created_at)?);
        self.ends.push(millis(former.ends_at)?);
        Ok(())
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.ids, &self.numbers, &self.digests, &self.hints, &self.created, &self.ends]
    }
}

/// Hours in which there was something.
struct HourRows {
    hours: Vec<i64>,
    first: Vec<i64>,
    last: Vec<i64>,
}

impl HourRows {
    fn of(hours: &Hours) -> Result<Self, PgError> {
        let mut rows = Self { hours: Vec::new(), first: Vec::new(), last: Vec::new() };
        for (hour, (first, last)) in hours {
            rows.hours.push(hour.0.into());
            rows.first.push(number(*first)?);
            rows.last.push(number(*last)?);
        }
        Ok(rows)
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.hours, &self.first, &self.last]
    }
}

/// Names of requests to keep.
#[derive(Default)]
struct OnceRows {
    actors: Vec<String>,
    names: Vec<String>,
    requests: Vec<Vec<u8>>,
    keys: Vec<i64>,
    times: Vec<i64>,
    forgotten_at: Option<i64>,
    forgotten_max: i64,
}

impl OnceRows {
    fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.actors, &self.names, &self.requests, &self.keys, &self.times]
    }
}

/// Where the next change goes on.
struct Advance {
    change: i64,
    digest: Vec<u8>,
    key: Option<i64>,
    tier: Option<i64>,
    keys: i64,
}

impl Advance {
    fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.change, &self.digest, &self.key, &self.tier, &self.keys]
    }
}
