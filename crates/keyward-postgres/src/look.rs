//! Looking up what deciding has to know: everything about all changes of a batch in one round trip.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::future::{try_join, try_join4, try_join5};
use keyward::audit::ChangeId;
use keyward::digest::Digest;
use keyward::once::OnceName;
use keyward::record::Owner;
use keyward::rules::{Facts, Lookup, Progress};
use keyward::stored::TierId;
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::audit::{self, link};
use crate::columns::{bound, get, get_digest, get_key_id, get_number, get_optional, key_id};
use crate::pg_error::PgError;
use crate::schema::timeline;
use crate::{owners, record, small, tiers};

/// Locks the row by which changes take turns, and says how far the database has come, whether a
/// commit waits for a standby, and on which timeline the last change was and the next one is.
pub(crate) const LOCK: &str = concat!(
    "SELECT change_id, digest, key_id, tier_id, \
     current_setting('synchronous_standby_names') <> '', timeline, ",
    timeline!(),
    " FROM cluster FOR UPDATE"
);

/// A transaction that has the lock.
pub(crate) struct Begun {
    pub(crate) facts: Facts,
    /// Whether its COMMIT waits for a standby.
    pub(crate) has_standby: bool,
}

/// The statements of look-ups, prepared on one connection.
pub(crate) struct Lookups {
    lock: Statement,
    keys: Statement,
    ids: Statement,
    holders: Statement,
    tiers: Statement,
    tier_count: Statement,
    owners: Statement,
    once: Statement,
    reading: Statement,
    entries: Statement,
}

/// The look-ups of a batch, each once.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    keys: BTreeSet<KeyId>,
    ids: BTreeSet<KeyId>,
    digests: HashSet<[u8; 32]>,
    tiers: HashSet<TierName>,
    tier_count: bool,
    owners: HashSet<Owner>,
    once: HashSet<(String, OnceName)>,
    reading: bool,
    /// One, where the nodes know the same entry.
    entries: BTreeSet<u64>,
}

impl Wanted {
    /// Adds what one change needs.
    pub(crate) fn add(&mut self, lookup: Lookup) {
        match lookup {
            Lookup::Key(id) => drop(self.keys.insert(id)),
            Lookup::Id(id) => drop(self.ids.insert(id)),
            Lookup::Digest(digest) => drop(self.digests.insert(*digest.as_bytes())),
            Lookup::Tier(name) => drop(self.tiers.insert(name)),
            Lookup::TierCount => self.tier_count = true,
            Lookup::Owner(owner) => drop(self.owners.insert(owner)),
            Lookup::Once { actor, name } => drop(self.once.insert((actor, name))),
            Lookup::Reading => self.reading = true,
            Lookup::Entry(change) => drop(self.entries.insert(change.0)),
        }
    }
}

/// The rows that were found.
struct Found {
    keys: Vec<Row>,
    ids: Vec<Row>,
    holders: Vec<Row>,
    tiers: Vec<Row>,
    tier_count: Vec<Row>,
    owners: Vec<Row>,
    once: Vec<Row>,
    reading: Vec<Row>,
    entries: Vec<Row>,
}

impl Lookups {
    /// Prepares them all in one round trip.
    pub(crate) async fn prepare(client: &Client) -> Result<Self, PgError> {
        let prepare = |sql| client.prepare(sql);
        let first = try_join5(
            prepare(LOCK),
            prepare(record::LOOKED_UP),
            prepare(record::IDS),
            prepare(record::HOLDERS),
            prepare(tiers::NAMED),
        );
        let second = try_join5(
            prepare(tiers::COUNT),
            prepare(owners::NAMED),
            prepare(small::ONCE),
            prepare(small::READING_LOCKED),
            prepare(audit::DIGESTS),
        );
        let ((lock, keys, ids, holders, tiers), (tier_count, owners, once, reading, entries)) =
            try_join(first, second).await?;
        Ok(Self { lock, keys, ids, holders, tiers, tier_count, owners, once, reading, entries })
    }

    /// Begins a transaction, waits for its turn and looks all of it up, in one round trip: a
    /// statement after the lock sees all that was committed before it.
    pub(crate) async fn begin(&self, client: &Client, wanted: Wanted) -> Result<Begun, PgError> {
        let begin = async { Ok::<_, PgError>(client.batch_execute("BEGIN").await?) };
        let lock = async { Ok::<_, PgError>(client.query_one(&self.lock, &[]).await?) };
        // Each is sent when it is first polled, in the order of the arguments.
        let (((), lock), found) =
            try_join(try_join(begin, lock), self.find(client, &wanted)).await?;
        let (before, now) = (get_number(&lock, 5)?, get_number(&lock, 6)?);
        let progress = progress(&lock)?.on_timeline(before, now);
        let mut facts = Facts::new(progress);
        learn(&mut facts, wanted, &found)?;
        Ok(Begun { facts, has_standby: get(&lock, 4)? })
    }

    /// Looks all of it up, in a transaction that has the lock.
    pub(crate) async fn more(
        &self,
        client: &Client,
        wanted: Wanted,
        facts: &mut Facts,
    ) -> Result<(), PgError> {
        let found = self.find(client, &wanted).await?;
        learn(facts, wanted, &found)
    }

