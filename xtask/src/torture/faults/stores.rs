//! Faults of the store, and of the way to it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{GONE_MS, PAUSE_MS, Scene};
use crate::torture::history::{Operation, What};
use crate::torture::link::{Cut, Link};
use crate::torture::node::Node;
use crate::torture::server::Server;

/// How late each piece may be, in milliseconds: as a part of the lease at most, so that a renewal
/// is not given up.
const LATE_MS_MIN: u64 = 5;
const LATE_PART: u64 = 5;
/// How long a standby may lag before it is promoted, in milliseconds.
const LAG_MS: (u64, u64) = (0, 1_500);
/// How long a snapshot is open, in seconds.
const SNAPSHOT_SECS: (u64, u64) = (2, 6);
/// The bytes of COMMIT, and one more.
const COMMIT_BYTES: usize = 7;
/// Changes that ended so long before a standby was cut off may have been on their way, in
/// nanoseconds.
const ON_THE_WAY: u64 = 1_000_000_000;
/// How often a condition is looked at, and for how many looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: usize = 400;
/// The statement of the first round trip of a batch that decides about limits.
const TICKETS: &[u8] = b"ON CONFLICT (bucket) DO UPDATE SET tat";

impl Scene<'_> {
    pub(super) fn drop_connections(&mut self) -> Result<()> {
        if self.random.in_hundred(50) {
            self.store()?.link(self.node.number)?.drop_all();
            return Ok(());
        }
        self.store()?.link(self.node.number)?.close(true);
        self.wait_for_leases()?;
        self.store()?.link(self.node.number)?.close(false);
        Ok(())
    }

    pub(super) fn delay(&mut self) -> Result<()> {
        let most = self.store()?.lease_ms() / LATE_PART;
        let late = Duration::from_millis(self.random.between(LATE_MS_MIN, most));
        self.store()?.link(self.node.number)?.delay(late);
        self.wait_for_leases()?;
        if self.random.in_hundred(50) {
            self.silence()?;
        }
        self.store()?.link(self.node.number)?.delay(Duration::ZERO);
        Ok(())
    }

    pub(super) fn silence(&mut self) -> Result<()> {
        self.store()?.link(self.node.number)?.silence(true);
        self.wait_for_leases()?;
        let ends = self.random.in_hundred(50);
        let link = self.store()?.link(self.node.number)?;
        if ends {
            link.drop_all();
        }
        link.silence(false);
        Ok(())
    }

    pub(super) fn cut_commit(&mut self) -> Result<()> {
        let after = self.random.below(2 * COMMIT_BYTES);
        let cut = if after < COMMIT_BYTES { Cut::After(after) } else { Cut::BeforeResponse };
        let number = self.node.number;
        self.store()?.link(number)?.cut(Some(cut));
        self.until(|scene| Ok(scene.store()?.link(number)?.is_cut()))?;
        self.store()?.link(number)?.cut(None);
        Ok(())
    }

    pub(super) fn terminate(&mut self) -> Result<()> {
        let some = if self.random.in_hundred(50) { "" } else { " ORDER BY random() LIMIT 1" };
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'{some}) AS chosen"
        );
        self.store()?.primary().sql(&sql).map(drop)
    }

    pub(super) fn crash(&mut self) -> Result<()> {
        let server = self.store()?.primary();
        server.crash()?;
        self.wait(GONE_MS);
        server.begin()?;
        self.wait_until_all_are_ready()
    }

    pub(super) fn promote(&mut self) -> Result<()> {
        let (relay, standby) = self.standby()?;
        if self.world.is_done() {
            return Ok(());
        }
        let begin = self.world.clock.now().saturating_sub(ON_THE_WAY);
        relay.close(true);
        self.wait(LAG_MS);
        self.take_over(standby)?;
        self.may_have_lost(begin)?;
        self.wait_until_all_are_ready()
    }

    /// Changes since `begin` may be lost.
    fn may_have_lost(&mut self, begin: u64) -> Result<()> {
        // A node that has not noticed ends a key again that was resumed meanwhile.
        let lease = self.store()?.lease;
        let unnoticed = u64::try_from((lease + lease / 10).as_nanos()).unwrap_or(u64::MAX);
        let (end, node) = (self.world.clock.now() + unnoticed, self.node.number);
        let lost = Operation { begin, end, node, start: 0, what: What::LostTail };
        self.world.recorder.add(lost)
    }

    pub(super) fn strand(&mut self) -> Result<()> {
        self.node.stop();
        let (relay, standby) = self.standby()?;
        let begin = self.world.clock.now().saturating_sub(ON_THE_WAY);
        relay.close(true);
        self.node.start()?;
        self.node.wait_until_ready()?;
        self.wait(LAG_MS);
        // Until here the node renews its lease, and from here on no server can tell it anything.
        standby.promote()?;
        let (store, number) = (self.store()?, self.node.number);
        store.link(number)?.silence(true);
        let former = store.primary();
        store.replace_primary(standby);
        former.crash()?;
        let lease = self.store()?.lease_ms();
        self.wait((lease / 2, lease * 2));
        self.store()?.link(number)?.silence(false);
        self.may_have_lost(begin)?;
        self.wait_until_all_are_ready()
    }

    pub(super) fn fail_over(&mut self) -> Result<()> {
        let (_relay, standby) = self.standby()?;
        let server = self.store()?.primary();
        server.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        server.sql("SELECT pg_reload_conf()")?;
        self.until(|_| {
            let states = server.sql("SELECT sync_state FROM pg_stat_replication")?;
            Ok(states == "sync")
        })?;
        if self.world.is_done() {
            server.sql("ALTER SYSTEM RESET synchronous_standby_names")?;
            return server.sql("SELECT pg_reload_conf()").map(drop);
        }
        self.wait(LAG_MS);
        self.take_over(standby)?;
        self.wait_until_all_are_ready()
    }

    /// A standby, and the relay through which it follows.
    fn standby(&mut self) -> Result<(Link, Server)> {
        let name = format!("standby-{}", self.world.number());
        let store = self.store()?;
        let server = store.primary();
        let relay = Link::start(server.port)?;
        let standby = server.standby(&name, relay.port, &store.ports)?;
        self.until(|_| {
            let states = server.sql("SELECT state FROM pg_stat_replication")?;
            Ok(states == "streaming")
        })?;
        Ok((relay, standby))
    }

    /// Ends the primary, and has the standby take its place.
    fn take_over(&mut self, standby: Server) -> Result<()> {
        let store = self.store()?;
        store.primary().crash()?;
        standby.promote()?;
        store.replace_primary(standby);
        Ok(())
    }

    pub(super) fn snapshot(&mut self) -> Result<()> {
        let seconds = self.random.between(SNAPSHOT_SECS.0, SNAPSHOT_SECS.1);
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class; \
             SELECT pg_sleep({seconds}); COMMIT"
        );
        self.store()?.primary().sql(&sql).map(drop)
    }

    pub(super) fn pause_in_tickets(&mut self) -> Result<()> {
        let number = self.node.number;
        let trap = self.store()?.link(number)?.trap(TICKETS);
        self.until(|_| Ok(trap.is_sprung()))?;
        self.node.pause()?;
        self.store()?.link(number)?.untrap();
        self.wait(PAUSE_MS);
        self.node.go_on()
    }

    /// Looks until a condition holds, or the run ends.
    fn until(&mut self, holds: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        for _ in 0..LOOKS {
            if holds(self)? || !self.world.wait(LOOK_EVERY) {
                break;
            }
        }
        Ok(())
    }

    fn wait_until_all_are_ready(&self) -> Result<()> {
        let mut nodes = self.world.nodes.iter();
        nodes.try_for_each(Node::wait_until_ready).context("after the store was there again")
    }
}
