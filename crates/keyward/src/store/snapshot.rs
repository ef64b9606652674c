//! Everything that deciding needs, as of one instant.

use std::fmt;

use async_trait::async_trait;

use crate::audit::Mark;
use crate::stored::{Key, OwnerRow, TierRow};

use super::{Revisions, StoreError, Unreadable};

/// Rows of one kind.
#[derive(Clone, Debug)]
pub enum Page {
    /// Tiers, in the order of their ids; deleted ones included.
    Tiers(Vec<TierRow>),
    /// Owners, in the order of their names.
    Owners(Vec<OwnerRow>),
    /// Keys, in the order of their ids; revoked ones too. They may lack `last_used_at`: nothing is
    /// decided by it.
    Keys(Vec<Key>),
}

/// A cursor over the rows of a store as of one instant.
///
/// Changes made while it is read are not in it. First come all tiers, then all owners, then all
/// keys, so that rows come after the rows to which they refer: each owner of a key has a row.
///
/// There is a page in memory at a time, or a few. A store that has to hold something for the
/// instant to last, such as a read transaction, lets go of it when the last row is read, when a
/// page fails, when the snapshot is dropped, and when the store is closed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward::memory::MemoryStore;
/// use keyward::store::{KeyStore as _, Page};
///
/// let mut snapshot = MemoryStore::default().snapshot().await?;
/// let (mut tiers, mut keys) = (0, 0);
/// while let Some(page) = snapshot.next(100).await? {
///     match page {
///         Page::Tiers(rows) => tiers += rows.len(),
///         Page::Owners(_) => {}
///         Page::Keys(rows) => keys += rows.len(),
///     }
/// }
/// assert_eq!((tiers, keys), (3, 0));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Snapshot: fmt::Debug + Send {
    /// The newest change that is in it, [`Mark::START`] if there was none.
    /// [`KeyStore::changes`](super::KeyStore::changes) after this one returns the later ones.
    fn newest(&self) -> Mark;

    /// The next rows: 1 to `max` of one kind, where `max` is at least 1. `None` is the end, and
    /// again each time that it is asked for.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if they cannot be read. Then there is nothing more to be had: begin
    /// anew, with another snapshot.
    async fn next(&mut self, max: u32) -> Result<Option<Page>, StoreError>;

    /// Takes the rows that this program cannot read and that were to be in the pages so far. Only
    /// where programs of several versions share a store are there any: elsewhere,
    /// [`Snapshot::next`] fails.
    fn unreadable(&mut self) -> Vec<Unreadable> {
        Vec::new()
    }

    /// Takes when the limits of the rows in the pages since the last call were changed. A store
    /// that one gate has to itself need not know.
    fn revisions(&mut self) -> Revisions {
        Revisions::default()
    }
}
