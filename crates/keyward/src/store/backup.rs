//! A copy of a store that is in use.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::StoreError;

/// A copy of a running database.
#[async_trait]
pub trait Backup: fmt::Debug + Send + Sync {
    /// Writes a consistent copy of everything into a new file at `path`, while changes go on.
    async fn back_up(&self, path: &Path) -> Result<(), StoreError>;
}
