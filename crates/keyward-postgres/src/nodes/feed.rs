//! The rows that entries after a mark name, as of one instant and in one round trip.

use futures_util::future::{try_join3, try_join5};
use keyward::UnixMillis;
use keyward::audit::{ChangeId, Mark};
use keyward::store::{Changes, Feed, Unreadable};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Statement};

use crate::audit::link;
use crate::columns::{bound, get, get_number};
use crate::pg_error::PgError;
use crate::sql::{Value, query};
use crate::unread::Reading;
use crate::{owners, record, tiers};

use super::place::has_mark;

/// Whether the trail has two marks, and its head.
const PLACE: &str = concat!(
    "SELECT ",
    has_mark!("$1", "$2"),
    " AND ",
    has_mark!("$3", "$4"),
    ", change_id, digest FROM cluster"
);
/// Up to so many entries after this one. Served by the primary key.
const ENTRIES: &str = "SELECT id, digest, at_ms FROM audit WHERE $1 < id ORDER BY id LIMIT $2";

/// The statements, prepared on one connection.
pub(super) struct FeedStatements {
    place: Statement,
    entries: Statement,
    tiers: Statement,
    owners: Statement,
    keys: Statement,
}

impl FeedStatements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, PgError> {
        let marks = [Type::INT8, Type::BYTEA, Type::INT8, Type::BYTEA];
        let part = [Type::INT8, Type::INT8];
        let prepared = try_join5(
            client.prepare_typed(PLACE, &marks),
            client.prepare_typed(ENTRIES, &part),
            client.prepare_typed(tiers::OF_ENTRIES, &part),
            client.prepare_typed(owners::OF_ENTRIES, &part),
            client.prepare_typed(record::NAMED, &part),
        );
        let (place, entries, tiers, owners, keys) = prepared.await?;
        Ok(Self { place, entries, tiers, owners, keys })
    }

    /// The feed after a mark, of up to `max` entries; `None` if the trail does not have both marks.
    pub(super) async fn read(
        &self,
        client: &Client,
        (after, head): (Mark, Mark),
        max: u32,
    ) -> Result<Option<Feed>, PgError> {
        let (since, max) = (bound(after.change.0), i64::from(max.max(1)));
        let after_digest = &after.digest.0[..];
        let (to, head_digest) = (bound(head.change.0), &head.digest.0[..]);
        // Each is sent when it is first polled, in the order of the arguments.
        let begin = client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        let marks: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&since, &after_digest, &to, &head_digest];
        let place = client.query_one(&self.place, &marks);
        let part: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&since, &max];
        let entries = client.query(&self.entries, &part);
        let rows = try_join3(
            client.query(&self.tiers, &part),
            client.query(&self.owners, &part),
            client.query(&self.keys, &part),
        );
        let end = client.batch_execute("COMMIT");
        let ((), place, entries, rows, ()) = try_join5(begin, place, entries, rows, end).await?;
        if !get::<bool>(&place, 0)? {
            return Ok(None);
        }
        let newest =
            Mark { change: ChangeId(get_number(&place, 1)?), digest: link(get(&place, 2)?) };
        let (to, at) = end_of(&entries, newest, max)?;
        let (tiers, owners, keys) = rows;
        let mut reading = Reading::default();
        let changes = Changes {
            tiers: reading.tiers(&tiers)?,
            owners: reading.owners(&owners)?,
            keys: reading.keys(&keys)?,
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

/// Where a feed ends, and the latest time of its entries.
fn end_of(entries: &[Row], newest: Mark, max: i64) -> Result<(Mark, UnixMillis), PgError> {
    let (mut to, mut at) = (newest, 0);
    for row in entries {
        // An entry that was altered by hand says nothing about the time.
        at = get::<i64>(row, 2)?.max(at);
    }
    if i64::try_from(entries.len()).is_ok_and(|found| max <= found)
        && let Some(last) = entries.last()
    {
        to = Mark { change: ChangeId(get_number(last, 0)?), digest: link(get(last, 1)?) };
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
