//! A database that several nodes share, in memory, over a network that loses messages as a test
//! says: the rules of a cluster run on it without a clock, a thread or chance.

mod database;
mod taking;
mod tickets;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::audit::{Audit, AuditEntry, ChangeId, Mark};
use crate::count::Counts;
use crate::digest::Digest;
use crate::once::Earlier;
use crate::record::KeyId;
use crate::rules::{Change, Committed};
use crate::store::{
    Changes, Cluster, Feed, KeyStore, LeakReport, NodeId, Registered, Renewed, ServerId, Snapshot,
    Standings, StoreError, Tickets, UsageBatch,
};
use crate::stored::OwnedKey;
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};

use super::hidden::Hidden;
use super::snapshot::MemorySnapshot;
use database::Database;
pub use wire::{Leg, Letter, Wire};

/// A database in memory, with a replica that lags as far as a test lets it. A clone shares
/// everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use keyward::gate::KeptUp;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryCluster;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
/// use keyward::{Asked, Gate};
///
/// let cluster = MemoryCluster::new(Duration::from_secs(5));
/// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
/// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
/// // Nothing is decided before the first renewal.
/// assert_eq!(gate.verify(&Asked::of("wrong"), now).unwrap_err().as_str(), "uncertain");
/// assert_eq!(gate.keep_up(&|| now).await?, KeptUp::Current);
/// assert_eq!(gate.verify(&Asked::of("wrong"), now).unwrap_err().as_str(), "unknown");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryCluster(Arc<Shared>);

/// The time of a new database: the first instant of 2026.
const STARTS_AT: UnixMillis = UnixMillis(1_767_225_600_000);

#[derive(Debug)]
struct Shared {
    wire: Wire,
    /// The servers' time, in milliseconds.
    at: AtomicU64,
    servers: Mutex<Servers>,
    /// Locked for one look.
    unreadable: Mutex<Hidden>,
}

/// The primary, and the replica as it was when it last received anything.
#[derive(Debug)]
struct Servers {
    primary: Database,
    replica: Database,
    /// The primary's name: another one after each failover.
    serving: u64,
}

impl MemoryCluster {
    /// A new database, whose nodes have leases of this length. Its network delivers everything at
    /// once, unless [`Wire::hold`] says otherwise, and its clock stands at the beginning of 2026
    /// until [`MemoryCluster::set_time`] says otherwise.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        let database = Database::new(lease);
        let servers = Servers { primary: database.clone(), replica: database, serving: 1 };
        let (wire, at) = (Wire::default(), AtomicU64::new(STARTS_AT.0));
        let (servers, unreadable) = (Mutex::new(servers), Mutex::default());
        Self(Arc::new(Shared { wire, at, servers, unreadable }))
    }

    /// The store as one process has it, which the wire knows by this number.
    #[must_use]
    pub fn node(&self, number: usize) -> ClusterNode {
        ClusterNode { cluster: self.clone(), number }
    }

    /// Sets the clock of the database, and of every later primary.
    pub fn set_time(&self, at: UnixMillis) {
        self.0.at.store(at.0, Ordering::Relaxed);
    }

    /// The network.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.0.wire
    }

    /// The replica receives everything.
    pub fn replicate(&self) {
        let mut servers = self.servers();
        servers.replica = servers.primary.clone();
    }

    /// The replica becomes the primary, with all that it received. Requests on their way to the
    /// former primary are lost; its replies may still arrive.
    pub fn fail_over(&self) {
        let timeline = self.servers().primary.timeline + 1;
        self.go_back();
        self.servers().primary.timeline = timeline;
    }

    /// The same on the former timeline: the primary begins anew with a copy of the replica's disk.
    pub fn go_back(&self) {
        self.0.wire.lose_requests();
        let mut servers = self.servers();
        servers.primary = servers.replica.clone();
        servers.primary.tickets.crash();
        servers.serving += 1;
    }

    /// The replica becomes the primary, and the buckets stay: those of keys that were restored from
    /// a backup.
    pub fn fail_over_without_tickets(&self) {
        let tickets = self.servers().primary.tickets.clone();
        self.fail_over();
        self.servers().primary.tickets = tickets;
    }

    /// The primary's process ends and begins anew: rows that need not survive that are lost.
    pub fn crash(&self) {
        self.servers().primary.tickets.crash();
    }

    /// A key as the primary has it.
    #[must_use]
    pub fn find_key(&self, id: KeyId) -> Option<OwnedKey> {
        let servers = self.servers();
        let rows = &servers.primary.rows;
        rows.key(id).map(|key| rows.owned(key))
    }

    /// Makes the row of a key one that no program can read, from the next look at it on, or mends
    /// it.
    pub fn set_key_unreadable(&self, id: KeyId, is_unreadable: bool) {
        let keys = &mut self.hidden().keys;
        if is_unreadable {
            keys.insert(id)
        } else {
            keys.remove(&id)
        };
    }

    /// The same for a tier.
    pub fn set_tier_unreadable(&self, name: TierName, is_unreadable: bool) {
        let tiers = &mut self.hidden().tiers;
        if is_unreadable {
            tiers.insert(name)
        } else {
            tiers.remove(&name)
        };
    }

    /// The audit trail as the primary has it.
    #[must_use]
    pub fn trail(&self) -> Vec<AuditEntry> {
        self.servers().primary.rows.trail.clone()
    }

    /// All counts of a key as the primary has them.
    #[must_use]
    pub fn counted(&self, id: KeyId) -> Counts {
        let mut sum = Counts::default();
        let servers = self.servers();
        let usage = servers.primary.rows.usage.iter();
        usage.filter(|((key, _), _)| *key == id).for_each(|(_, counts)| sum.add(counts));
        sum
    }

    fn hidden(&self) -> MutexGuard<'_, Hidden> {
        self.0.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self) -> Hidden {
        self.hidden().clone()
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database as one process has it.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    cluster: MemoryCluster,
    number: usize,
}

