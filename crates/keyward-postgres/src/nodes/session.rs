//! A connection with the statements of a cluster. Each of them is one transaction, which is on disk
//! when its end is heard of.

use std::time::Duration;

use keyward::UnixMillis;
use keyward::audit::{ChangeId, Mark};
use keyward::store::{NodeId, NodeRow, Registered, Renewed, ServerId, Standings};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use crate::audit::link;
use crate::columns::{bound, get, get_number};
use crate::pg_error::PgError;
use crate::schema::{LEVEL, SERVER};
use crate::session::{Connector, Purpose};
use crate::sql::{Value, execute, query, query_one};

use super::feed::FeedStatement;
use super::place::has_mark;

/// Keeps a node and says how far the trail is, if it has the node's mark.
const RENEW: &str = concat!(
    "WITH place AS MATERIALIZED (SELECT change_id, digest, ",
    has_mark!("$2", "$3"),
    " AS has FROM cluster), \
     kept AS (UPDATE node n SET acked = $2, seen = n.seen + 1 FROM place \
              WHERE n.id = encode($1, 'hex')::uuid AND NOT n.marked AND place.has RETURNING 1) \
     SELECT has, EXISTS (SELECT FROM kept), change_id, digest, \
            floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM place"
);

/// The nodes, the servers, and which of some marks the trail has: one statement, and so as of one
/// instant.
fn standings_sql() -> String {
    format!(
        "SELECT {SERVER}, c.server, \
                ARRAY(SELECT uuid_send(id) FROM node ORDER BY id), \
                ARRAY(SELECT acked FROM node ORDER BY id), \
                ARRAY(SELECT seen FROM node ORDER BY id), \
                ARRAY(SELECT marked FROM node ORDER BY id), \
                ARRAY(SELECT {} FROM unnest($1, $2) WITH ORDINALITY AS m (id, digest, at) \
                      ORDER BY m.at) \
         FROM cluster c",
        has_mark!("m.id", "m.digest")
    )
}

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    renew: Statement,
    standings: Statement,
    feed: FeedStatement,
}

impl Session {
    pub(super) async fn open(connector: &Connector) -> Result<Self, PgError> {
        let client = connector.connect(Purpose::Leasing).await?;
        let renewal = [Type::BYTEA, Type::INT8, Type::BYTEA];
        let renew = client.prepare_typed(RENEW, &renewal).await?;
        let marks = [Type::INT8_ARRAY, Type::BYTEA_ARRAY];
        let standings = client.prepare_typed(&standings_sql(), &marks).await?;
        let feed = FeedStatement::prepare(&client).await?;
        Ok(Self { client, renew, standings, feed })
    }

    /// The statement of a feed, and the connection for it.
    pub(super) fn feed(&self) -> (&FeedStatement, &Client) {
        (&self.feed, &self.client)
    }

