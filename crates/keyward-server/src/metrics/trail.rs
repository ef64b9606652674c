//! Whether the audit trail is as it was written: checked when the program starts and once an hour,
//! by one of the programs that share it.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::audit::{AuditEntry, Chain, ChangeId};
use keyward::query::{AuditFilter, AuditQuery};
use keyward::store::{KeyStore, Reports, StoreError};
use keyward_axum::Guard;

use super::Source;
use super::page::{ALONE, Page};

/// Pause between two checks. One reads the whole trail: a second or two for a million entries.
const CHECK_EVERY: Duration = Duration::from_secs(60 * 60);
/// Pause of a program whose turn it is not: the one that has it may be gone.
const ASK_EVERY: Duration = Duration::from_secs(5 * 60);
/// Entries that are read at once.
const PAGE: NonZeroU32 = NonZeroU32::new(1_000).expect("1000 is not zero");

/// The result of the last check. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Option<Found>>>);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    is_valid: bool,
    /// Up to the end, or to where it breaks; `None` if they were not followed.
    entries: Option<u64>,
}

impl Trail {
    /// Checks the trail now and once an hour, for as long as it is polled, while it is this
    /// program's turn.
    pub(crate) async fn check_for_ever(self, guard: Guard, reports: Arc<dyn Reports>) {
        loop {
            tokio::time::sleep(self.turn(guard.gate().store(), &*reports).await).await;
        }
    }

    /// One turn. Returns the pause after it.
    async fn turn(&self, store: &dyn KeyStore, reports: &dyn Reports) -> Duration {
        let found = match store.has_turn().await {
            Ok(true) => check(store, reports).await.map(Some),
            // What this program found in an earlier turn is no longer the last.
            Ok(false) => look_for_newest(store, reports).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
                if found.is_some() { CHECK_EVERY } else { ASK_EVERY }
            }
            Err(error) => {
                tracing::warn!(%error, "The audit trail could not be checked");
                CHECK_EVERY
            }
        }
    }
}

/// Looks whether the newest change is in the trail that is known apart from it to this program
/// alone. `None` is that nothing is wrong.
async fn look_for_newest(
    store: &dyn KeyStore,
    reports: &dyn Reports,
) -> Result<Option<Found>, StoreError> {
    let Some((id, digest)) = store.newest_change() else { return Ok(None) };
    let after = id.0.checked_sub(1).map(ChangeId);
    let (filter, max) = (AuditFilter::default(), NonZeroU32::MIN);
    let query = AuditQuery { filter, after, descending: false, max };
    let page = reports.audit_entries(query).await?;
    let is_there = |entry: &AuditEntry| entry.id == id && entry.digest == digest;
    if page.entries.iter().any(is_there) {
        return Ok(None);
    }
    tell_lacks(id);
    Ok(Some(Found { is_valid: false, entries: None }))
}

fn tell_lacks(ChangeId(newest): ChangeId) {
    tracing::error!(newest, "The audit trail lacks the newest change that its ledger knows of");
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
                return Ok(Found { is_valid: false, entries: Some(chain.entries()) });
            }
            is_newest_there |= newest == Some((entry.id, entry.digest));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !is_newest_there {
        newest.into_iter().for_each(|(id, _)| tell_lacks(id));
    }
    Ok(Found { is_valid: is_newest_there, entries: Some(chain.entries()) })
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
            found.and_then(|found| Some((ALONE, found.entries?))),
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
        assert_eq!(after.entries, before.entries.map(|before| before + 1));
    }

    #[tokio::test]
    async fn the_newest_change_is_looked_for_where_another_program_checks_the_trail() {
        let folder = tempfile::tempdir().unwrap();
        let at = UnixMillis(1_767_225_600_000);
        let path = folder.path().join("keyward.db");
        let store = Arc::new(keyward_sqlite::SqliteStore::open(&path, "a test", at).unwrap());
        let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
        for name in ["weather-bot", "news-bot"] {
            let key = NewKey::plain(name.parse().unwrap(), "basic".parse().unwrap(), None);
            gate.issue(key, Audit::program(at)).await.unwrap();
        }
        assert!(store.newest_change().is_some());
        assert_eq!(look_for_newest(&*store, &*store).await.unwrap(), None);
        let lacks = Some(Found { is_valid: false, entries: None });
        assert_eq!(look_for_newest(&*store, &MemoryStore::default()).await.unwrap(), lacks);
        assert_eq!(look_for_newest(&MemoryStore::default(), &*store).await.unwrap(), None);
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_store_that_fails_says_nothing_about_its_trail() {
        let store = MemoryStore::default();
        store.set_broken(true);
        assert!(check(&store, &store).await.is_err());
    }
}
