//! The rows that a transaction has written already, so that its next change need not.

use std::collections::HashSet;

use keyward::time::UnixHour;

/// Most prefixes that are remembered from one change to the next; people have a handful.
const PREFIXES_KEPT_MAX: usize = 64;

/// It is true as long as the transaction lasts and nothing of it is rolled back.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The prefixes of secrets.
    pub(super) prefixes: HashSet<String>,
    /// The hour that is open for new keys.
    pub(super) hour_of_keys: Option<UnixHour>,
    /// The hour that is open for new entries of the trail.
    pub(super) hour_of_entries: Option<UnixHour>,
}

impl Written {
    /// Forgets the parts that would grow with the number of changes.
    pub(super) fn shrink(&mut self) {
        if PREFIXES_KEPT_MAX < self.prefixes.len() {
            self.prefixes.clear();
        }
    }
}
