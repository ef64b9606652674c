//! Prints what flushing usage and asking for it takes, one figure a line. The argument is the URL
//! of a database in which a schema `keyward_usage_bench` is made, in place of an earlier one.

#![expect(clippy::print_stdout, reason = "a bench is a program")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may end in a panic")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use keyward::count::{Counts, Outcome};
use keyward::query::{Bucket, Hours, TopBy};
use keyward::store::{KeyStore as _, Reports as _, StoreError, UsageBatch};
use keyward::time::UnixHour;
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis};
use keyward_postgres::{OpenOptions, PostgresStore};
use tokio_postgres::Client;

const KEYS: u32 = 100_000;
/// The first hour of a day.
const TODAY: u32 = 500_000 / 24 * 24;
const ROWS: u64 = 10_000;
const FLUSHES: u64 = 20;
/// Days before, in which a few keys were used.
const DAYS: u32 = 400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench` as well.
    let url = env::args().skip(1).find(|word| !word.starts_with("--"));
    let url = url.ok_or("the URL of a database is needed")?;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("DROP SCHEMA IF EXISTS keyward_usage_bench CASCADE").await?;
    let schema = "keyward_usage_bench".to_owned();
    let place = OpenOptions { schema, ..OpenOptions::new(url.parse()?) };
    PostgresStore::migrate(&place, None).await?;
    client.batch_execute("SET search_path = keyward_usage_bench").await?;
    fill(&client).await?;
    let store = PostgresStore::open(&place).await?;
    for nodes in [1, 3] {
        flush(&place, nodes).await?;
    }
    println!("rows of usage: {}", rows(&client).await?);
    let day = Hours { from: UnixHour(TODAY), to: UnixHour(TODAY + 24) };
    top(&store, "usage-top, a day, by hours", day).await?;
    let days = Hours { from: UnixHour(TODAY - DAYS * 24), to: UnixHour(TODAY) };
    of_key(&store, "a key by the day, by hours", days).await?;
    let (started, mut worst, mut number) = (Instant::now(), Duration::ZERO, 0);
    loop {
        let one = Instant::now();
        if !store.tend_usage(UnixHour(TODAY + 26), UnixHour(0)).await? {
            break;
        }
        (worst, number) = (worst.max(one.elapsed()), number + 1);
    }
    print(&format!("{number} days added up"), started.elapsed());
    print("the one with 2.4 million rows", worst);
    top(&store, "usage-top, a day, by sums", day).await?;
    of_key(&store, "a key by the day, by sums", days).await?;
    // As if all keys had been used on these days.
    let more = format!(
        "INSERT INTO usage_daily SELECT day, key_id, 1, 1, 1, 1, 1, 1, 1, 1 \
         FROM generate_series({0}, {0} + 29) day, generate_series(1, {KEYS}) key_id \
         ON CONFLICT DO NOTHING; VACUUM ANALYZE usage_daily",
        TODAY / 24 - 30,
    );
    for sql in more.split(';') {
        client.batch_execute(sql).await?;
    }
    let month = Hours { from: UnixHour(TODAY - 30 * 24), to: UnixHour(TODAY) };
    top(&store, "usage-top, 30 days, 3 million sums", month).await?;
    forget(&store).await?;
    Ok(())
}

fn print(name: &str, took: Duration) {
    println!("{name}: {:.1} ms", took.as_secs_f64() * 1e3);
}

async fn rows(client: &Client) -> Result<i64, Box<dyn Error>> {
    Ok(client.query_one("SELECT count(*) FROM usage", &[]).await?.get(0))
}

/// A day in which each key was used in each hour, and many days in which some were.
async fn fill(client: &Client) -> Result<(), Box<dyn Error>> {
    let (today, first) = (TODAY / 24, TODAY / 24 - DAYS);
    let keys = format!(
        "INSERT INTO keys (id, version, name, name_folded, tier_id, state, created_at_ms, digest, \
             hint, secret_created_at_ms, scopes, networks, limits_rev, metadata) \
         SELECT id, 1, 'key', 'key', 1, 'active', 1, sha256(int8send(id)), 'kw', 1, '', '', 0, \
             '{{}}' \
         FROM generate_series(1, {KEYS}) id; \
         INSERT INTO key_uses SELECT id, 1 FROM generate_series(1, {KEYS}) id; \
         SELECT usage_make_days(array_agg(day)) FROM generate_series({first}, {today} + 2) day; \
         INSERT INTO usage SELECT hour, key_id, 1, 1, 1, 1, 1, 1, 1, 1 \
         FROM generate_series({TODAY}, {TODAY} + 23) hour, generate_series(1, {KEYS}) key_id; \
         INSERT INTO usage SELECT hour, key_id, 1, 1, 1, 1, 1, 1, 1, 1 \
         FROM generate_series({first} * 24, {TODAY} - 1) hour, generate_series(1, 200) key_id"
    );
    client.batch_execute(&keys).await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

fn batch(node: u8, number: u64) -> UsageBatch {
    let counts = Counts::from([(Outcome::Allowed, 3), (Outcome::Limited, 1)]);
    let at = UnixMillis(UnixHour(TODAY + 23).start().0 + number * 100_000);
    let row = |row: u64| UsageRow {
        // All over the table, and in another order on each node.
        key_id: KeyId::new((row * (7 + u64::from(node) * 6)) % ROWS * 10 + 1).unwrap(),
        hour: UnixHour(TODAY + 23),
        counts,
        last_used_at: Some(at),
    };
    let rows = (0..ROWS).map(row).collect();
    UsageBatch { writer: [node; 16], number, rows, reading: Some(at) }
}

/// So many nodes flush the same keys at the same time.
async fn flush(place: &OpenOptions, nodes: u8) -> Result<(), Box<dyn Error>> {
    let mut all = Vec::new();
    for node in 0..nodes {
        let store = PostgresStore::open(place).await?;
        all.push(tokio::spawn(async move {
            let mut took = Vec::new();
            for number in 1..=FLUSHES {
                let batch = batch(nodes * 10 + node, number);
                let started = Instant::now();
                store.add_usage(batch).await?;
                took.push(started.elapsed());
            }
            Ok::<_, StoreError>(took)
        }));
    }
    let mut took = Vec::new();
    for node in all {
        took.extend(node.await??);
    }
    took.sort_unstable();
    print(&format!("flush of {ROWS} rows, {nodes} nodes, p50"), took[took.len() / 2]);
    print(&format!("flush of {ROWS} rows, {nodes} nodes, worst"), took[took.len() - 1]);
    Ok(())
}

async fn top(store: &PostgresStore, name: &str, hours: Hours) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let top = store.usage_top(hours, TopBy::Requests, 10).await?;
    print(name, started.elapsed());
    assert_eq!(top.top.len(), 10);
    Ok(())
}

async fn of_key(store: &PostgresStore, name: &str, hours: Hours) -> Result<(), Box<dyn Error>> {
    let mut took = Vec::new();
    for id in 1..=10 {
        let started = Instant::now();
        let key = KeyId::new(id).unwrap();
        let days = store.usage(key, hours, Bucket::Day, DAYS).await?;
        took.push(started.elapsed());
        assert_eq!(days.len(), usize::try_from(DAYS)?);
    }
    took.sort_unstable();
    print(name, took[5]);
    Ok(())
}

async fn forget(store: &PostgresStore) -> Result<(), Box<dyn Error>> {
    let (mut number, mut worst) = (0, Duration::ZERO);
    loop {
        let one = Instant::now();
        if !store.tend_usage(UnixHour(0), UnixHour(TODAY + 24)).await? {
            break;
        }
        (number, worst) = (number + 1, worst.max(one.elapsed()));
    }
    print(&format!("{number} days forgotten, the slowest"), worst);
    Ok(())
}
