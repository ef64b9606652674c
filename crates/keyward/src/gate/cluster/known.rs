//! The newest entry that a node knows the trail to have had: it changes nothing in a trail that
//! lacks it. A node that has not noticed a loss yet would give ids again that were given before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::{Audit, Mark};
use crate::mutant::{self, Mutant};
use crate::rules::{Change, Committed};
use crate::store::StoreError;

use super::{Following, Gate, KeptUp, Membership, Node};

/// Locked for one look, never while waiting.
#[derive(Debug)]
pub(super) struct Known(Mutex<State>);

#[derive(Debug)]
struct State {
    newest: Mark,
    /// The trail lacked it when a change was to follow it.
    is_lost: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self(Mutex::new(State { newest: Mark::START, is_lost: false }))
    }
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Mark {
        self.lock().newest
    }

    /// The trail has this entry, as its head or as one that was applied.
    pub(super) fn hear_of(&self, mark: Mark) {
        let mut state = self.lock();
        if state.newest.change < mark.change {
            *state = State { newest: mark, is_lost: false };
        }
    }

    /// A loss is on record: the trail goes on from here.
    pub(super) fn go_on_from(&self, mark: Mark) {
        *self.lock() = State { newest: mark, is_lost: false };
    }

    /// The trail lacks this entry. It may be from before a loss that is on record meanwhile.
    fn lose(&self, lost: Mark) {
        let mut state = self.lock();
        state.is_lost |= state.newest == lost;
    }

    fn take_lost(&self) -> Option<Mark> {
        let mut state = self.lock();
        std::mem::take(&mut state.is_lost).then_some(state.newest)
    }
}

impl Gate {
    /// Has the store decide about a change, which it rejects if the trail lacks an entry that this
    /// node knows of. Then the next step of following is due at once, and begins with the loss.
    pub(in crate::gate) async fn commit_known(
        &self,
        change: Change,
        audit: Audit,
    ) -> Result<Committed, StoreError> {
        let Some(node) = &self.node else { return self.store.commit(change, audit).await };
        let after = Some(node.known.newest()).filter(|_| !mutant::is(Mutant::NoCheckAtCommit));
        let result = self.store.commit(change, Audit { after, ..audit }).await;
        match &result {
            Ok(committed) => node.known.hear_of(committed.newest),
            Err(StoreError::WentBack(lost)) => {
                node.known.lose(*lost);
                node.nudged.give();
            }
            Err(
                StoreError::Unavailable(_)
                | StoreError::Logged(_)
                | StoreError::Inconsistent(_)
                | StoreError::Unsupported(_),
            ) => {}
        }
        result
    }

    /// What a step of following did if a change was rejected since the last one: the node registers
    /// anew, and reads everything again.
    pub(super) fn was_rejected(&self, node: &Node, following: &mut Following) -> Option<KeptUp> {
        match following.membership {
            Membership::Left => None,
            Membership::In(_) | Membership::Out => {
                let lost = node.known.take_lost()?;
                Some(self.has_lost(node, following, lost))
            }
        }
    }
}
