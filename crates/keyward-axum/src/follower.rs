//! The loops of a guard that shares its store with others: it follows their changes, renews its
//! lease, and lets its own changes wait until the others have applied them.
//!
//! They run on a thread of their own, so that a flood of requests does not keep a lease from being
//! renewed.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::thread;
use std::time::Duration;

use keyward::gate::KeptUp;
use keyward::store::StoreError;
use tokio::sync::{Notify, oneshot, watch};

use crate::guard::{Guard, finished};
use crate::node_log;

/// A node renews its lease this often while it lasts.
const RENEWALS: u32 = 5;
/// Pauses between two steps of following that fail, or when no lease holds.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// The longest rest after a step that applied several changes.
const REST_MAX: Duration = Duration::from_millis(12);
/// Pauses between two looks at changes that wait.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(5);
/// The same while none waits.
const LOOK_IDLE: Duration = Duration::from_millis(50);
/// How often nodes are looked for that are silent.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The thread of these loops. It ends when this is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Follower {
    /// Starts the loops of a guard; `None` if it has its store to itself.
    pub(crate) fn start(guard: &Guard) -> io::Result<Option<Self>> {
        if guard.gate().standing().is_none() {
            return Ok(None);
        }
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = guard.clone();
        thread::Builder::new().name("keyward-follower".to_owned()).spawn(move || {
            runtime.block_on(run(&guard, stopped));
            drop(runtime);
            // Perhaps no task waits for it.
            ending.send(()).unwrap_or_default();
        })?;
        Ok(Some(Self { stop, ended }))
    }

    /// Ends the loops, and waits for that.
    pub(crate) async fn stop(self) {
        // An error of either is that the thread is gone already.
        self.stop.send(true).unwrap_or_default();
        self.ended.await.unwrap_or_default();
    }
}

async fn run(guard: &Guard, mut stopped: watch::Receiver<bool>) {
    let turns = Turns::default();
    tokio::select! {
        () = listen(guard, &turns) => {}
        () = notice(guard, &turns) => {}
        () = keep_up(guard, &turns) => {}
        () = settle(guard, &turns) => {}
        () = tidy(guard) => {}
        () = node_log::watch(guard) => {}
        // An error is that it was dropped.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// What the loops tell each other.
#[derive(Debug, Default)]
struct Turns {
    /// Something may have changed.
    hinted: Notify,
    /// A step of following has ended.
    moved: Notify,
    /// While changes come in a stream, how long this node rests after a step: the next one, with
    /// its acknowledgement, is then for all that was committed meanwhile. Each of eight nodes that
    /// took a step for each commit of any would leave no processor to the commits. Zero otherwise.
    rest: Cell<Duration>,
}

/// Passes on that something may have changed.
async fn listen(guard: &Guard, turns: &Turns) {
    loop {
        guard.gate().hint().await;
        turns.hinted.notify_one();
    }
}

/// Passes on that an own change waits: this node acknowledges it without a hint of the store. To
/// look before that whether it is settled would be too early.
async fn notice(guard: &Guard, turns: &Turns) {
    loop {
        guard.gate().change_waits().await;
        turns.hinted.notify_one();
    }
}

/// Renews the lease and applies what others changed, until this node has left.
async fn keep_up(guard: &Guard, turns: &Turns) {
    let (mut spread, mut failing) = (Spread::by_chance(), Failing::of("renew the lease"));
    let mut is_hinted = false;
    loop {
        let (begun, before) = (guard.clock().now().steady, applied(guard));
        let stepped = step(guard, move |guard| async move {
            let clock = || guard.clock().now();
            if is_hinted {
                guard.gate().catch_up(&clock).await
            } else {
                guard.gate().keep_up(&clock).await
            }
        });
        let stepped = stepped.await;
        failing.tell(&stepped);
        let took = guard.clock().now().steady.0.saturating_sub(begun.0);
        let rest = rest(applied(guard).saturating_sub(before), Duration::from_nanos(took));
        turns.rest.set(rest);
        turns.moved.notify_one();
        let renewal = left(guard) / RENEWALS;
        let pause = match stepped {
            Ok(KeptUp::Behind) if !rest.is_zero() => {
                tokio::time::sleep(rest).await;
                is_hinted = true;
                continue;
            }
            // A hinted step leaves the rest to another one of its kind.
            Ok(KeptUp::Behind) => continue,
            Ok(KeptUp::Out) => {
                is_hinted = false;
                continue;
            }
            Ok(KeptUp::Left | KeptUp::Alone) => return,
            Ok(KeptUp::Current) => renewal,
            Err(_) => renewal.min(RETRY_MAX),
        };
        let hinted = async {
            // To sleep for no time takes up to a millisecond.
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            turns.hinted.notified().await;
        };
        is_hinted = tokio::select! {
            () = tokio::time::sleep(spread.less_than(pause).max(RETRY_MIN)) => false,
            () = hinted => true,
        };
    }
}

/// The rest after a step that applied so many changes and took so long. One alone is no stream: the
/// next one, which a caller may make after it, is followed at once.
fn rest(changes: u64, took: Duration) -> Duration {
    if changes <= 1 { Duration::ZERO } else { (took * 2).min(REST_MAX) }
}

/// The newest change that is applied.
fn applied(guard: &Guard) -> u64 {
    guard.gate().standing().map_or(0, |standing| standing.applied.0)
}

/// How long the lease still holds.
fn left(guard: &Guard) -> Duration {
    let until = guard.gate().standing().map_or(0, |standing| standing.lease_until.0);
    Duration::from_nanos(until.saturating_sub(guard.clock().now().steady.0))
}

/// Looks whether changes that wait are settled: often while there are any.
async fn settle(guard: &Guard, turns: &Turns) {
    let mut failing = Failing::of("look which changes every node has applied");
    let mut pause = LOOK_IDLE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = turns.moved.notified() => pause = LOOK_MIN,
        }
        let stepped = step(guard, |guard| async move {
            let clock = || guard.clock().now();
            guard.gate().settle(&clock).await
        });
        let stepped = stepped.await;
        failing.tell(&stepped);
        pause = match stepped {
            Ok(0) => (pause * 2).min(LOOK_IDLE),
            // The others rest as well.
            Ok(_) => (pause + LOOK_MIN).min(LOOK_MAX).max(turns.rest.get() / 2),
            // The clock ends the wait, with an error if there is no response by then.
            Err(_) => LOOK_IDLE,
        };
    }
}

