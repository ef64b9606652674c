//! Prints what importing, changing, opening and searching a store of a million keys takes, one
//! figure a line. The first argument is the URL of a database in which a schema `keyward_bench` is
//! made, in place of an earlier one, and the second how many keys there are.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench is a program")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may end in a panic")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers of a bench are small"
)]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "../../keyward-sqlite/benches/store/many.rs"]
mod many;

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::key::Prefix;
use keyward::query::KeyFilter;
use keyward::record::KeyState;
use keyward::rules::Change;
use keyward::store::{KeyStore, Reports as _, StoreError};
use keyward::stored::Unkept;
use keyward::{Gate, KeyId, UnixMillis};
use keyward_postgres::{OpenOptions, PostgresStore};

use many::{KEYS, NOW, key, lists, print, usage};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench` as well.
    let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let url = words.first().ok_or("the URL of a database is needed")?;
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(KEYS);
    let schema = "keyward_bench".to_owned();
    let without_fsync = words.iter().any(|word| word == "without-fsync");
    let place = OpenOptions { schema, without_fsync, ..OpenOptions::new(url.parse()?) };
    if !words.iter().any(|word| word == "again") {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("DROP SCHEMA IF EXISTS keyward_bench CASCADE").await?;
        PostgresStore::migrate(&place, None).await?;
        import(&Arc::new(PostgresStore::open(&place).await?), count).await?;
        client.batch_execute("VACUUM ANALYZE").await?;
    }
    let only = |part: &str| words.iter().any(|word| word == part);
    let store = Arc::new(PostgresStore::open(&place).await?);
    if only("load") {
        return load(&store).await;
    }
    if only("lists") {
        return lists(store.as_ref(), "postgres", count).await;
    }
    let keys = store.count_keys(KeyFilter::default(), UnixMillis(NOW)).await?.at_least;
    // No number is one of an earlier run.
    let number = Arc::new(AtomicU64::new((1 << 40) + keys));
    for callers in [1, 8, 64] {
        changes(std::slice::from_ref(&store), callers, &number).await?;
    }
    for nodes in [3, 8] {
        let mut stores = Vec::new();
        for _ in 0..nodes {
            stores.push(Arc::new(PostgresStore::open(&place).await?));
        }
        changes(&stores, 64, &number).await?;
    }
    let started = Instant::now();
    drop(PostgresStore::open(&place).await?);
    print("postgres/open", started.elapsed());
    if only("changes") {
        return Ok(());
    }
    load(&store).await?;
    lists(store.as_ref(), "postgres", count).await?;
    usage(store.as_ref(), "postgres", count).await?;
    Ok(())
}

/// Issues keys from so many callers of each store at once, for some seconds.
async fn changes(
    stores: &[Arc<PostgresStore>],
    callers: u64,
    number: &Arc<AtomicU64>,
) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let one = |store: Arc<PostgresStore>, number: Arc<AtomicU64>| async move {
        let mut took = Vec::new();
        while started.elapsed() < Duration::from_secs(4) {
            let new = key(number.fetch_add(1, Ordering::Relaxed));
            let new = Unkept { state: KeyState::Active, owner: None, ..new };
            let begun = Instant::now();
            let change = Change::Issue(Box::new(new));
            store.commit(change, Audit::program(UnixMillis(NOW))).await?.outcome.unwrap();
            took.push(begun.elapsed());
        }
        Ok::<_, StoreError>(took)
    };
    let each = stores.iter().flat_map(|store| (0..callers).map(move |_| store));
    let tasks: Vec<_> =
        each.map(|store| tokio::spawn(one(Arc::clone(store), Arc::clone(number)))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    all.sort_unstable();
    let name = format!("postgres/changes-{}x{callers}", stores.len());
    println!("{name} {:.0} /s", all.len() as f64 / seconds);
    print(&format!("{name}-p50"), all[all.len() / 2]);
    print(&format!("{name}-p99"), all[all.len() * 99 / 100]);
    Ok(())
}

/// Revokes every hundredth key as it comes, and returns how long each took.
async fn revoke(
    store: Arc<PostgresStore>,
    is_done: Arc<AtomicBool>,
) -> Result<Vec<Duration>, StoreError> {
    let (mut took, mut id) = (Vec::new(), KeyId::new(1).unwrap());
    while !is_done.load(Ordering::Relaxed) {
        let change = KeyChange::Revoke { reason: None };
        let change = Change::Key { id, change, expected: None };
        let begun = Instant::now();
        let made = store.commit(change, Audit::program(UnixMillis(NOW))).await?;
        if made.outcome.is_ok() {
            took.push(begun.elapsed());
            id = KeyId::new(id.get() + 100).unwrap();
        }
    }
    Ok(took)
}

/// Imports keys, and meanwhile revokes some of them, one after the other.
async fn import(store: &Arc<PostgresStore>, count: u64) -> Result<(), Box<dyn Error>> {
    let is_done = Arc::new(AtomicBool::new(false));
    let revoking = tokio::spawn(revoke(Arc::clone(store), Arc::clone(&is_done)));
    many::import(store.as_ref(), "postgres", count).await?;
    is_done.store(true, Ordering::Relaxed);
    let mut took = revoking.await??;
    took.sort_unstable();
    print("postgres/revoke-in-import-p50", took[took.len() / 2]);
    print("postgres/revoke-in-import-p99", took[took.len() * 99 / 100]);
    Ok(())
}

async fn load(store: &Arc<PostgresStore>) -> Result<(), Box<dyn Error>> {
    let count = many::load(store.as_ref(), "postgres").await?;
    let started = Instant::now();
    let gate = Gate::open(Arc::clone(store) as Arc<dyn KeyStore>, Prefix::default()).await?;
    print("postgres/gate-open", started.elapsed());
    assert_eq!(gate.index().len(), count);
    Ok(())
}
