//! Limits that several processes share, from a seed: responses that are lost, a server that crashes
//! and one that is promoted. The history is checked by the lifetimes of requests.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyward::KeyId;
use keyward::limit::{Cost, Limit, Limits};
use keyward::memory::MemoryCluster;
use keyward::store::{KeyStore as _, Tickets as _};
use keyward::ticket::{Ask, Revision, Terms, Ticket};
use keyward::time::UnixMillis;

use super::chance::Chance;
use super::world::LEASE;

const START: u64 = 1_800_000_000_000;
const BURST: u32 = 5;
const INTERVAL_MS: u64 = 2_000;

/// A request that was accepted: when it came, and when its response left.
struct Accepted {
    begin: u64,
    end: u64,
}

struct Asking {
    begin: u64,
    task: Pin<Box<dyn Future<Output = Ticket>>>,
}

fn ask(per: Duration, amount: u32) -> Ask {
    let number = |number| NonZeroU32::new(number).unwrap();
    let limit = Limit::new("a", number(amount), per, number(BURST)).unwrap();
    let id = KeyId::new(7).unwrap();
    Ask {
        own: Terms::of_key(id, Limits::of(Some(limit)), Revision(1)),
        owner: None,
        cost: Cost::ONE,
    }
}

/// The result of one run: accepted requests, and how many were denied and unavailable.
struct Run {
    accepted: Vec<Accepted>,
    denied: usize,
    unavailable: usize,
}

fn run(seed: u64, ask: &Ask, may_lose_rows: bool) -> Run {
    let cluster = MemoryCluster::new(LEASE);
    cluster.wire().hold();
    let nodes: Vec<_> = (0..3).map(|number| Arc::new(cluster.node(number))).collect();
    let (mut chance, mut at, mut asking) = (Chance(seed), START, Vec::<Asking>::new());
    let mut run = Run { accepted: Vec::new(), denied: 0, unavailable: 0 };
    for _ in 0..2_000 {
        at += u64::try_from(chance.below(60)).unwrap();
        cluster.set_time(UnixMillis(at));
        if asking.len() < 12 {
            let (node, ask) = (Arc::clone(&nodes[chance.below(3)]), ask.clone());
            let task = Box::pin(async move { node.take(ask).await });
            asking.push(Asking { begin: at, task });
        }
        for letter in cluster.wire().letters() {
            match chance.below(20) {
                0 => cluster.wire().lose(letter.number),
                1..15 => cluster.wire().deliver(letter.number),
                _ => {}
            }
        }
        if may_lose_rows && chance.one_in(200) {
            if chance.one_in(2) { cluster.crash() } else { cluster.fail_over() }
        }
        let mut context = Context::from_waker(Waker::noop());
        asking.retain_mut(|Asking { begin, task }| {
            let Poll::Ready(ticket) = task.as_mut().poll(&mut context) else { return true };
            match ticket {
                Ticket::Granted(_) => run.accepted.push(Accepted { begin: *begin, end: at }),
                Ticket::Exceeded(_) => run.denied += 1,
                Ticket::Unavailable => run.unavailable += 1,
                Ticket::TooCostly | Ticket::Stale(_) => panic!("{ticket:?}"),
            }
            false
        });
    }
    run
}

/// In each span from an arrival to a response, the requests whose whole lifetime lies in it are at
/// most the burst, and one for each interval.
fn check(accepted: &[Accepted]) -> Result<(), String> {
    for from in accepted.iter().map(|one| one.begin) {
        let mut ends: Vec<u64> =
            accepted.iter().filter(|one| from <= one.begin).map(|one| one.end).collect();
        ends.sort_unstable();
        for (count, to) in (1_u64..).zip(ends) {
            let allowed = u64::from(BURST) + (to - from) / INTERVAL_MS;
            if allowed < count {
                return Err(format!("{count} in {} ms", to - from));
            }
        }
    }
    Ok(())
}

#[test]
fn processes_together_exceed_no_limit() {
    let (brief, long) = (Duration::from_secs(60), Duration::from_secs(3_600));
    for seed in 0..20 {
        // 5 at once and one each 2 s: it fills within 10 s, and is lost in a crash.
        let lost = run(seed, &ask(brief, 30), true);
        assert_eq!(check(&lost.accepted), Ok(()), "seed {seed}");
        assert!(20 < lost.denied && 20 < lost.unavailable, "seed {seed}");
        let kept = run(seed, &ask(long, 1_800), false);
        assert_eq!(check(&kept.accepted), Ok(()), "seed {seed}");
        assert!(BURST as usize + 10 < kept.accepted.len(), "seed {seed}");
    }
}

/// A limit that takes longer than a minute to fill survives what brief ones do not.
#[test]
fn a_long_limit_survives_a_crash() {
    let cluster = MemoryCluster::new(LEASE);
    cluster.set_time(UnixMillis(START));
    let node = cluster.node(0);
    let tickets = node.tickets().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (long, brief) = (ask(Duration::from_secs(3_600), 5), ask(Duration::from_secs(60), 60));
        for _ in 0..BURST {
            assert!(matches!(tickets.take(long.clone()).await, Ticket::Granted(_)));
        }
        cluster.crash();
        assert!(matches!(tickets.take(long).await, Ticket::Exceeded(_)));
        // The brief one counts as empty from that moment on.
        assert!(matches!(
            tickets.take(brief.clone()).await,
            Ticket::Unavailable | Ticket::Exceeded(_)
        ));
        cluster.set_time(UnixMillis(START + 1_000));
        assert!(matches!(tickets.take(brief).await, Ticket::Granted(_)));
    });
}
