//! Whether the audit trail is as it was written: checked when the program starts and once an hour.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::audit::{Chain, ChainDigest, ChangeId};
use keyward::query::{AuditFilter, AuditQuery};
use keyward::store::{KeyStore, Reports, StoreError};
use keyward_axum::Guard;

use super::Source;
use super::page::{ALONE, Page};

/// Pause between two checks. One reads the whole trail: a second or two for a million entries.
const CHECK_EVERY: Duration = Duration::from_secs(60 * 60);
/// Entries that are read at once.
const PAGE: NonZeroU32 = NonZeroU32::new(1_000).expect("1000 is not zero");

/// The result of the last check. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Option<Found>>>);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    is_valid: bool,
    /// Up to the end, or to where it breaks.
    entries: u64,
}

impl Trail {
    /// Checks the trail now and once an hour, for as long as it is polled.
    pub(crate) async fn check_for_ever(self, guard: Guard, reports: Arc<dyn Reports>) {
        loop {
            match check(guard.gate().store(), &*reports).await {
                Ok(found) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found),
                Err(error) => tracing::warn!(%error, "The audit trail could not be checked"),
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }
}

/// Walks the trail from its beginning, and looks whether the newest change that is known apart from
/// it is there.
async fn check(store: &dyn KeyStore, reports: &dyn Reports) -> Result<Found, StoreError> {
    // Before the trail, which may grow meanwhile.
    let newest = store.newest_change();
    let (mut chain, mut after, mut is_newest_there) = (Chain::default(), None, newest.is_none());
    loop {
        let filter = AuditFilter::default();
        let query = AuditQuery { filter, after, descending: false, max: PAGE };
        let page = reports.audit_entries(query).await?;
        for entry in &page.entries {
            if let Err(error) = chain.follow(entry) {
                tracing::error!(%error, "The audit trail is not as it was written");
                return Ok(Found { is_valid: false, entries: chain.entries() });
            }
            is_newest_there |= newest == Some((entry.id, entry.digest));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !is_newest_there {
        let newest = newest.map(|(ChangeId(id), _): (ChangeId, ChainDigest)| id);
        tracing::error!(newest, "The audit trail lacks the newest change that its ledger knows of");
    }
    Ok(Found { is_valid: is_newest_there, entries: chain.entries() })
}

impl Source for Trail {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let found = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.gauge(
            (
                "keyward_audit_chain_valid",
                "Whether the audit trail was as it was written when it was last checked.",
            ),
            found.map(|found| (ALONE, u64::from(found.is_valid))),
        )?;
        page.gauge(
            ("keyward_audit_entries", "Entries of the audit trail when it was last checked."),
            found.map(|found| (ALONE, found.entries)),
        )
    }
}

#[cfg(test)]
mod tests {
    use keyward::Gate;
    use keyward::UnixMillis;
    use keyward::audit::Audit;
    use keyward::issue::NewKey;
    use keyward::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_trail_as_it_was_written_is_valid() {
        let store = Arc::new(MemoryStore::default());
        let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
        let before = check(&*store, &*store).await.unwrap();
        let key = NewKey::plain("weather-bot".parse().unwrap(), "basic".parse().unwrap(), None);
        gate.issue(key, Audit::program(UnixMillis(1_767_225_600_000))).await.unwrap();
        let after = check(&*store, &*store).await.unwrap();
        assert!(before.is_valid && after.is_valid);
        assert_eq!(after.entries, before.entries + 1);
    }

    #[tokio::test]
    async fn a_store_that_fails_says_nothing_about_its_trail() {
        let store = MemoryStore::default();
        store.set_broken(true);
        assert!(check(&store, &store).await.is_err());
    }
}