    async fn find(&self, client: &Client, wanted: &Wanted) -> Result<Found, PgError> {
        let ids = |ids: &BTreeSet<KeyId>| ids.iter().copied().map(record::id).collect();
        let keys: Vec<i64> = Result::from_iter::<Vec<Result<i64, PgError>>>(ids(&wanted.keys))?;
        let known: Vec<i64> = Result::from_iter::<Vec<Result<i64, PgError>>>(ids(&wanted.ids))?;
        let digests: Vec<&[u8]> = wanted.digests.iter().map(<[u8; 32]>::as_slice).collect();
        let tiers: Vec<&str> = wanted.tiers.iter().map(TierName::as_str).collect();
        let owners: Vec<&str> = wanted.owners.iter().map(Owner::as_str).collect();
        let actors: Vec<&str> = wanted.once.iter().map(|(actor, _)| actor.as_str()).collect();
        let entries: Vec<i64> = wanted.entries.iter().copied().map(bound).collect();
        let names: Vec<&str> = wanted.once.iter().map(|(_, name)| name.as_str()).collect();
        let first = try_join4(
            rows(client, &self.keys, [&keys], !keys.is_empty()),
            rows(client, &self.ids, [&known], !known.is_empty()),
            rows(client, &self.holders, [&digests], !digests.is_empty()),
            rows(client, &self.tiers, [&tiers], !tiers.is_empty()),
        );
        let second = try_join5(
            rows(client, &self.tier_count, [], wanted.tier_count),
            rows(client, &self.owners, [&owners], !owners.is_empty()),
            rows(client, &self.once, [&actors, &names], !actors.is_empty()),
            rows(client, &self.reading, [], wanted.reading),
            rows(client, &self.entries, [&entries], !entries.is_empty()),
        );
        let ((keys, ids, holders, tiers), (tier_count, owners, once, reading, entries)) =
            try_join(first, second).await?;
        Ok(Found { keys, ids, holders, tiers, tier_count, owners, once, reading, entries })
    }
}

/// The rows of a statement, or none if there is nothing to be asked.
async fn rows<const N: usize>(
    client: &Client,
    statement: &Statement,
    values: [&(dyn ToSql + Sync); N],
    is_asked: bool,
) -> Result<Vec<Row>, PgError> {
    if is_asked { Ok(client.query(statement, &values).await?) } else { Ok(Vec::new()) }
}

/// How far the database has come.
pub(crate) fn progress(row: &Row) -> Result<Progress, PgError> {
    Ok(Progress {
        change: ChangeId(get_number(row, 0)?),
        digest: link(get(row, 1)?),
        key: get_optional(row, 2)?.map(key_id).transpose()?,
        tier: get_optional(row, 3)?.and_then(TierId::new),
    })
}

/// Takes the rows, and the absence of others, for facts.
fn learn(facts: &mut Facts, wanted: Wanted, found: &Found) -> Result<(), PgError> {
    let Wanted { keys, ids, digests, tiers, tier_count: _, owners, once, reading: _, entries } =
        wanted;
    let mut absent = keys;
    for row in &found.keys {
        let owned = record::owned(row)?;
        absent.remove(&owned.key.id);
        if let Some(tier) = record::tier_row(row, &owned.key)? {
            facts.learn_tier(tier.name.clone(), Some(tier));
        }
        owned.owner.into_iter().for_each(|row| facts.learn_owner(row.owner.clone(), Some(row)));
        facts.learn_key(owned.key.id, Some(std::sync::Arc::unwrap_or_clone(owned.key)));
    }
    absent.into_iter().for_each(|id| facts.learn_key(id, None));
    let there =
        found.ids.iter().map(|row| get_key_id(row, 0)).collect::<Result<BTreeSet<_>, _>>()?;
    ids.into_iter().for_each(|id| facts.learn_id(id, there.contains(&id)));
    let mut holders = HashMap::new();
    for row in &found.holders {
        holders.insert(*get_digest(row, 0)?.as_bytes(), get_key_id(row, 1)?);
    }
    for digest in digests {
        facts.learn_holder(&Digest::from_stored(digest), holders.get(&digest).copied());
    }
    let rows = found.tiers.iter().map(|row| tiers::row(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
    for name in tiers {
        let row = rows.remove(&name);
        facts.learn_tier(name, row);
    }
    if let Some(row) = found.tier_count.first() {
        facts.learn_tier_count(get_number(row, 0)?);
    }
    let rows = found.owners.iter().map(|row| owners::row(row, 0));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.owner.clone(), row)).collect();
    for owner in owners {
        let row = rows.remove(&owner);
        facts.learn_owner(owner, row);
    }
    let mut kept = HashMap::new();
    for row in &found.once {
        let (actor, row) = small::once_row(row)?;
        kept.insert((actor, row.once.name.clone()), row);
    }
    for named in once {
        let row = kept.remove(&named);
        facts.learn_once(named.0, named.1, row);
    }
    if let Some(row) = found.reading.first() {
        facts.learn_reading(get_optional(row, 0)?.map(UnixMillis));
    }
    let mut links = HashMap::new();
    for row in &found.entries {
        links.insert(get_number(row, 0)?, link(get(row, 1)?));
    }
    for number in entries {
        facts.learn_entry(ChangeId(number), links.remove(&number));
    }
    Ok(())
}
