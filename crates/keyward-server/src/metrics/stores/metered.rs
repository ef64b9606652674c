//! A store whose operations are counted and timed.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use keyward::audit::{Audit, ChainDigest, ChangeId};
use keyward::count::Counts;
use keyward::digest::Digest;
use keyward::once::Earlier;
use keyward::query::{
    AuditPage, AuditQuery, Bucket, Hours, KeyCount, KeyFilter, KeyPage, KeyQuery, TopBy, UsageTop,
};
use keyward::record::Owner;
use keyward::rules::{Change, Committed};
use keyward::store::{
    Backup, Changes, Cluster, KeyStore, LeakReport, Reports, Snapshot, StoreError, Tickets,
    UsageBatch,
};
use keyward::stored::{OwnedKey, OwnerRow, TierRow, Unkept};
use keyward::time::UnixHour;
use keyward::{KeyId, UnixMillis};

use super::{Operation, StoreTimes, verb};

/// A store, and the times of its operations. It has each method of the traits, those with
/// an implementation of their own among them, so that no call passes by the store.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    store: Arc<S>,
    times: StoreTimes,
}

impl<S> Metered<S> {
    pub(crate) fn new(store: Arc<S>, times: StoreTimes) -> Self {
        Self { store, times }
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        doing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = self.times.now();
        let result = doing.await;
        self.times.end(begun, operation, &result);
        result
    }

    async fn read<T>(
        &self,
        reading: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.timed(Operation::Read, reading).await
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for Metered<S> {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.read(self.store.snapshot()).await
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        let (verb, begun) = (verb(&change), self.times.now());
        let committed = self.store.commit(change, audit).await;
        self.times.end(begun, Operation::Commit, &committed);
        if committed.as_ref().is_ok_and(|committed| committed.outcome.is_ok())
            && let Some(verb) = verb
        {
            self.times.changed(begun, verb);
        }
        committed
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        self.read(self.store.changes(after, max)).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        self.read(self.store.find_key(id)).await
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        self.read(self.store.find_digests(digests)).await
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        self.read(self.store.earlier(audit)).await
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        self.timed(Operation::Commit, self.store.keep_leaks(reports)).await
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        self.read(self.store.kept_leaks(max)).await
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        self.timed(Operation::Commit, self.store.forget_leaks(digests)).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.timed(Operation::Flush, self.store.add_usage(batch)).await
    }

    async fn tend_usage(&self, now: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        self.store.tend_usage(now, from).await
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.read(self.store.latest_reading()).await
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        self.timed(Operation::Commit, self.store.note_clock_is_right(told)).await
    }

    fn newest_change(&self) -> Option<(ChangeId, ChainDigest)> {
        self.store.newest_change()
    }

    fn trouble(&self) -> Option<String> {
        self.store.trouble()
    }

    fn tickets(&self) -> Option<&dyn Tickets> {
        self.store.tickets()
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        self.store.cluster()
    }

    async fn has_turn(&self) -> Result<bool, StoreError> {
        self.read(self.store.has_turn()).await
    }

    async fn mend(&self) -> Result<(), StoreError> {
        self.store.mend().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(self.store.ping()).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}

#[async_trait]
impl<S: Reports> Reports for Metered<S> {
    async fn tiers(&self) -> Result<Vec<TierRow>, StoreError> {
        self.read(self.store.tiers()).await
    }

    async fn export_keys(&self, after: Option<KeyId>, max: u32) -> Result<Vec<Unkept>, StoreError> {
        self.read(self.store.export_keys(after, max)).await
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        self.read(self.store.list_keys(query)).await
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        self.read(self.store.count_keys(filter, now)).await
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerRow>, StoreError> {
        self.read(self.store.find_owner(owner)).await
    }

    async fn limited_owners(&self, owners: Vec<Owner>) -> Result<Vec<OwnerRow>, StoreError> {
        self.read(self.store.limited_owners(owners)).await
    }

    async fn limited_owners_without_keys(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<OwnerRow>, StoreError> {
        self.read(self.store.limited_owners_without_keys(after, max)).await
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        self.read(self.store.suspended_owners(after, max)).await
    }

    async fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.read(self.store.prefixes()).await
    }

    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        self.read(self.store.usage(id, hours, bucket, max)).await
    }

    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError> {
        self.read(self.store.usage_top(hours, by, max)).await
    }

    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        self.read(self.store.audit_entries(query)).await
    }
}

#[async_trait]
impl<S: Backup> Backup for Metered<S> {
    async fn back_up(&self, path: &Path) -> Result<(), StoreError> {
        self.timed(Operation::Backup, self.store.back_up(path)).await
    }
}

#[cfg(test)]
mod tests {
    use keyward::Gate;
    use keyward::audit::Audit;
    use keyward::issue::NewKey;
    use keyward::memory::MemoryStore;

    use super::super::super::Metrics;
    use super::*;

    fn line(times: &StoreTimes, name: &str) -> String {
        let metrics = Metrics::of(vec![Box::new(times.clone())]);
        let page = metrics.text(super::super::super::Form::Prometheus).unwrap();
        let found = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none");
        found.trim().to_owned()
    }

    #[tokio::test]
    async fn a_change_is_counted_when_it_is_made() {
        let (store, times) = (Arc::new(MemoryStore::default()), StoreTimes::default());
        let metered = Arc::new(Metered::new(Arc::clone(&store), times.clone()));
        let gate = Gate::open(metered, "kw".parse().unwrap()).await.unwrap();
        let audit = || Audit::program(UnixMillis(1_767_225_600_000));
        let key =
            |tier: &str| NewKey::plain("weather-bot".parse().unwrap(), tier.parse().unwrap(), None);
        gate.issue(key("basic"), audit()).await.unwrap();
        // A rejection changes nothing, and the store did as it was asked.
        gate.issue(key("gold"), audit()).await.unwrap_err();
        assert_eq!(line(&times, r#"keyward_changes_total{change="issue"}"#), "1");
        let commits = r#"keyward_store_operations_total{operation="commit",result="ok"}"#;
        assert_eq!(line(&times, commits), "2");
        store.set_broken(true);
        gate.issue(key("basic"), audit()).await.unwrap_err();
        assert_eq!(line(&times, commits), "2");
        let failed = r#"keyward_store_operations_total{operation="commit",result="error"}"#;
        assert_eq!(line(&times, failed), "1");
        assert_eq!(line(&times, r#"keyward_changes_total{change="issue"}"#), "1");
        let count = r#"keyward_change_duration_seconds_count{change="issue"}"#;
        assert_eq!(line(&times, count), "1");
    }
}
