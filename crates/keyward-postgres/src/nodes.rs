//! The programs that share a schema, and what they agree by: [`Cluster`] on PostgreSQL.

mod feed;
mod hints;
mod lane;
mod place;
mod session;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use keyward::audit::Mark;
use keyward::store::{Cluster, Feed, NodeId, Registered, Renewed, ServerId, Standings, StoreError};
use tokio::sync::watch;
use tokio_postgres::Client;

use crate::columns::get;
use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::session::Connector;
use crate::sql::query_one;

use hints::Hints;
use lane::Lane;

/// A program's way to the others.
pub(crate) struct Nodes {
    connector: Connector,
    /// How long a node may decide after it last heard from the database, when this was opened.
    pub(crate) lease: Duration,
    /// Whether there may be other nodes.
    several: bool,
    /// The name of this one, for people.
    name: String,
    /// For a node's own row, and the rows that others changed: one after the other.
    own: Lane,
    /// For the rows of all nodes.
    all: Lane,
    hints: Hints,
    /// Up to where this node has applied the trail, as of its last renewal.
    applied: watch::Sender<Mark>,
}

impl Nodes {
    /// Without a connection yet.
    pub(crate) fn new(
        connector: Connector,
        lease: Duration,
        (several, name): (bool, String),
    ) -> Self {
        let (own, all) = (Lane::new(connector.clone()), Lane::new(connector.clone()));
        let hints = Hints::new(connector.clone(), lease);
        let (applied, _) = watch::channel(Mark::START);
        Self { connector, lease, several, name, own, all, hints, applied }
    }

    /// Up to where this node has applied the trail, from here on.
    pub(crate) fn applied(&self) -> watch::Receiver<Mark> {
        self.applied.subscribe()
    }

    /// How long one request may take: so that another one fits in before the lease ends.
    fn limit(&self) -> Duration {
        self.lease / 2
    }

    /// The names of nodes that may be running, in whose way this one must not be.
    pub(crate) async fn others(&self) -> Result<Vec<String>, PgError> {
        let alone = !self.several;
        self.all.run(self.limit(), move |session| Box::pin(session.others(alone))).await
    }

    /// Whether this program has the turn of all nodes.
    pub(crate) async fn have_turn(&self) -> Result<bool, PgError> {
        self.all.run(self.limit(), move |session| Box::pin(session.has_turn())).await
    }

    /// The error that these nodes may be running.
    pub(crate) fn occupied(&self, others: &[String]) -> OpenError {
        OpenError::Occupied {
            address: self.connector.address.to_string(),
            schema: self.connector.schema.as_str().to_owned(),
            nodes: others.join(", "),
        }
    }
}

/// The lease that nodes have.
pub(crate) async fn lease(client: &Client) -> Result<Duration, PgError> {
    let row = query_one(client, "SELECT lease_ms FROM cluster", &[]).await?;
    session::lease_of(get(&row, 0)?)
}

#[async_trait]
impl Cluster for Nodes {
    async fn register(&self) -> Result<Registered, StoreError> {
        let (name, alone) = (self.name.clone(), !self.several);
        let registered = self.own.run(self.limit(), move |session| {
            Box::pin(async move { session.register(&name, alone).await })
        });
        let registered = registered.await?;
        registered.map_err(|others| StoreError::Unavailable(self.occupied(&others).into()))
    }

    async fn renew(&self, node: NodeId, applied: Mark) -> Result<Renewed, StoreError> {
        let renew =
            self.own.run(self.limit(), move |session| Box::pin(session.renew(node, applied)));
        let renewed = renew.await?;
        if let Renewed::Kept { .. } = renewed {
            self.applied.send_if_modified(|known| std::mem::replace(known, applied) != applied);
        }
        Ok(renewed)
    }

    async fn feed(&self, after: Mark, head: Mark, max: u32) -> Result<Option<Feed>, StoreError> {
        // A node that is late has more to read than a renewal, and given up, it is read again.
        let feed = self.own.run(self.lease, move |session| {
            let (statement, client) = session.feed();
            Box::pin(statement.read(client, (after, head), max))
        });
        Ok(feed.await?)
    }

    async fn standings(&self, marks: Vec<Mark>) -> Result<Standings, StoreError> {
        let standings = self.all.run(self.limit(), move |session| {
            Box::pin(async move { session.standings(&marks).await })
        });
        Ok(standings.await?)
    }

    async fn mark(&self, silent: Vec<(NodeId, u64)>) -> Result<(), StoreError> {
        let mark = self
            .all
            .run(self.limit(), move |session| Box::pin(async move { session.mark(&silent).await }));
        Ok(mark.await?)
    }

    async fn remove(&self, marked: Vec<NodeId>) -> Result<(), StoreError> {
        let remove = self.all.run(self.limit(), move |session| {
            Box::pin(async move { session.remove(&marked).await })
        });
        Ok(remove.await?)
    }

    async fn confirm(&self, server: ServerId) -> Result<(), StoreError> {
        let confirm = self.all.run(self.limit(), move |session| {
            Box::pin(async move { session.confirm(&server).await })
        });
        Ok(confirm.await?)
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let leave = self.own.run(self.limit(), move |session| Box::pin(session.leave(node)));
        Ok(leave.await?)
    }

    async fn hint(&self) {
        self.hints.next().await;
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes")
            .field("connector", &self.connector)
            .field("several", &self.several)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
