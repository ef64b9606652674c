//! The rows that entries after a mark name, as of one instant: in one statement.
//!
//! With a statement for each kind of row, a transaction around them and the head, a feed was seven
//! messages, and as many responses. Eight nodes that follow a stream of changes were busy with
//! little else.

use std::collections::BTreeMap;

use keyward::UnixMillis;
use keyward::audit::{ChangeId, Mark};
use keyward::store::{Changes, Feed, Unreadable};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Row, Statement};

use crate::audit::link;
use crate::columns::{bound, get, get_number};
use crate::owners::owner_columns;
use crate::pg_error::PgError;
use crate::record::{self, key_columns};
use crate::sql::{Value, query};
use crate::unread::Reading;

use super::place::has_mark;

/// Up to `$5` entries of the trail after `$1`. Next to each are the key that it names and the
/// owners of both; next to one entry for each name of a tier, all tiers of that name, deleted ones
/// too; next to all of them, whether the trail has two marks, and its head, which come alone if
/// there is no entry. Served by the primary keys; the few tiers are read once for each name.
const FEED: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", k.limits_rev, ",
    owner_columns!(),
    ", o.limits_rev, n.id, n.limits, n.keys, n.is_gone, n.name, n.rev, e.id, e.digest, e.at_ms, ",
    has_mark!("$1", "$2"),
    " AND ",
    has_mark!("$3", "$4"),
    ", c.change_id, c.digest FROM cluster c LEFT JOIN \
     (SELECT *, row_number() OVER (PARTITION BY tier) = 1 AS is_first_of_tier FROM \
      (SELECT id, digest, at_ms, key_id, owner, tier FROM audit \
       WHERE $1 < id ORDER BY id LIMIT $5) a) e ON true \
     LEFT JOIN keys k ON k.id = e.key_id \
     LEFT JOIN tiers t ON t.id = k.tier_id \
     LEFT JOIN key_uses u ON u.key_id = k.id \
     LEFT JOIN owners o ON o.id = ANY(ARRAY[e.owner, k.owner]) \
     LEFT JOIN LATERAL (SELECT * FROM tiers \
       WHERE e.tier IS NOT NULL AND e.is_first_of_tier AND name = e.tier OFFSET 0) n ON true"
);
/// Where the columns begin of each part; those of the key are first.
const KEY: usize = 0;
const OWNER: usize = record::REVISION + 1;
const TIER: usize = OWNER + 7;
const ENTRY: usize = TIER + 6;
const PLACE: usize = ENTRY + 3;

/// The statement, prepared on one connection.
pub(super) struct FeedStatement(Statement);

impl FeedStatement {
    pub(super) async fn prepare(client: &Client) -> Result<Self, PgError> {
        let types = [Type::INT8, Type::BYTEA, Type::INT8, Type::BYTEA, Type::INT8];
        Ok(Self(client.prepare_typed(FEED, &types).await?))
    }

    /// The feed after a mark, of up to `max` entries; `None` if the trail does not have both marks.
    pub(super) async fn read(
        &self,
        client: &Client,
        (after, head): (Mark, Mark),
        max: u32,
    ) -> Result<Option<Feed>, PgError> {
        let (since, after_digest) = (bound(after.change.0), &after.digest.0[..]);
        let (to, head_digest) = (bound(head.change.0), &head.digest.0[..]);
        let max = max.max(1);
        let rows = client
            .query(&self.0, &[&since, &after_digest, &to, &head_digest, &i64::from(max)])
            .await?;
        let Some(place) = rows.first() else {
            return Err(PgError::Inconsistent("the table `cluster` has no row".to_owned()));
        };
        if !get::<bool>(place, PLACE)? {
            return Ok(None);
        }
        let newest = Mark {
            change: ChangeId(get_number(place, PLACE + 1)?),
            digest: link(get(place, PLACE + 2)?),
        };
        let (to, at) = end_of(&rows, newest, max)?;
        let mut reading = Reading::default();
        let changes = Changes {
            tiers: reading.tiers(each::<i64>(&rows, TIER)?, TIER)?,
            owners: reading.owners(each::<&str>(&rows, OWNER)?, OWNER)?,
            keys: reading.keys(each::<i64>(&rows, KEY)?)?,
            until: to.change,
            newest: newest.change,
        };
        let mut unreadable = reading.take();
        for key in of_owners(client, reading.odd_owners()).await? {
            if !unreadable.contains(&key) {
                unreadable.push(key);
            }
        }
        let revisions = reading.take_revisions();
        Ok(Some(Feed { changes, revisions, to, at, unreadable }))
    }
}

/// A row for each value of this column, in the order of the values.
fn each<'a, T: FromSql<'a> + Ord>(
    rows: &'a [Row],
    at: usize,
) -> Result<impl Iterator<Item = &'a Row>, PgError> {
    let mut each = BTreeMap::new();
    for row in rows {
        if let Some(value) = get::<Option<T>>(row, at)? {
            each.entry(value).or_insert(row);
        }
    }
    Ok(each.into_values())
}

/// Where a feed ends, and the latest time of its entries.
fn end_of(rows: &[Row], newest: Mark, max: u32) -> Result<(Mark, UnixMillis), PgError> {
    let (mut to, mut at, mut count) = (newest, 0, 0);
    for row in each::<i64>(rows, ENTRY)? {
        // An entry that was altered by hand says nothing about the time.
        at = get::<i64>(row, ENTRY + 2)?.max(at);
        count += 1;
        if count == max {
            let change = ChangeId(get_number(row, ENTRY)?);
            to = Mark { change, digest: link(get(row, ENTRY + 1)?) };
        }
    }
    Ok((to, UnixMillis(at.cast_unsigned())))
}

/// All keys of owners whose rows cannot be read. Later ones may be among them: they come again with
/// the entries that made them.
async fn of_owners(client: &Client, odd: Vec<String>) -> Result<Vec<Unreadable>, PgError> {
    if odd.is_empty() {
        return Ok(Vec::new());
    }
    let rows = query(client, record::OF_OWNERS, &[Value::Texts(odd)]).await?;
    rows.iter().map(record::of_unreadable_owner).collect()
}
