//! The store itself: a thread that runs connections, one of which writes and some of which read.

mod alone;
mod import;
mod ledger;
mod open;
mod sharing;

use std::path::Path;

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
use keyward::stored::{Key, OwnedKey, OwnerRow, TierRow, Unkept};
use keyward::time::UnixHour;
use keyward::{KeyId, UnixMillis};

pub use ledger::LedgerOptions;
pub use open::PostgresStore;

use crate::columns::{get, parse};
use crate::pg_error::PgError;
use crate::session::Purpose;
use crate::snapshot::PostgresSnapshot;
use crate::sql::{Value, query};
use crate::tickets::TIDY_MAX;
use crate::usage::{self, Sums};
use crate::{days, find, flush, follow, keys, owners, small, tiers, trail};

#[async_trait]
impl KeyStore for PostgresStore {
    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(&self.nodes)
    }

    fn tickets(&self) -> Option<&dyn Tickets> {
        self.tickets.as_ref().map(|tickets| tickets as &dyn Tickets)
    }

    async fn has_turn(&self) -> Result<bool, StoreError> {
        Ok(self.nodes.have_turn().await?)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.check_open()?;
        Ok(Box::new(PostgresSnapshot::open(self.connector()).await?))
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        self.make(change, audit).await
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        let reader = self.readers.begin().await?;
        let changes = follow::changes(&reader, after, max).await?;
        reader.end().await?;
        Ok(changes)
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        let reader = self.readers.take().await?;
        let found = find::owned(&reader, [id]).await?;
        reader.done();
        Ok(found.into_iter().next())
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        let reader = self.readers.begin().await?;
        let found = find::by_digests(&reader, &digests).await?;
        reader.end().await?;
        Ok(found)
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        let reader = self.readers.take().await?;
        let earlier = small::earlier(&reader, &audit).await?;
        reader.done();
        Ok(earlier)
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        // Reports that name no key, too: whether they are rejected must not be visible.
        self.small(|client| Box::pin(small::keep_leaks(client, reports))).await
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        let reader = self.readers.take().await?;
        let kept = small::kept_leaks(&reader, max).await?;
        reader.done();
        Ok(kept)
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        self.small(|client| Box::pin(small::forget_leaks(client, digests))).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.small(|client| Box::pin(flush::add(client, batch))).await
    }

    async fn tend_usage(&self, now: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        // Buckets that are full are work of the same kind, and rare.
        let is_more = match &self.tickets {
            Some(tickets) => TIDY_MAX <= tickets.tidy().await?,
            None => false,
        };
        let reader = self.readers.take().await?;
        let is_any = days::is_work(&reader, now, from).await?;
        reader.done();
        if !is_any {
            return Ok(is_more);
        }
        // A connection of its own, so that reports and flushes wait for none of it.
        let connector = self.connector().clone();
        let tended = self.connector().driver.run(async move {
            let client = connector.connect(Purpose::Writing).await?;
            days::tend(&client, now, from).await
        });
        Ok(tended.await? || is_more)
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        let reader = self.readers.take().await?;
        let reading = small::latest_reading(&reader).await?;
        reader.done();
        Ok(reading)
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        self.small(move |client| Box::pin(small::note_told(client, told))).await
    }

    fn newest_change(&self) -> Option<(ChangeId, ChainDigest)> {
        self.ledger.as_ref()?.standing().newest()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let reader = self.readers.take().await?;
        follow::newest(&reader).await?;
        reader.done();
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.shut().await;
        Ok(())
    }
}

#[async_trait]
impl Reports for PostgresStore {
    async fn tiers(&self) -> Result<Vec<TierRow>, StoreError> {
        let rows = self.rows(tiers::LIST, &[]).await?;
        Ok(rows.iter().map(|row| tiers::row(row, 0)).collect::<Result<_, _>>()?)
    }