/// Removes nodes that are silent, now and then.
async fn tidy(guard: &Guard) {
    let (mut spread, mut failing) = (Spread::by_chance(), Failing::of("look for silent nodes"));
    loop {
        tokio::time::sleep(spread.less_than(TIDY_EVERY)).await;
        let stepped = step(guard, |guard| async move {
            let clock = || guard.clock().now();
            guard.gate().tidy(&clock).await
        });
        failing.tell(&stepped.await);
    }
}

/// Takes a step to its end, as a task of its own, so that a panic ends this step alone.
async fn step<T, F>(guard: &Guard, step: impl FnOnce(Guard) -> F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    finished(tokio::spawn(step(guard.clone()))).await?
}

/// A store may fail for hours; the log learns when that begins and when it ends.
struct Failing {
    what: &'static str,
    before: bool,
}

impl Failing {
    fn of(what: &'static str) -> Self {
        Self { what, before: false }
    }

    fn tell<T>(&mut self, stepped: &Result<T, StoreError>) {
        let what = self.what;
        match stepped {
            Err(error) if !self.before => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(%error, cause, "Cannot {what}");
            }
            Ok(_) if self.before => tracing::info!("Can {what} again"),
            Err(_) | Ok(_) => {}
        }
        self.before = stepped.is_err();
    }
}

/// Pauses that differ, so that nodes that start together do not ask together for ever.
struct Spread(u64);

impl Spread {
    fn by_chance() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    /// From three quarters of a pause to all of it.
    fn less_than(&mut self, pause: Duration) -> Duration {
        // A step of SplitMix64's counter (<https://prng.di.unimi.it/splitmix64.c>); its upper bits
        // are even enough for this.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let part = u32::try_from(self.0 >> 56).unwrap_or(0);
        pause - pause / 4 * part / 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_rests_after_a_step_of_several_changes() {
        let step = Duration::from_millis(2);
        assert_eq!([0, 1].map(|changes| rest(changes, step)), [Duration::ZERO; 2]);
        assert_eq!(rest(2, step), step * 2);
        assert_eq!(rest(1_000, Duration::from_secs(1)), REST_MAX);
    }

    #[test]
    fn a_pause_is_made_shorter_by_up_to_a_quarter() {
        let mut spread = Spread(0);
        let second = Duration::from_secs(1);
        let pauses: Vec<_> = (0..1_000).map(|_| spread.less_than(second)).collect();
        assert!(pauses.iter().all(|pause| (second * 3 / 4..=second).contains(pause)));
        let below = |end| pauses.iter().filter(|pause| **pause < end).count();
        assert!((400..600).contains(&below(second * 7 / 8)));
        assert_eq!(spread.less_than(Duration::ZERO), Duration::ZERO);
    }
}