    /// Registers a node, but not while another one may be running if either is to be `alone`: `Err`
    /// within is their names.
    pub(super) async fn register(
        &self,
        name: &str,
        alone: bool,
    ) -> Result<Result<Registered, Vec<String>>, PgError> {
        // One after the other, and after a change of the lease.
        const LOCK: &str = "SELECT lease_ms FROM cluster FOR UPDATE";
        const ADD: &str = "INSERT INTO node (id, acked, seen, marked, version, alone, name) \
            SELECT gen_random_uuid(), 0, 0, false, $1, $3, \
                   coalesce(nullif($2, ''), host(inet_client_addr()), \
                            'on the database''s machine') \
            RETURNING uuid_send(id)";
        self.client.batch_execute("BEGIN").await?;
        let row = self.client.query_typed_one(LOCK, &[]).await?;
        let lease = lease_of(get(&row, 0)?)?;
        let others = self.others(alone).await?;
        if !others.is_empty() {
            self.client.batch_execute("ROLLBACK").await?;
            return Ok(Err(others));
        }
        let level = i32::try_from(LEVEL).unwrap_or(i32::MAX);
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&level, Type::INT4), (&name, Type::TEXT), (&alone, Type::BOOL)];
        let row = self.client.query_typed_one(ADD, &values).await?;
        let node = node_of(get(&row, 0)?)?;
        self.client.batch_execute("COMMIT").await?;
        Ok(Ok(Registered { node, lease }))
    }

    /// The names of the nodes that may be running, in the way of one that is to be `alone` or not.
    pub(super) async fn others(&self, alone: bool) -> Result<Vec<String>, PgError> {
        const ANY: &str = "SELECT name FROM node WHERE NOT marked ORDER BY name LIMIT 20";
        // It shares neither its limits nor a schema.
        const ALONE: &str =
            "SELECT name FROM node WHERE NOT marked AND alone ORDER BY name LIMIT 20";
        let rows = query(&self.client, if alone { ANY } else { ALONE }, &[]).await?;
        rows.iter().map(|row| get(row, 0)).collect()
    }

    pub(super) async fn renew(&self, node: NodeId, applied: Mark) -> Result<Renewed, PgError> {
        let (id, change, digest) = (&node.0[..], bound(applied.change.0), &applied.digest.0[..]);
        let row = self.client.query_one(&self.renew, &[&id, &change, &digest]).await?;
        if !get::<bool>(&row, 0)? {
            return Ok(Renewed::Lost);
        }
        if !get::<bool>(&row, 1)? {
            return Ok(Renewed::Gone);
        }
        let head = Mark { change: ChangeId(get_number(&row, 2)?), digest: link(get(&row, 3)?) };
        Ok(Renewed::Kept { head, at: UnixMillis(get_number(&row, 4)?) })
    }

    pub(super) async fn standings(&self, marks: &[Mark]) -> Result<Standings, PgError> {
        let ids: Vec<_> = marks.iter().map(|mark| bound(mark.change.0)).collect();
        let digests: Vec<_> = marks.iter().map(|mark| &mark.digest.0[..]).collect();
        let row = self.client.query_one(&self.standings, &[&ids, &digests]).await?;
        let (nodes, acked): (Vec<&[u8]>, Vec<i64>) = (get(&row, 2)?, get(&row, 3)?);
        let (seen, marked): (Vec<i64>, Vec<bool>) = (get(&row, 4)?, get(&row, 5)?);
        let rows = nodes.into_iter().zip(acked).zip(seen.into_iter().zip(marked));
        let nodes = rows.map(|((node, acked), (seen, is_marked))| {
            let (acked, seen) = (ChangeId(acked.cast_unsigned()), seen.cast_unsigned());
            Ok(NodeRow { node: node_of(node)?, acked, seen, is_marked })
        });
        Ok(Standings {
            nodes: nodes.collect::<Result<_, PgError>>()?,
            server: ServerId(get(&row, 0)?),
            confirmed: ServerId(get(&row, 1)?),
            has: get(&row, 6)?,
        })
    }

    /// Whether this is the session that has the turn of all nodes: the first that asked, until it
    /// ends.
    pub(super) async fn has_turn(&self) -> Result<bool, PgError> {
        const TURN: &str = "SELECT pg_try_advisory_lock(\
            hashtextextended('keyward.turn.' || current_schema(), 0))";
        get(&query_one(&self.client, TURN, &[]).await?, 0)
    }

    pub(super) async fn mark(&self, silent: &[(NodeId, u64)]) -> Result<(), PgError> {
        const MARK: &str = "UPDATE node n SET marked = true \
            FROM unnest($1::bytea[], $2::bigint[]) AS v (id, seen) \
            WHERE n.id = encode(v.id, 'hex')::uuid AND n.seen = v.seen";
        let ids = silent.iter().map(|(node, _)| node.0.to_vec()).collect();
        let seen = silent.iter().map(|(_, seen)| bound(*seen)).collect();
        execute(&self.client, MARK, &[Value::Digests(ids), Value::Numbers(seen)]).await.map(drop)
    }

    pub(super) async fn remove(&self, marked: &[NodeId]) -> Result<(), PgError> {
        const REMOVE: &str = "DELETE FROM node n USING unnest($1::bytea[]) AS v (id) \
            WHERE n.id = encode(v.id, 'hex')::uuid AND n.marked";
        let ids = marked.iter().map(|node| node.0.to_vec()).collect();
        execute(&self.client, REMOVE, &[Value::Digests(ids)]).await.map(drop)
    }

    pub(super) async fn confirm(&self, server: &ServerId) -> Result<(), PgError> {
        let confirm = format!("UPDATE cluster SET server = $1 WHERE $1 = {SERVER}");
        execute(&self.client, &confirm, &[Value::Text(server.0.clone())]).await.map(drop)
    }

    pub(super) async fn leave(&self, node: NodeId) -> Result<(), PgError> {
        const LEAVE: &str = "DELETE FROM node WHERE id = encode($1, 'hex')::uuid";
        execute(&self.client, LEAVE, &[Value::Bytes(node.0.to_vec())]).await.map(drop)
    }
}

fn node_of(bytes: &[u8]) -> Result<NodeId, PgError> {
    let bytes = bytes.try_into().map_err(|_| PgError::in_column("node.id", "not 16 bytes"))?;
    Ok(NodeId(bytes))
}

/// The lease of a column.
pub(super) fn lease_of(ms: i32) -> Result<Duration, PgError> {
    let ms = u64::try_from(ms).map_err(|error| PgError::in_column("cluster.lease_ms", error))?;
    Ok(Duration::from_millis(ms))
}
