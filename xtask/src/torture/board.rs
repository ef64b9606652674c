//! The keys that are asked about: the ones that work, the latest changed, and the ended ones.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use super::random::Random;

/// Most ended keys that are asked about again.
const ENDED_MAX: usize = 400;
/// The latest changed ones, which are asked about most.
const LATEST_MAX: usize = 6;

/// A secret, and whose it is.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) key: u64,
    pub(crate) secret: u32,
    pub(crate) text: String,
}

/// Shared by all clients.
#[derive(Debug, Default)]
pub(crate) struct Board(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    working: Vec<Arc<Credential>>,
    latest: VecDeque<Arc<Credential>>,
    ended: VecDeque<Arc<Credential>>,
}

impl Board {
    pub(crate) fn add(&self, credential: &Arc<Credential>) {
        self.write(|it| it.working.push(Arc::clone(credential)));
    }

    /// Says that it was changed.
    pub(crate) fn touch(&self, credential: &Arc<Credential>) {
        self.write(|it| {
            it.latest.push_front(Arc::clone(credential));
            it.latest.truncate(LATEST_MAX);
        });
    }

    /// Says that it works no more, or that it is not known whether it does.
    pub(crate) fn end(&self, credential: &Arc<Credential>) {
        self.write(|it| {
            it.working.retain(|working| !Arc::ptr_eq(working, credential));
            it.ended.push_front(Arc::clone(credential));
            it.ended.truncate(ENDED_MAX);
        });
    }

    /// One to ask about.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<Arc<Credential>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (queue, share) = (&inner.latest, random.below(100));
        let picked = match share {
            0..40 => queue.get(random.below(queue.len())),
            40..55 => inner.ended.get(random.below(inner.ended.len())),
            _ => None,
        };
        picked.or_else(|| random.pick(&inner.working)).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Credential>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.working.iter().chain(&inner.ended).cloned().collect()
    }

    fn write(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
