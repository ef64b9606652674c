//! Owners as the index holds them: one object for all keys of an owner, so that a change reaches
//! them at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::record::Owner;

/// An owner of keys in memory.
#[derive(Debug)]
pub struct OwnerState {
    name: Owner,
    /// Written with `Release` and read with `Acquire`, as the state of a key is: a request that
    /// begins after a suspension was reported as done sees it.
    is_suspended: AtomicBool,
}

impl OwnerState {
    /// An owner as the store has it.
    #[must_use]
    pub fn new(name: Owner, is_suspended: bool) -> Self {
        Self { name, is_suspended: AtomicBool::new(is_suspended) }
    }

    /// The owner's id.
    #[must_use]
    pub fn name(&self) -> &Owner {
        &self.name
    }

    /// Whether the owner is suspended, and with it every key that is not revoked.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.is_suspended.load(Ordering::Acquire)
    }

    /// Suspends or resumes the owner: the next request of each of its keys is judged by it.
    pub(crate) fn set_suspended(&self, is_suspended: bool) {
        self.is_suspended.store(is_suspended, Ordering::Release);
    }
}
