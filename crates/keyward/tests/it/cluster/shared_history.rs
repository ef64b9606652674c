//! Requests of a key at several gates, from a seed: messages that are late or lost, requests that
//! give up, and a server that crashes or is promoted. The history is checked by the lifetimes of
//! requests.

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keyward::audit::Audit;
use keyward::gate::KeptUp;
use keyward::issue::NewKey;
use keyward::limit::{Limit, Limits};
use keyward::memory::MemoryCluster;
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Asked, Gate};

use super::chance::Chance;
use super::two::{AT, LEASE, open, poll};

const GATES: usize = 3;
const BURST: u32 = 5;
const INTERVAL_MS: u64 = 2_000;
const PATIENCE_MS: u64 = 25;

/// The time of everything, in milliseconds since [`AT`].
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn now(&self) -> Now {
        Now::new(UnixMillis(AT.0 + self.millis()), SteadyNanos(self.millis() * 1_000_000))
    }
}

/// A request, and since when it waits.
struct Request {
    begin: u64,
    task: Pin<Box<dyn Future<Output = &'static str>>>,
}

fn request(gate: &Arc<Gate>, secret: &str, time: &Time) -> Request {
    let (begin, gate, secret) = (time.millis(), Arc::clone(gate), secret.to_owned());
    let time = time.clone();
    let task = Box::pin(async move {
        let clock = || time.now();
        let is_over = || match time.millis() < begin + PATIENCE_MS {
            true => Poll::Pending,
            false => Poll::Ready(()),
        };
        let patience = || poll_fn(|_| is_over());
        let (verdict, _) = gate.verify_shared(&Asked::of(&secret), &clock, patience).await;
        verdict.map_or_else(|denied| denied.as_str(), |_| "allowed")
    });
    Request { begin, task }
}

type Step = Pin<Box<dyn Future<Output = ()>>>;

fn keep_up(gate: &Arc<Gate>, time: &Time) -> Step {
    let (gate, time) = (Arc::clone(gate), time.clone());
    // A reply that is lost is an error, and the next step comes soon.
    Box::pin(async move { drop(gate.keep_up(&|| time.now()).await) })
}

/// Accepted requests by their begin and end, and how many had which verdict.
#[derive(Default)]
struct History {
    accepted: Vec<(u64, u64)>,
    limited: usize,
    unavailable: usize,
    uncertain: usize,
}

async fn start(time: &Time) -> (MemoryCluster, Vec<Arc<Gate>>, String) {
    let cluster = MemoryCluster::new(LEASE);
    cluster.set_time(AT);
    let mut gates = Vec::new();
    for number in 0..GATES {
        gates.push(Arc::new(open(&cluster, number).await));
    }
    let number = |number| NonZeroU32::new(number).unwrap();
    // It fills within 10 s, and is lost in a crash.
    let limit = Limit::new("a", number(30), Duration::from_secs(60), number(BURST)).unwrap();
    let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
    let key = NewKey { limits: Some(Limits::of(Some(limit))), ..key };
    let mut issued = Box::pin(gates[0].issue(key, Audit::program(AT)));
    let clock = || time.now();
    loop {
        if let Some(issued) = poll(issued.as_mut()) {
            let secret = issued.unwrap().secret.expose().to_owned();
            return (cluster, gates.clone(), secret);
        }
        for gate in &gates {
            while gate.keep_up(&clock).await.unwrap() != KeptUp::Current {}
            gate.settle(&clock).await.unwrap();
        }
    }
}

async fn run(seed: u64) -> History {
    let time = Time::default();
    let (cluster, gates, secret) = start(&time).await;
    cluster.wire().hold();
    let (mut chance, mut history) = (Chance(seed), History::default());
    let mut requests = Vec::<Request>::new();
    let mut steps: Vec<Option<Step>> = (0..GATES).map(|_| None).collect();
    for _ in 0..8_000 {
        time.0.fetch_add(u64::try_from(chance.below(10)).unwrap(), Ordering::Relaxed);
        cluster.set_time(time.now().unix);
        if requests.len() < 12 {
            requests.push(request(&gates[chance.below(GATES)], &secret, &time));
        }
        for letter in cluster.wire().letters() {
            match chance.below(40) {
                0 => cluster.wire().lose(letter.number),
                1..35 => cluster.wire().deliver(letter.number),
                _ => {}
            }
        }
        if chance.one_in(400) {
            cluster.replicate();
            if chance.one_in(2) { cluster.crash() } else { cluster.fail_over() }
        }
        let mut context = Context::from_waker(Waker::noop());
        for (step, gate) in steps.iter_mut().zip(&gates) {
            if step.is_none() && chance.one_in(8) {
                *step = Some(keep_up(gate, &time));
            }
            let done = step.as_mut().map(|step| step.as_mut().poll(&mut context).is_ready());
            if done == Some(true) {
                *step = None;
            }
        }
        requests.retain_mut(|Request { begin, task }| {
            let Poll::Ready(word) = task.as_mut().poll(&mut context) else { return true };
            match word {
                "allowed" => history.accepted.push((*begin, time.millis())),
                "limited" => history.limited += 1,
                "unavailable" => history.unavailable += 1,
                "uncertain" => history.uncertain += 1,
                other => panic!("{other}"),
            }
            false
        });
    }
    history
}

/// In each span from an arrival to a response, the requests whose whole lifetime lies in it are at
/// most the burst, and one for each interval.
fn check(accepted: &[(u64, u64)]) -> Result<(), String> {
    for (from, _) in accepted {
        let mut ends: Vec<u64> =
            accepted.iter().filter(|(begin, _)| from <= begin).map(|(_, end)| *end).collect();
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

#[tokio::test]
async fn gates_together_exceed_no_limit() {
    let mut all = History::default();
    for seed in 0..10 {
        let history = run(seed).await;
        assert_eq!(check(&history.accepted), Ok(()), "seed {seed}");
        let History { accepted, limited, unavailable, uncertain } = history;
        all.accepted.extend(accepted);
        all.limited += limited;
        all.unavailable += unavailable;
        all.uncertain += uncertain;
    }
    let counts = (all.accepted.len(), all.limited, all.unavailable, all.uncertain);
    assert!(50 < counts.0 && 1_000 < counts.1 && 1_000 < counts.2, "{counts:?}");
}

#[test]
fn a_history_that_exceeds_the_limit_is_noticed() {
    let accepted = |count: u64| (0..count).map(|at| (at, at + 5)).collect::<Vec<_>>();
    assert_eq!(check(&accepted(5)), Ok(()));
    assert!(check(&accepted(6)).is_err());
}
