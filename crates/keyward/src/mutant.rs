//! Rules of a cluster that a test leaves out, to see that it is noticed.

#[cfg(any(test, feature = "testing"))]
use std::cell::Cell;
#[cfg(any(test, feature = "testing"))]
use std::sync::atomic::{AtomicUsize, Ordering};

/// The environment variable with the name of a rule that the whole process leaves out.
#[cfg(any(test, feature = "testing"))]
const VARIABLE: &str = "MUTANT_OF_KEYWARD";

/// A rule of a cluster that is left out or done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        unreachable_pub,
        reason = "tests alone choose one, and some are theirs alone"
    )
)]
pub enum Mutant {
    /// The lease is not looked at.
    EndlessLease,
    /// A lease is granted when the keys are loaded.
    LeaseFromLoading,
    /// The lease begins when the renewal returned, and not when it was sent.
    LeaseFromReply,
    /// A node says that it has applied entries before it has.
    AckBeforeApplying,
    /// A revocation that was made before is acknowledged at once.
    EarlyRepeat,
    /// A node is removed, without being marked before, when it has not renewed between two looks.
    OnePhase,
    /// A node is marked when it has not renewed between two looks, which is allowed, and removed at
    /// the next one.
    EarlyRemoval,
    /// Acknowledgements count although the server is another one than the confirmed one.
    NoQuarantine,
    /// A server is confirmed at once.
    EarlyConfirm,
    /// A change is applied to the index next to the feed.
    LocalApply,
    /// A renewal does not ask whether the trail has the mark.
    NoChainCheck,
    /// A process that starts again takes over the registration of the one before it.
    SharedId,
    /// A change is acknowledged as soon as the own node has applied it.
    OwnAckAlone,
    /// A change is made whether or not the trail has the newest entry that its node knows of.
    NoCheckAtCommit,
    /// A server that was promoted goes on with the ids that it knows of.
    SameIdsAfterPromotion,
}

#[cfg(any(test, feature = "testing"))]
impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::EndlessLease,
        Self::LeaseFromLoading,
        Self::LeaseFromReply,
        Self::AckBeforeApplying,
        Self::EarlyRepeat,
        Self::OnePhase,
        Self::EarlyRemoval,
        Self::NoQuarantine,
        Self::EarlyConfirm,
        Self::LocalApply,
        Self::NoChainCheck,
        Self::SharedId,
        Self::OwnAckAlone,
        Self::NoCheckAtCommit,
        Self::SameIdsAfterPromotion,
    ];
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Leaves a rule out on this thread while `run` runs.
#[cfg(any(test, feature = "testing"))]
pub fn with<T>(mutant: Option<Mutant>, run: impl FnOnce() -> T) -> T {
    struct Restore(Option<Mutant>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }
    let _restore = Restore(CHOSEN.replace(mutant));
    run()
}

/// The place in [`Mutant::ALL`] of the rule that this process leaves out; past its end for none.
#[cfg(any(test, feature = "testing"))]
static OF_PROCESS: AtomicUsize = AtomicUsize::new(UNREAD);
#[cfg(any(test, feature = "testing"))]
const UNREAD: usize = usize::MAX;

/// Whether this rule is left out on this thread, or in this process.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn is(mutant: Mutant) -> bool {
    CHOSEN.get() == Some(mutant) || of_process() == Some(mutant)
}

/// The rule that the environment names.
#[cfg(any(test, feature = "testing"))]
fn of_process() -> Option<Mutant> {
    let mut at = OF_PROCESS.load(Ordering::Relaxed);
    if at == UNREAD {
        let name = std::env::var(VARIABLE).unwrap_or_default();
        let is_it = |mutant: &Mutant| format!("{mutant:?}") == name;
        at = Mutant::ALL.iter().position(is_it).unwrap_or(Mutant::ALL.len());
        OF_PROCESS.store(at, Ordering::Relaxed);
    }
    Mutant::ALL.get(at).copied()
}

/// Whether this rule is left out: never, outside of tests.
#[cfg(not(any(test, feature = "testing")))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
