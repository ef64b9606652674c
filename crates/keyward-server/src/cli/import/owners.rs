//! Suspended owners on their way in.

use crate::client::{Client, Route};

use super::refusal;

/// Suspends the owners of a file. The server suspends keys that come later with their owner, so
/// once is enough, and none of them works in between.
pub(super) struct SuspendedOwners<'a> {
    client: &'a Client,
    dry_run: bool,
}

impl<'a> SuspendedOwners<'a> {
    pub(super) fn new(client: &'a Client, dry_run: bool) -> Self {
        Self { client, dry_run }
    }

    /// Suspends an owner. The inner error is the server's refusal of this one.
    pub(super) fn take(&self, owner: &str) -> anyhow::Result<Result<(), String>> {
        if self.dry_run {
            return Ok(Ok(()));
        }
        match self.client.act_again(&Route::of(["admin", "owners", owner, "suspend"])) {
            Ok(_) => Ok(Ok(())),
            Err(error) => Ok(Err(refusal(error)?)),
        }
    }
}
