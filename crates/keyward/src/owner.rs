//! Owners as the index holds them: one object for all keys of an owner, so that a change reaches
//! them at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::limit::{Limits, Revision, SharedBuckets};
use crate::record::Owner;
use crate::time::ReadClock;

/// An owner of keys in memory.
#[derive(Debug)]
pub struct OwnerState {
    name: Owner,
    /// Written with `Release` and read with `Acquire`, as the state of a key is: a request that
    /// begins after a suspension was reported as done sees it.
    is_suspended: AtomicBool,
    /// Of the limits that all keys of the owner share, on top of each key's own.
    buckets: SharedBuckets,
}

impl OwnerState {
    /// An owner as the store has it.
    #[must_use]
    pub fn new(name: Owner, is_suspended: bool) -> Self {
        let is_suspended = AtomicBool::new(is_suspended);
        Self { name, is_suspended, buckets: SharedBuckets::default() }
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

    /// Puts other limits in force for all keys of the owner together. A limit whose name was there
    /// keeps its use; one with a new name begins full. The clock is read when requests no longer
    /// take from the former limits.
    ///
    /// Changes of one owner must come one after the other.
    pub(crate) fn set_limits(&self, limits: &Limits, revision: Revision, clock: ReadClock<'_>) {
        self.buckets.set(limits, revision, clock);
    }

    /// The buckets of those limits.
    pub(crate) fn buckets(&self) -> &SharedBuckets {
        &self.buckets
    }
}
