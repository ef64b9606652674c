//! How long the store takes, and the changes that it makes: each store is asked through here.

mod metered;

use std::array;
use std::fmt;
use std::sync::Arc;

use keyward::audit::Verb;
use keyward::change::KeyChange;
use keyward::rules::{Change, OwnerChange};
use keyward::store::StoreError;
use keyward::time::SteadyNanos;
use keyward_axum::{Clock, SystemClock};
use keyward_sqlite::{CommitSizes, SqliteStore};

use super::Source;
use super::durations::{Durations, OF_STORES, Shown};
use super::page::{ALONE, Page};

pub(crate) use metered::Metered;

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// A change, or a report of a leak, to be durable.
    Commit,
    /// Usage, or a reading of the clock.
    Flush,
    /// Rows, or whether the store responds.
    Read,
    /// A copy of the database.
    Backup,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Commit, Self::Flush, Self::Read, Self::Backup];

    fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Flush => "flush",
            Self::Read => "read",
            Self::Backup => "backup",
        }
    }
}

/// The results of an operation, in the order of their places.
const RESULTS: [&str; 2] = ["ok", "error"];

/// The durations of operations and changes. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct StoreTimes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Box<dyn Clock>,
    operations: [[Durations; RESULTS.len()]; Operation::ALL.len()],
    changes: [Durations; Verb::ALL.len()],
}

impl Default for StoreTimes {
    fn default() -> Self {
        Self::by(SystemClock::start())
    }
}

impl StoreTimes {
    fn by(clock: impl Clock + 'static) -> Self {
        let durations = || Durations::new(&OF_STORES);
        Self(Arc::new(Inner {
            clock: Box::new(clock),
            operations: array::from_fn(|_| array::from_fn(|_| durations())),
            changes: array::from_fn(|_| durations()),
        }))
    }

    fn now(&self) -> SteadyNanos {
        self.0.clock.now().steady
    }

    /// Counts an operation that began then and has its result now.
    fn end<T>(&self, begun: SteadyNanos, operation: Operation, result: &Result<T, StoreError>) {
        let results = self.0.operations.get(operation as usize);
        if let Some(durations) = results.and_then(|it| it.get(usize::from(result.is_err()))) {
            durations.add(self.now().0.saturating_sub(begun.0));
        }
    }

    /// Counts a change that began then and is made now.
    fn changed(&self, begun: SteadyNanos, verb: Verb) {
        let at = Verb::ALL.into_iter().position(|known| known == verb);
        if let Some(durations) = at.and_then(|at| self.0.changes.get(at)) {
            durations.add(self.now().0.saturating_sub(begun.0));
        }
    }

    /// The number of each change with its word.
    fn changes(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 1], Shown)> {
        let shown = self.0.changes.iter().map(Durations::shown);
        Verb::ALL.into_iter().map(|verb| [("change", verb.as_str())]).zip(shown)
    }

    fn operations(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 2], Shown)> {
        let results = Operation::ALL.into_iter().zip(&self.0.operations);
        results.flat_map(|(operation, results)| {
            let name = ("operation", operation.as_str());
            let shown = results.iter().map(Durations::shown);
            RESULTS.into_iter().map(move |result| [name, ("result", result)]).zip(shown)
        })
    }
}

/// The verb that a change has in the audit trail; `None` if it only tells what would be.
fn verb(change: &Change) -> Option<Verb> {
    Some(match change {
        Change::Issue(_) => Verb::Issue,
        Change::Key { change, .. } => match change {
            KeyChange::Rotate { .. } => Verb::Rotate,
            KeyChange::Edit(_) => Verb::Edit,
            KeyChange::Suspend => Verb::Suspend,
            KeyChange::Resume => Verb::Resume,
            KeyChange::Revoke { .. } => Verb::Revoke,
        },
        Change::Import { dry_run: true, .. } => return None,
        Change::Import { dry_run: false, .. } => Verb::Import,
        Change::PutTier { .. } => Verb::PutTier,
        Change::DeleteTier { .. } => Verb::DeleteTier,
        Change::Owner { change, .. } => match change {
            OwnerChange::Suspend => Verb::SuspendOwner,
            OwnerChange::Resume => Verb::ResumeOwner,
            OwnerChange::Edit { .. } => Verb::EditOwner,
        },
        Change::AcceptClock => Verb::AcceptClock,
        Change::Diverged(_) => Verb::Diverged,
    })
}

impl Source for StoreTimes {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter(
            ("keyward_changes", "Changes that were made; an import is one, with all of its keys."),
            self.changes().map(|(labels, shown)| (labels, shown.count)),
        )?;
        page.durations(
            (
                "keyward_change_duration_seconds",
                "Time that a change took until it was durable, its wait for others included.",
            ),
            self.changes(),
        )?;
        page.counter(
            ("keyward_store_operations", "Operations of the store."),
            self.operations().map(|(labels, shown)| (labels, shown.count)),
        )?;
        page.durations(
            (
                "keyward_store_operation_duration_seconds",
                "Time that an operation of the store took.",
            ),
            self.operations(),
        )
    }
}

/// The transactions of the database, if it is a file: PostgreSQL counts its own.
#[derive(Debug)]
pub(crate) struct Commits(pub(crate) Option<Arc<SqliteStore>>);

impl Source for Commits {
    #[expect(clippy::cast_precision_loss, reason = "there are at most 256 changes in a class")]
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let shown = |store: &Arc<SqliteStore>| {
            let CommitSizes { changes, classes } = store.commit_sizes();
            let ends = classes.iter().map(|(most, count)| (*most as f64, *count));
            let classes: Vec<_> = ends.chain([(f64::INFINITY, 0)]).collect();
            let count = classes.iter().map(|(_, count)| count).sum();
            (ALONE, Shown { seconds: changes as f64, count, classes })
        };
        page.durations(
            (
                "keyward_commit_changes",
                "Changes that shared a transaction, flushes of usage among them.",
            ),
            self.0.iter().map(shown),
        )
    }
}
