//! Suspended owners on their way in.

use crate::client::{Client, ClientError, Route};

use super::refusal;

/// Most suspended owners of one file; they are held in memory until its keys are in.
const OWNERS_MAX: usize = 100_000;

/// Owners that must be suspended when the import ends.
pub(super) struct SuspendedOwners<'a> {
    client: &'a Client,
    dry_run: bool,
    /// Each with the number of its line.
    owners: Vec<(u64, String)>,
}

impl<'a> SuspendedOwners<'a> {
    pub(super) fn new(client: &'a Client, dry_run: bool) -> Self {
        Self { client, dry_run, owners: Vec::new() }
    }

    /// Suspends an owner before its keys are in, so that none of them works in between. The inner
    /// error is the server's refusal of this one.
    pub(super) fn take(&mut self, line: u64, owner: String) -> anyhow::Result<Result<(), String>> {
        if self.dry_run {
            return Ok(Ok(()));
        }
        if OWNERS_MAX <= self.owners.len() {
            return Ok(Err(format!("a file has at most {OWNERS_MAX} suspended owners")));
        }
        match self.suspend(&owner) {
            // Nobody has heard of an owner that has no keys yet.
            Ok(()) | Err(ClientError::NotFound { .. }) => {}
            Err(error) => return Ok(Err(refusal(error)?)),
        }
        self.owners.push((line, owner));
        Ok(Ok(()))
    }

    /// Suspends every owner once more, with the keys that have come since.
    pub(super) fn suspend_again(
        self,
        mut refuse: impl FnMut(u64, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for (line, owner) in &self.owners {
            match self.suspend(owner) {
                Ok(()) => {}
                // None of the owner's keys were in the file.
                Err(ClientError::NotFound { .. }) => {}
                Err(error) => refuse(*line, &refusal(error)?)?,
            }
        }
        Ok(())
    }

    fn suspend(&self, owner: &str) -> Result<(), ClientError> {
        self.client.act_again(&Route::of(["admin", "owners", owner, "suspend"])).map(drop)
    }
}
