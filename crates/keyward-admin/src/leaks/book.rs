//! Where reports are kept before their responses are sent, so that they survive.
//!
//! A commit takes the longer the more it writes, and only real keys are written. So reports wait
//! for a beat, the reports of one beat share a commit, and the first beat after the commit releases
//! their responses: the time reveals only that there was a commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward::store::LeakReport;
use keyward_axum::{Guard, Rejection};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::failure::broken;

/// Time from one beat to the next, which has room for a commit. There is at most one in each.
const BEAT: Duration = Duration::from_millis(20);

/// Keeps reports. A clone is the same book.
#[derive(Clone, Debug)]
pub(super) struct Book(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The first beat.
    start: Instant,
    /// The reports of the next commit; `None` if no task would make it. Locked for one step.
    waiting: Mutex<Option<Vec<Waiting>>>,
}

/// The reports of one request.
#[derive(Debug)]
struct Waiting {
    reports: Vec<LeakReport>,
    /// Receives whether they are kept.
    kept: oneshot::Sender<bool>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { start: Instant::now(), waiting: Mutex::new(None) }))
    }

    /// Keeps the reports that name a key of ours; there may be none.
    ///
    /// # Errors
    ///
    /// Returns 503 if they may not survive.
    pub(super) async fn keep(
        &self,
        guard: &Guard,
        reports: Vec<LeakReport>,
    ) -> Result<(), Rejection> {
        let (kept, told) = oneshot::channel();
        if self.put(Waiting { reports, kept }) {
            tokio::spawn(self.clone().commit_on_beats(guard.clone()));
        }
        match told.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Rejection::unavailable()),
        }
    }

    /// Adds reports. Returns whether a task is needed that keeps them.
    fn put(&self, reports: Waiting) -> bool {
        let mut waiting = self.lock();
        let is_first = waiting.is_none();
        waiting.get_or_insert_default().push(reports);
        is_first
    }

    /// Takes the waiting reports; `None` if there are none, and then the next report needs a task.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut waiting = self.lock();
        let batch = waiting.take().filter(|batch| !batch.is_empty())?;
        *waiting = Some(Vec::new());
        Some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one commit on each beat, and on the next one reports its result, until no report
    /// waits.
    async fn commit_on_beats(self, guard: Guard) {
        let (mut to_tell, mut kept) = (Vec::new(), false);
        loop {
            sleep_until(self.next_beat()).await;
            tell(&mut to_tell, kept);
            let Some(batch) = self.take() else { return };
            let mut reports = Vec::new();
            for one in batch {
                reports.extend(one.reports);
                to_tell.push(one.kept);
            }
            kept = match guard.gate().store().keep_leaks(reports).await {
                Ok(()) => true,
                Err(error) => {
                    drop(broken(error));
                    false
                }
            };
        }
    }

    fn next_beat(&self) -> Instant {
        let beats = self.0.start.elapsed().as_nanos() / BEAT.as_nanos() + 1;
        self.0.start + BEAT.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX))
    }
}

/// Tells the waiting requests whether their reports are kept. Some may have ended.
fn tell(to_tell: &mut Vec<oneshot::Sender<bool>>, kept: bool) {
    for one in to_tell.drain(..) {
        one.send(kept).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward::Gate;
    use keyward::UnixMillis;
    use keyward::digest::Digest;
    use keyward::key::Prefix;
    use keyward::memory::MemoryStore;
    use keyward_axum::{GuardOptions, SystemClock};

    use super::*;

    fn report(number: u8) -> LeakReport {
        let digest = Digest::from_stored([number; 32]);
        LeakReport { digest, reason: None, address: None, request_id: None, at: UnixMillis(0) }
    }

    async fn guard(store: &Arc<MemoryStore>) -> Guard {
        let gate = Gate::open(Arc::clone(store) as _, Prefix::default()).await.unwrap();
        Guard::new(gate, SystemClock::start(), GuardOptions::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_waits_for_a_beat_and_the_first_one_after_the_commit() {
        let guard = guard(&Arc::default()).await;
        let book = Book::new();
        let start = book.0.start;
        tokio::time::advance(Duration::from_millis(7)).await;
        for (reports, released_at) in [(vec![report(1)], 40), (Vec::new(), 80), (vec![], 120)] {
            book.keep(&guard, reports).await.unwrap();
            assert_eq!(start.elapsed().as_millis(), released_at);
        }
        assert_eq!(guard.gate().store().kept_leaks(9).await.unwrap(), [report(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_of_one_beat_are_kept_together_or_not_at_all() {
        let store = Arc::new(MemoryStore::default());
        let guard = guard(&store).await;
        let book = Book::new();
        let keep = |number| book.keep(&guard, vec![report(number)]);
        let (one, two) = tokio::join!(keep(1), keep(2));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(guard.gate().store().kept_leaks(9).await.unwrap().len(), 2);
        store.set_broken(true);
        let (three, none) = tokio::join!(keep(3), book.keep(&guard, Vec::new()));
        assert!(three.is_err() && none.is_err());
        store.set_broken(false);
        assert!(keep(4).await.is_ok());
        assert_eq!(guard.gate().store().kept_leaks(9).await.unwrap().len(), 3);
    }
}
