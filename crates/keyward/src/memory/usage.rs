//! Usage, added up and asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::count::Counts;
use crate::query::{Bucket, Hours, TopBy, UsageTop};
use crate::record::KeyId;
use crate::store::UsageBatch;
use crate::time::UnixHour;
use crate::usage::LAST_USED_STEP;

use super::rows::Rows;

impl Rows {
    pub(super) fn add_usage(&mut self, batch: UsageBatch) {
        let latest = self.batches.entry(batch.writer).or_default();
        if batch.number <= *latest {
            return;
        }
        *latest = batch.number;
        self.reading = self.reading.max(batch.reading);
        for row in batch.rows {
            self.usage.entry((row.key_id, row.hour)).or_default().add(&row.counts);
            if let Some(key) = self.keys.get_mut(&row.key_id) {
                let key = Arc::make_mut(key);
                let due = key.last_used_at.map(|last| last.later_by(LAST_USED_STEP));
                key.last_used_at =
                    row.last_used_at.filter(|at| due <= Some(*at)).or(key.last_used_at);
            }
        }
    }

    /// Forgets the usage of the days before that of `from`.
    pub(super) fn forget_usage(&mut self, from: UnixHour) {
        let from = from.days_before(0);
        self.usage.retain(|(_, hour), _| from <= *hour);
    }

    pub(super) fn usage_of(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Vec<(UnixHour, Counts)> {
        let mut sums = BTreeMap::<UnixHour, Counts>::new();
        let rows = self.usage.range((id, UnixHour(0))..=(id, UnixHour(u32::MAX)));
        for ((_, hour), counts) in rows.filter(|((_, hour), _)| within(*hour, hours)) {
            let first = match bucket {
                Bucket::Hour => *hour,
                Bucket::Day => UnixHour(hour.0 / 24 * 24),
            };
            sums.entry(first).or_default().add(counts);
        }
        let too_many = sums.len().saturating_sub(max as usize);
        sums.into_iter().skip(too_many).collect()
    }

    pub(super) fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> UsageTop {
        let mut total = Counts::default();
        let mut sums = BTreeMap::<KeyId, Counts>::new();
        for ((id, _), counts) in self.usage.iter().filter(|((_, hour), _)| within(*hour, hours)) {
            total.add(counts);
            sums.entry(*id).or_default().add(counts);
        }
        let mut top: Vec<_> = sums.into_iter().filter(|(_, sum)| 0 < by.weight(sum)).collect();
        // Stable, so that those with as many stay in the order of their ids.
        top.sort_by_key(|(_, sum)| Reverse(by.weight(sum)));
        let named = |(id, sum): (KeyId, Counts)| {
            let key = self.keys.get(&id)?;
            Some((id, key.name.as_str().to_owned(), sum))
        };
        UsageTop { total, top: top.into_iter().filter_map(named).take(max as usize).collect() }
    }
}

fn within(hour: UnixHour, hours: Hours) -> bool {
    hours.from <= hour && hour < hours.to
}
