//! A copy of a store that is in use.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::StoreError;

/// A copy of a running database.
///
/// ```
/// use std::path::Path;
///
/// use keyward::store::{Backup, StoreError};
///
/// /// A copy for each day of the week; a store does not write over one that is there.
/// async fn back_up(store: &dyn Backup, directory: &Path, day: &str) -> Result<(), StoreError> {
///     store.back_up(&directory.join(format!("keys-{day}.db"))).await
/// }
/// ```
#[async_trait]
pub trait Backup: fmt::Debug + Send + Sync {
    /// Writes a consistent copy of everything into a new file at `path`, while changes go on. A
    /// store that is no file of ours is [`StoreError::Unsupported`].
    async fn back_up(&self, path: &Path) -> Result<(), StoreError>;
}
