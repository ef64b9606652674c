//! How many transactions were committed, and how many changes shared each.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest numbers of changes of the classes in which transactions are counted.
const BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The transactions of a store, counted as they are committed. Relaxed: numbers to look at.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    all: AtomicU64,
    changes: AtomicU64,
    /// Of transactions with no more changes than each of [`BOUNDS`], and more than the one before.
    sizes: [AtomicU64; BOUNDS.len()],
}

/// How many changes shared a transaction, since the store was opened.
///
/// Flushes of usage and reports of leaks are changes as well; work of the store's own, such as
/// writing the rows that lists need, is in no number of it.
///
/// ```
/// use keyward_sqlite::CommitSizes;
///
/// // The value of a store that has committed nothing.
/// let sizes = CommitSizes::default();
/// assert_eq!((sizes.changes, sizes.classes[0]), (0, (1, 0)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSizes {
    /// All changes of all transactions together.
    pub changes: u64,
    /// The most changes of a class, and how many transactions had that many, or fewer and more than
    /// the class before. At most 256 changes share a transaction.
    pub classes: [(u64, u64); BOUNDS.len()],
}

impl Default for CommitSizes {
    fn default() -> Self {
        Self { changes: 0, classes: BOUNDS.map(|bound| (bound, 0)) }
    }
}

impl Commits {
    /// Counts a transaction with so many changes; 0 is one of the store's own.
    pub(crate) fn count(&self, changes: usize) {
        self.all.fetch_add(1, Ordering::Relaxed);
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        let class = BOUNDS.iter().zip(&self.sizes).find(|(bound, _)| changes <= **bound);
        if let Some((_, class)) = class.filter(|_| changes != 0) {
            self.changes.fetch_add(changes, Ordering::Relaxed);
            class.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    pub(crate) fn sizes(&self) -> CommitSizes {
        let class = |(bound, count): (u64, &AtomicU64)| (bound, count.load(Ordering::Relaxed));
        let mut classes = BOUNDS.into_iter().zip(&self.sizes).map(class);
        let classes = array::from_fn(|_| classes.next().unwrap_or_default());
        CommitSizes { changes: self.changes.load(Ordering::Relaxed), classes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_in_the_class_of_its_size() {
        let commits = Commits::default();
        for changes in [0, 1, 2, 3, 4, 5, 256, 256] {
            commits.count(changes);
        }
        let sizes = commits.sizes();
        assert_eq!((commits.all(), sizes.changes), (8, 527));
        let counts = sizes.classes.map(|(_, count)| count);
        assert_eq!(counts, [1, 1, 2, 1, 0, 0, 0, 0, 2]);
    }
}
