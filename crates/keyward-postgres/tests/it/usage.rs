//! Usage: the same as on SQLite, whatever the tables.

use keyward::conformance::Store;
use keyward::conformance::sample::{batch, edit, id, issue, used};
use keyward::count::{Counts, Outcome};
use keyward::query::{Bucket, Hours, TopBy};
use keyward::store::{KeyStore as _, Reports as _, UsageBatch};
use keyward::time::UnixHour;
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis, conformance::sample};
use keyward_postgres::PostgresStore;
use keyward_sqlite::SqliteStore;

use crate::server::{block_on, place};

/// Keys of which the last two have no name that is found: they were deleted by hand.
const KEYS: u64 = 6;
/// Days that have usage.
const DAYS: u32 = 9;

/// Numbers that look random and are the same each time (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(end)).unwrap()
    }

    fn hours(&mut self) -> Hours {
        let (one, other) = (self.below(DAYS * 24 + 30), self.below(DAYS * 24 + 30));
        let whole = self.below(3) == 0;
        let hour = |hour: u32| UnixHour(if whole { hour / 24 * 24 } else { hour });
        match self.below(8) {
            0 => Hours { from: UnixHour(0), to: UnixHour(u32::MAX) },
            1 => Hours { from: hour(one), to: hour(other) },
            _ => Hours { from: hour(one.min(other)), to: hour(one.max(other)) },
        }
    }

    fn row(&mut self, day: u32) -> UsageRow {
        let hour = UnixHour(day * 24 + self.below(24));
        let mut counts = Counts::default();
        for outcome in Outcome::ALL {
            counts[outcome] = u64::from(self.below(4));
        }
        let last_used_at = (self.below(3) == 0).then(|| hour.start());
        UsageRow { key_id: id(u64::from(self.below(7)) + 1), hour, counts, last_used_at }
    }

    /// Up to 12 rows, most of today and some of earlier or later days.
    fn batch(&mut self, writer: u8, number: u64, today: u32) -> UsageBatch {
        let rows = (0..self.below(12)).map(|_| {
            let day = if self.below(4) == 0 { self.below(DAYS) } else { today };
            self.row(day)
        });
        batch(writer, number, rows.collect())
    }
}

/// Everything that a store can be asked about usage, in some spans.
async fn told(store: &dyn Store, spans: &[(Hours, u32)]) -> Vec<String> {
    let mut all = Vec::new();
    for (hours, max) in spans {
        for bucket in [Bucket::Hour, Bucket::Day] {
            for key in 1..=KEYS + 1 {
                let usage = store.usage(id(key), *hours, bucket, *max).await.unwrap();
                all.push(format!("{hours:?} {max} {bucket:?} {key} {usage:?}"));
            }
        }
        for by in [TopBy::Requests, TopBy::Denials] {
            let top = store.usage_top(*hours, by, *max).await.unwrap();
            all.push(format!("{hours:?} {max} {by:?} {top:?}"));
        }
    }
    all.push(format!("{:?}", store.prefixes().await.unwrap()));
    all
}

async fn tend(store: &dyn Store, now: UnixHour, from: UnixHour) {
    while store.tend_usage(now, from).await.unwrap() {}
}

async fn fill(store: &dyn Store) -> Vec<KeyId> {
    let mut keys = Vec::new();
    for number in 1..=KEYS {
        let key = issue(store, number).await;
        let name = format!("key-{key}").parse().unwrap();
        sample::change(store, key, edit(|edit| edit.name = Some(name)), sample::audit(9)).await;
        keys.push(key);
    }
    keys
}

/// The same batches, late ones, ones that come again and ones of two programs, days that are added
/// up, opened again and forgotten: after each step SQLite tells the same.
#[test]
fn the_same_batches_make_the_same_usage_as_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..4 {
        block_on(async {
            let path = directory.path().join(format!("{seed}.db"));
            let sqlite = SqliteStore::open(&path, "a test", UnixMillis(0)).unwrap();
            let place = place();
            PostgresStore::migrate(&place, None).await.unwrap();
            let nodes = [
                PostgresStore::open(&place).await.unwrap(),
                PostgresStore::open(&place).await.unwrap(),
            ];
            assert_eq!(fill(&sqlite).await, fill(&nodes[0]).await);
            let mut random = Random(seed);
            let mut sent = [0, 0];
            let mut last = [None, None];
            for step in 0..36 {
                let today = step * DAYS / 36;
                let at = random.below(2) as usize;
                if random.below(4) == 0 && last[at].is_some() {
                    // The reply was lost.
                } else {
                    sent[at] += 1;
                    last[at] = Some(random.batch(u8::try_from(at).unwrap(), sent[at], today));
                }
                let batch = last[at].clone().unwrap();
                sqlite.add_usage(batch.clone()).await.unwrap();
                nodes[at].add_usage(batch).await.unwrap();
                if random.below(3) == 0 {
                    let now = UnixHour(today * 24 + random.below(24));
                    let from = UnixHour(now.0.saturating_sub(random.below(9) * 24));
                    tend(&sqlite, now, from).await;
                    tend(&nodes[random.below(2) as usize], now, from).await;
                }
                let spans: Vec<_> = (0..2).map(|_| (random.hours(), random.below(7))).collect();
                let expected = told(&sqlite, &spans).await;
                let found = told(&nodes[random.below(2) as usize], &spans).await;
                assert_eq!(expected, found, "seed {seed}, step {step}");
            }
        });
    }
}

/// Two programs that count the same keys, each in the opposite order, and more than one row at a
/// time is locked.
#[test]
fn programs_that_flush_the_same_keys_do_not_wait_in_a_circle() {
    const BATCHES: u64 = 25;
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let first = PostgresStore::open(&place).await.unwrap();
        let second = PostgresStore::open(&place).await.unwrap();
        let keys = fill(&first).await;
        let rows = |step: usize| {
            let rows = (0..120).map(|number| {
                let number = (number * step) % 121;
                used(keys[number % keys.len()], u32::try_from(number).unwrap())
            });
            rows.collect::<Vec<_>>()
        };
        let flush = async |store: &PostgresStore, writer, rows: Vec<UsageRow>| {
            for number in 1..=BATCHES {
                store.add_usage(batch(writer, number, rows.clone())).await.unwrap();
            }
        };
        let (one, other) = (flush(&first, 1, rows(1)), flush(&second, 2, rows(120)));
        futures_util::future::join(one, other).await;
        let always = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };
        let total = first.usage_top(always, TopBy::Requests, 1).await.unwrap().total;
        assert_eq!(total[Outcome::Allowed], 2 * 120 * BATCHES);
    });
}