    async fn export_keys(&self, after: Option<KeyId>, max: u32) -> Result<Vec<Unkept>, StoreError> {
        let reader = self.readers.take().await?;
        let keys = find::page(&reader, after, max).await?;
        reader.done();
        Ok(keys.into_iter().map(Key::carried).collect())
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        let reader = self.readers.begin().await?;
        let page = keys::list::page(&reader, &query).await?;
        reader.end().await?;
        Ok(page)
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        let reader = self.readers.begin().await?;
        let count = keys::count::count(&reader, &filter, now).await?;
        reader.end().await?;
        Ok(count)
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerRow>, StoreError> {
        Ok(self.owners_named(&[owner]).await?.into_iter().next())
    }

    async fn limited_owners(&self, owners: Vec<Owner>) -> Result<Vec<OwnerRow>, StoreError> {
        let rows = self.owners_named(&owners).await?;
        let mut found: std::collections::HashMap<_, _> =
            rows.into_iter().map(|row| (row.owner.clone(), row)).collect();
        let limited = owners.iter().filter_map(|owner| found.remove(owner));
        Ok(limited.filter(OwnerRow::is_limited).collect())
    }

    async fn limited_owners_without_keys(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<OwnerRow>, StoreError> {
        let rows =
            self.rows(owners::LIMITED_WITHOUT_KEYS, &after_owner(after.as_ref(), max)).await?;
        Ok(rows.iter().map(|row| owners::row(row, 0)).collect::<Result<_, _>>()?)
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        let rows = self.rows(owners::SUSPENDED, &after_owner(after.as_ref(), max)).await?;
        let owner = |row| parse("owners.id", get(row, 0)?);
        Ok(rows.iter().map(owner).collect::<Result<_, PgError>>()?)
    }

    async fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        // Served by the primary key.
        const PREFIXES: &str = "SELECT prefix FROM prefixes ORDER BY prefix LIMIT 1000";
        let rows = self.rows(PREFIXES, &[]).await?;
        Ok(rows.iter().map(|row| get(row, 0)).collect::<Result<_, PgError>>()?)
    }

    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        let reader = self.readers.begin().await?;
        let usage = usage::of_key(&reader, id, hours, bucket, max).await?;
        reader.end().await?;
        Ok(usage)
    }

    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError> {
        let _turn = self.long_read().await?;
        let reader = self.readers.take().await?;
        let mut sums = Sums::begin(&reader, hours).await?;
        reader.done();
        while !sums.are_done() {
            let reader = self.readers.take().await?;
            sums.add_some(&reader).await?;
            reader.done();
        }
        let reader = self.readers.take().await?;
        let top = sums.top(&reader, by, max).await?;
        reader.done();
        Ok(top)
    }

    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        let reader = self.readers.begin().await?;
        let page = trail::page(&reader, &query).await?;
        reader.end().await?;
        Ok(page)
    }
}

/// A PostgreSQL server is copied by its own programs, which know more than its keys.
#[async_trait]
impl Backup for PostgresStore {
    async fn back_up(&self, _: &Path) -> Result<(), StoreError> {
        let schema = self.connector().schema.as_str();
        Err(StoreError::Unsupported(format!(
            "this server keeps its keys in PostgreSQL: back it up with `pg_dump --schema={schema}` \
             or the backups of your platform; `keyward export` writes the keys alone"
        )))
    }
}

impl PostgresStore {
    /// The rows of one statement.
    async fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<tokio_postgres::Row>, PgError> {
        let reader = self.readers.take().await?;
        let rows = query(&reader, sql, values).await?;
        reader.done();
        Ok(rows)
    }

    async fn owners_named(&self, owners: &[Owner]) -> Result<Vec<OwnerRow>, PgError> {
        let names = owners.iter().map(|owner| owner.as_str().to_owned()).collect();
        let rows = self.rows(owners::NAMED, &[Value::Texts(names)]).await?;
        rows.iter().map(|row| owners::row(row, 0)).collect()
    }
}

/// The values of a statement for up to `max` owners after this one.
fn after_owner(after: Option<&Owner>, max: u32) -> [Value; 2] {
    // No owner is empty, so all come after that.
    let after = after.map_or("", Owner::as_str).to_owned();
    [Value::Text(after), Value::Number(max.into())]
}
