//! What the log says of a node of a cluster: whatever changes, once.

use std::time::Duration;

use keyward::gate::Standing;
use keyward::time::SteadyNanos;

use crate::guard::Guard;

/// How often it is looked whether there is something to say.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// By how much the wall clock may differ from the store's without being mentioned, and by how much
/// after it was.
const WALL_OFF_MS: u64 = 1_000;
const WALL_RIGHT_MS: u64 = 500;

/// Something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Uncertain,
    Certain,
    ClockOff(i64),
    ClockRight,
    Unreadable(usize),
    Readable,
    Expelled(u64),
    Diverged,
    Dropped(u64),
}

/// How a node stood when it was looked at last.
#[derive(Clone, Copy, Debug)]
struct Last {
    is_certain: bool,
    is_clock_off: bool,
    unreadable: usize,
    expelled: u64,
    diverged: u64,
    dropped: u64,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            // A start without a lease is told by what follows it, or fails to.
            is_certain: true,
            is_clock_off: false,
            unreadable: 0,
            expelled: 0,
            diverged: 0,
            dropped: 0,
        }
    }
}

/// Looks at a guard for ever; ends if it has its store to itself.
pub(crate) async fn watch(guard: &Guard) {
    let mut last = Last::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(standing) = guard.gate().standing() else { return };
        let now = guard.clock().now().steady;
        last.look(&standing, now).into_iter().for_each(News::tell);
    }
}

impl Last {
    /// The news since the last look.
    fn look(&mut self, standing: &Standing, now: SteadyNanos) -> Vec<News> {
        let mut news = Vec::new();
        let is_certain = now < standing.lease_until;
        if is_certain != self.is_certain {
            news.push(if is_certain { News::Certain } else { News::Uncertain });
        }
        let off = standing.wall_ahead_ms.unsigned_abs();
        let is_clock_off =
            if self.is_clock_off { WALL_RIGHT_MS <= off } else { WALL_OFF_MS <= off };
        if is_clock_off != self.is_clock_off {
            let told = News::ClockOff(standing.wall_ahead_ms);
            news.push(if is_clock_off { told } else { News::ClockRight });
        }
        match standing.unreadable {
            0 if 0 < self.unreadable => news.push(News::Readable),
            rows if self.unreadable < rows => news.push(News::Unreadable(rows)),
            _ => {}
        }
        if self.expelled < standing.expelled {
            news.push(News::Expelled(standing.expelled - self.expelled));
        }
        if self.diverged < standing.diverged {
            news.push(News::Diverged);
        }
        if self.dropped < standing.dropped {
            news.push(News::Dropped(standing.dropped - self.dropped));
        }
        *self = Self {
            is_certain,
            is_clock_off,
            unreadable: standing.unreadable,
            expelled: standing.expelled,
            diverged: standing.diverged,
            dropped: standing.dropped,
        };
        news
    }
}

impl News {
    fn tell(self) {
        match self {
            Self::Uncertain => tracing::error!(
                "The lease has ended: requests get 503 until the database is heard from"
            ),
            Self::Certain => tracing::info!("The lease holds again: requests are decided"),
            Self::ClockOff(ahead_ms) => tracing::warn!(
                ahead_ms,
                "The clock of this machine differs from the database's, by which requests are \
                 decided; at 30 s the node is not ready"
            ),
            Self::ClockRight => tracing::info!("The clock of this machine is the database's again"),
            Self::Unreadable(rows) => tracing::error!(
                rows,
                "Some keys or tiers are unreadable to this version: requests of these keys get 503"
            ),
            Self::Readable => tracing::info!("All keys and tiers can be read again"),
            Self::Expelled(nodes) => {
                tracing::warn!(nodes, "Removed nodes that were silent for the time of their lease");
            }
            Self::Diverged => tracing::error!(
                "The database lost changes that this node had seen; what it knows to be revoked, \
                 replaced or suspended is made so again"
            ),
            Self::Dropped(requests) => {
                tracing::warn!(requests, "Dropped counts of keys that the database lost");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward::audit::ChangeId;

    use super::*;

    fn well() -> Standing {
        Standing {
            lease: Duration::from_secs(5),
            lease_until: SteadyNanos(100),
            applied: ChangeId(1),
            waiting: 0,
            settled: 0,
            settled_by_clock: 0,
            expelled: 0,
            diverged: 0,
            dropped: 0,
            unreadable: 0,
            wall_ahead_ms: 0,
        }
    }

    #[test]
    fn each_change_is_told_once() {
        let mut last = Last::default();
        let mut look = |standing: &Standing, now| last.look(standing, SteadyNanos(now));
        assert_eq!(look(&well(), 99), []);
        assert_eq!(look(&well(), 100), [News::Uncertain]);
        assert_eq!(look(&well(), 101), []);
        assert_eq!(look(&well(), 50), [News::Certain]);
        let worse = Standing { expelled: 2, diverged: 1, dropped: 7, unreadable: 3, ..well() };
        let told = [News::Unreadable(3), News::Expelled(2), News::Diverged, News::Dropped(7)];
        assert_eq!(look(&worse, 50), told);
        assert_eq!(look(&worse, 50), []);
        let more = Standing { expelled: 3, unreadable: 4, ..worse };
        assert_eq!(look(&more, 50), [News::Unreadable(4), News::Expelled(1)]);
        assert_eq!(look(&Standing { unreadable: 1, ..more }, 50), []);
        assert_eq!(look(&Standing { unreadable: 0, ..more }, 50), [News::Readable]);
    }

    #[test]
    fn a_clock_that_is_a_second_off_is_told_until_it_is_right() {
        let mut last = Last::default();
        let mut look =
            |ahead| last.look(&Standing { wall_ahead_ms: ahead, ..well() }, SteadyNanos(0)).pop();
        assert_eq!((look(999), look(-1_000)), (None, Some(News::ClockOff(-1_000))));
        assert_eq!((look(5_000), look(990), look(500)), (None, None, None));
        assert_eq!((look(499), look(0)), (Some(News::ClockRight), None));
    }
}