impl ClusterNode {
    /// Sends a request, has the primary do it, and sends the reply.
    async fn call<T>(
        &self,
        what: &'static str,
        act: impl FnOnce(&mut Database, &ServerId) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let wire = &self.cluster.0.wire;
        wire.travel(self.number, what, Leg::Request).await?;
        let reply = {
            let mut servers = self.cluster.servers();
            let server = ServerId(servers.serving.to_string());
            act(&mut servers.primary, &server)
        };
        wire.travel(self.number, what, Leg::Reply).await?;
        reply
    }
}

#[async_trait]
impl KeyStore for ClusterNode {
    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn tickets(&self) -> Option<&dyn Tickets> {
        Some(self)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let unreadable = self.cluster.unreadable();
        let snapshot = move |it: &mut Database, _: &ServerId| {
            Ok(MemorySnapshot::without(&it.rows, &unreadable))
        };
        let snapshot = self.call("snapshot", snapshot).await?;
        Ok(Box::new(snapshot))
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        self.call("commit", |it, _| Ok(it.commit(change, &audit)?)).await
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        self.call("changes", |it, _| Ok(it.rows.changes(after, max))).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        self.call("find_key", |it, _| Ok(it.rows.key(id).map(|key| it.rows.owned(key)))).await
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        let find = |it: &mut Database, _: &ServerId| {
            Ok(digests.into_iter().filter_map(|digest| it.rows.find_digest(digest)).collect())
        };
        self.call("find_digests", find).await
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        self.call("earlier", |it, _| Ok(it.rows.earlier(&audit))).await
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        let keep = |it: &mut Database, _: &ServerId| {
            for report in reports {
                it.rows.leaks.entry(*report.digest.as_bytes()).or_insert(report);
            }
            Ok(())
        };
        self.call("keep_leaks", keep).await
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        let kept = |it: &mut Database, _: &ServerId| {
            Ok(it.rows.leaks.values().take(max as usize).cloned().collect())
        };
        self.call("kept_leaks", kept).await
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        let forget = |it: &mut Database, _: &ServerId| {
            digests.iter().for_each(|digest| drop(it.rows.leaks.remove(digest.as_bytes())));
            Ok(())
        };
        self.call("forget_leaks", forget).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        let add = |it: &mut Database, _: &ServerId| {
            it.rows.add_usage(batch);
            Ok(())
        };
        self.call("add_usage", add).await
    }

    async fn tend_usage(&self, _: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        let tend = |it: &mut Database, _: &ServerId| {
            it.rows.forget_usage(from);
            Ok(false)
        };
        self.call("tend_usage", tend).await
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.call("latest_reading", |it, _| Ok(it.rows.reading)).await
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        let note = |it: &mut Database, _: &ServerId| {
            Ok(std::mem::replace(&mut it.rows.told_clock_is_right, told))
        };
        self.call("note_clock_is_right", note).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call("ping", |_, _| Ok(())).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Cluster for ClusterNode {
    async fn register(&self) -> Result<Registered, StoreError> {
        let number = self.number;
        self.call("register", |it, _| Ok(it.register(number))).await
    }

    async fn renew(&self, node: NodeId, applied: Mark) -> Result<Renewed, StoreError> {
        let at = &self.cluster.0.at;
        let renew = |it: &mut Database, _: &ServerId| {
            Ok(it.renew(node, applied, UnixMillis(at.load(Ordering::Relaxed))))
        };
        self.call("renew", renew).await
    }

    async fn feed(&self, after: Mark, head: Mark, max: u32) -> Result<Option<Feed>, StoreError> {
        let unreadable = self.cluster.unreadable();
        self.call("feed", |it, _| Ok(it.feed(after, head, max, &unreadable))).await
    }

    async fn standings(&self, marks: Vec<Mark>) -> Result<Standings, StoreError> {
        self.call("standings", |it, server| Ok(it.standings(&marks, server))).await
    }

    async fn mark(&self, silent: Vec<(NodeId, u64)>) -> Result<(), StoreError> {
        let mark = |it: &mut Database, _: &ServerId| {
            it.mark(&silent);
            Ok(())
        };
        self.call("mark", mark).await
    }

    async fn remove(&self, marked: Vec<NodeId>) -> Result<(), StoreError> {
        let remove = |it: &mut Database, _: &ServerId| {
            it.remove(&marked);
            Ok(())
        };
        self.call("remove", remove).await
    }

    async fn confirm(&self, server: ServerId) -> Result<(), StoreError> {
        let confirm = |it: &mut Database, serving: &ServerId| {
            it.confirm(server, serving);
            Ok(())
        };
        self.call("confirm", confirm).await
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let leave = |it: &mut Database, _: &ServerId| {
            it.leave(node);
            Ok(())
        };
        self.call("leave", leave).await
    }
}
