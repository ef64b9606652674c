//! The differences since a change, for followers.

use crate::audit::ChangeId;
use crate::stored::{Key, OwnerRow, TierRow};

/// Rows that are different since a change, as they are now.
///
/// It is state and not operations: all changes of a row between two reads are one row here, and a
/// row that is sent twice does no harm. A row may be newer than [`Changes::until`], in which case
/// it comes again. The rows to which these refer are among them or were sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Tiers that were written or deleted, by their ids: of two that had the same name after each
    /// other, the first is gone.
    pub tiers: Vec<TierRow>,
    /// Owners that were changed, and those of the keys below, in the order of their names.
    pub owners: Vec<OwnerRow>,
    /// Keys that were issued, imported or changed, in the order of their ids.
    pub keys: Vec<Key>,
    /// These are all up to this change: ask for the changes after it the next time.
    pub until: ChangeId,
    /// The newest change as of this instant. If that is [`Changes::until`], there is no more.
    pub newest: ChangeId,
}
