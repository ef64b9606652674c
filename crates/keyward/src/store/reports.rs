//! The queries of operators to a store.

use std::fmt;

use async_trait::async_trait;

use crate::count::Counts;
use crate::query::{
    AuditPage, AuditQuery, Bucket, Hours, KeyCount, KeyFilter, KeyPage, KeyQuery, TopBy, UsageTop,
};
use crate::record::{KeyId, Owner};
use crate::stored::{OwnerRow, TierRow, Unkept};
use crate::time::{UnixHour, UnixMillis};

use super::StoreError;

/// The queries of operators: lists, counts, usage, the trail, exports. Nothing here changes
/// anything, and no decision about a request or a change waits for it.
///
/// Each method sees the store as it is at one instant, with all changes that were acknowledged
/// before the call. It may take long, where it says so; decisions go on meanwhile.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::audit::Audit;
/// use keyward::issue::NewKey;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::query::{AuditFilter, AuditQuery, KeyFilter};
/// use keyward::store::Reports;
/// use keyward::time::UnixMillis;
///
/// let store = Arc::new(MemoryStore::default());
/// let gate = Gate::open(Arc::clone(&store) as _, Prefix::default()).await?;
/// let at = UnixMillis(1_767_225_600_000);
/// for name in ["weather-bot", "rain-bot"] {
///     let key = NewKey::plain(name.parse()?, "basic".parse()?, None);
///     gate.issue(key, Audit::program(at)).await?;
/// }
/// let reports: &dyn Reports = &*store;
/// let filter = KeyFilter { name_part: Some("weather".to_owned()), ..KeyFilter::default() };
/// assert_eq!(reports.count_keys(filter, at).await?.at_least, 1);
///
/// let filter = AuditFilter::default();
/// let query = AuditQuery { filter, after: None, descending: true, max: 1.try_into()? };
/// let newest = &reports.audit_entries(query).await?.entries[0];
/// assert_eq!((newest.id.0, newest.verb.as_str(), newest.key_id), (2, "issue", Some(2)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Each method returns [`StoreError`] if the store cannot be read.
#[async_trait]
pub trait Reports: fmt::Debug + Send + Sync {
    /// All tiers that are not gone, in the order in which they were made.
    async fn tiers(&self) -> Result<Vec<TierRow>, StoreError>;

    /// Up to `max` keys with ids above `after`, whole, lowest first: each with its present secret
    /// and the newest of its former ones,
    /// [`COPY_SECRETS_MAX`](crate::transfer::COPY_SECRETS_MAX) together, which is 100.
    async fn export_keys(&self, after: Option<KeyId>, max: u32) -> Result<Vec<Unkept>, StoreError>;

    /// One page of a list of keys.
    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError>;

    /// How many keys fit, as of `now`. A store may stop counting where that would take too long,
    /// and then says that there are at least so many.
    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError>;

    /// One owner; `None` if it never had a key and was never changed.
    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerRow>, StoreError>;

    /// Those of these owners that have limits, in the order in which they were asked for.
    async fn limited_owners(&self, owners: Vec<Owner>) -> Result<Vec<OwnerRow>, StoreError>;

    /// The owners that have limits and no key, not even a revoked one, up to `max`, after `after`,
    /// in order.
    async fn limited_owners_without_keys(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<OwnerRow>, StoreError>;

    /// The owners that are suspended, up to `max`, after `after`, in order.
    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError>;

    /// The prefixes of keys' secrets, in order; at most 1 000.
    async fn prefixes(&self) -> Result<Vec<String>, StoreError>;

    /// Usage of a key in these hours, oldest first: by the hour, or by the day, each under its
    /// first hour (midnight in UTC). At most `max` rows, the latest.
    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError>;

    /// Usage of all keys in these hours, and the `max` keys that had the most. Counts added
    /// meanwhile may be in it or not. Dropping the future ends the work.
    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError>;

    /// One page of the audit trail.
    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError>;
}
