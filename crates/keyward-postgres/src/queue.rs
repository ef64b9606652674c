//! The changes that wait for a batch.

use std::collections::VecDeque;

use keyward::audit::Audit;
use keyward::rules::{Change, Committed};
use keyward::store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// Most changes of a batch, so that the first of them returns soon.
const BATCH_MAX: usize = 256;

/// A change to make.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) change: Change,
    pub(crate) audit: Audit,
    pub(crate) reply: oneshot::Sender<Result<Committed, StoreError>>,
}

impl Job {
    /// Whether it is a batch of its own.
    fn is_large(&self) -> bool {
        match self.change {
            Change::Import { .. } => true,
            Change::Issue(_)
            | Change::Key { .. }
            | Change::PutTier { .. }
            | Change::DeleteTier { .. }
            | Change::Owner { .. }
            | Change::AcceptClock
            | Change::Diverged(_) => false,
        }
    }

    pub(crate) fn reply(self, result: Result<Committed, StoreError>) {
        // A caller that is gone does not mind.
        self.reply.send(result).unwrap_or_default();
    }
}

/// Jobs in the order in which they came.
pub(crate) struct Queue {
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Jobs that came and have no batch yet.
    waiting: VecDeque<Job>,
}

impl Queue {
    pub(crate) fn new(jobs: mpsc::UnboundedReceiver<Job>) -> Self {
        Self { jobs, waiting: VecDeque::new() }
    }

    /// The jobs of the next batch: all that wait, once there is one. `None` is that no more can
    /// come.
    pub(crate) async fn gather(&mut self) -> Option<Vec<Job>> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.jobs.recv().await?);
        }
        let mut batch = Vec::new();
        self.join(&mut batch);
        Some(batch)
    }

    /// Adds the jobs that came since, as far as they fit into this batch.
    pub(crate) fn join(&mut self, batch: &mut Vec<Job>) {
        while self.waiting.len() < BATCH_MAX
            && let Ok(job) = self.jobs.try_recv()
        {
            self.waiting.push_back(job);
        }
        while batch.len() < BATCH_MAX && !batch.last().is_some_and(Job::is_large) {
            match self.waiting.pop_front() {
                Some(job) if job.is_large() && !batch.is_empty() => {
                    self.waiting.push_front(job);
                    return;
                }
                Some(job) => batch.push(job),
                None => return,
            }
        }
    }

    /// Puts jobs back that have to wait for the batch which they were in, in their order.
    pub(crate) fn put_back(&mut self, jobs: VecDeque<Job>) {
        jobs.into_iter().rev().for_each(|job| self.waiting.push_front(job));
    }
}
