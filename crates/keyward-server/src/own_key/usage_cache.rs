//! The stored usage of keys, which is read once for each key and flush.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::Offset;
use keyward::count::Counts;
use keyward::query::{Bucket, Hours};
use keyward::store::{Reports, StoreError};
use keyward::time::UnixHour;
use keyward::{Gate, KeyId, UnixMillis};

/// Most days of a month.
const DAYS_MAX: u32 = 31;
/// Most keys whose stored usage is kept. At some 80 bytes each this is 320 KB; the store is asked
/// for others each time.
const KEYS_MAX: usize = 4_096;

/// The stored usage of keys that asked. A clone shares everything.
#[derive(Clone, Default)]
pub(crate) struct UsageCache(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    as_of: Option<AsOf>,
    keys: HashMap<KeyId, Stored>,
}

/// The edition of the store's usage, and the day, of the kept counts.
#[derive(Clone, Copy, PartialEq, Eq)]
struct AsOf {
    edition: u64,
    day: UnixHour,
}

/// The usage of a key, as far as it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    /// Since midnight, in UTC.
    pub(super) today: Counts,
    /// Since the first of the month, in UTC.
    pub(super) month: Counts,
}

impl fmt::Debug for UsageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageCache").finish_non_exhaustive()
    }
}

impl UsageCache {
    /// The stored usage of this key.
    pub(super) async fn of(
        &self,
        gate: &Gate,
        reports: &dyn Reports,
        id: KeyId,
        now: UnixMillis,
    ) -> Result<Stored, StoreError> {
        let day = UnixHour(now.hour().0 / 24 * 24);
        let as_of = AsOf { edition: gate.usage_edition(), day };
        let known = self.known(as_of).keys.get(&id).copied();
        if let Some(stored) = known {
            return Ok(stored);
        }
        let days = reports.usage(id, month_until(now), Bucket::Day, DAYS_MAX).await?;
        let stored = Stored::of(&days, day);
        // If it changed meanwhile, the counts may be of either edition.
        if gate.usage_edition() == as_of.edition {
            let mut known = self.known(as_of);
            if known.keys.len() < KEYS_MAX {
                known.keys.insert(id, stored);
            }
        }
        Ok(stored)
    }

    /// The stored counts as of then, emptied if they are of another time.
    fn known(&self, as_of: AsOf) -> MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_of != Some(as_of) {
            known.keys.clear();
            known.as_of = Some(as_of);
        }
        known
    }
}

impl Stored {
    /// Sums up the days of a month, of which `today` is one or the next.
    fn of(days: &[(UnixHour, Counts)], today: UnixHour) -> Self {
        let mut stored = Self::default();
        for (day, counts) in days {
            stored.month.add(counts);
            if today <= *day {
                stored.today.add(counts);
            }
        }
        stored
    }
}

/// The hours from the beginning of the month, in UTC, to the end of this one.
fn month_until(now: UnixMillis) -> Hours {
    let hour = now.hour();
    let millis = i64::try_from(now.0).unwrap_or(i64::MAX);
    let day = Timestamp::from_millisecond(millis).map_or(1, |at| Offset::UTC.to_datetime(at).day());
    let days_before = u32::try_from(day - 1).unwrap_or_default();
    let from = (hour.0 / 24).saturating_sub(days_before) * 24;
    Hours { from: UnixHour(from), to: UnixHour(hour.0.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use keyward::Asked;
    use keyward::audit::Audit;
    use keyward::count::Outcome;
    use keyward::issue::NewKey;
    use keyward::store::KeyStore as _;
    use keyward::time::{Now, SteadyNanos};
    use keyward_sqlite::SqliteStore;

    use super::*;
    use keyward_api::shapes::Time;

    #[tokio::test]
    async fn the_store_is_asked_anew_after_a_flush_and_on_another_day() {
        let folder = tempfile::tempdir().unwrap();
        let unix = Time::parse("2026-11-24T23:00:00Z").unwrap().0;
        let now = Now::new(unix, SteadyNanos(0));
        let store = SqliteStore::open(&folder.path().join("a.db"), "a test", unix).unwrap();
        let store = Arc::new(store);
        let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
        let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
        let issued = gate.issue(key, Audit::program(unix)).await.unwrap();
        let cache = UsageCache::default();
        let allowed = async |at: UnixMillis| {
            let stored = cache.of(&gate, &*store, issued.key_id, at).await;
            stored.map(|stored| [stored.today[Outcome::Allowed], stored.month[Outcome::Allowed]])
        };
        assert_eq!(allowed(unix).await.unwrap(), [0, 0]);
        gate.verify(&Asked::of(issued.secret.expose()), now).unwrap();
        assert_eq!(allowed(unix).await.unwrap(), [0, 0], "it is in memory");
        gate.flush(&|| now).await.unwrap();
        assert_eq!(allowed(unix).await.unwrap(), [1, 1]);
        store.close().await.unwrap();
        assert_eq!(allowed(unix).await.unwrap(), [1, 1], "the store is not asked");
        let tomorrow = unix.later_by(std::time::Duration::from_secs(3_600));
        allowed(tomorrow).await.unwrap_err();
    }

    #[test]
    fn today_is_the_last_day_of_the_month_so_far() {
        let at = |text: &str| Time::parse(text).unwrap().0;
        let counts = |allowed| Counts::from([(Outcome::Allowed, allowed)]);
        let days = [
            (at("2026-11-01T00:00:00Z").hour(), counts(1)),
            (at("2026-11-23T00:00:00Z").hour(), counts(20)),
            (at("2026-11-24T00:00:00Z").hour(), counts(300)),
        ];
        let allowed = |now: &str| {
            let stored = Stored::of(&days, UnixHour(at(now).hour().0 / 24 * 24));
            [stored.today[Outcome::Allowed], stored.month[Outcome::Allowed]]
        };
        assert_eq!(allowed("2026-11-24T00:00:00Z"), [300, 321]);
        assert_eq!(allowed("2026-11-24T23:59:59.999Z"), [300, 321]);
        assert_eq!(allowed("2026-11-25T00:00:00Z"), [0, 321]);
    }

    #[test]
    fn a_month_begins_with_its_first_midnight() {
        let check = |now: &str, first: &str, end: &str| {
            let at = |text: &str| Time::parse(text).unwrap().0;
            let Hours { from, to } = month_until(at(now));
            assert_eq!((from.start(), to.start()), (at(first), at(end)), "{now}");
        };
        check("2026-11-24T09:30:00Z", "2026-11-01T00:00:00Z", "2026-11-24T10:00:00Z");
        check("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-01T01:00:00Z");
        check("2028-02-29T23:59:59.999Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z");
    }
}
