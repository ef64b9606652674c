//! Prints the cost of the ledger: keys issued by 64 callers in parallel, with and without it in
//! turn, and the medians. The argument is how many keys a round issues, 20 000 if there is none.

#![expect(clippy::print_stdout, reason = "a bench is a program")]
#![expect(clippy::unwrap_used, reason = "a bench may end in a panic")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keyward::UnixMillis;
use keyward::audit::Audit;
use keyward::digest::Digest;
use keyward::issue::NewKey;
use keyward::rules::Change;
use keyward::store::KeyStore as _;
use keyward::stored::StoredSecret;
use keyward_sqlite::{OpenOptions, SqliteStore};
use tokio::task::JoinSet;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const CALLERS: usize = 64;
const ROUNDS: usize = 7;
const KEYS: u64 = 20_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(KEYS);
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (ledger, took) in [true, false].into_iter().zip(&mut took) {
            took.push(issue(count, ledger).await?);
        }
    }
    let [with, without] = took.map(|mut took: Vec<Duration>| {
        took.sort_unstable();
        took.get(ROUNDS / 2).copied().unwrap_or_default()
    });
    println!("store/issue-with-ledger {:.3} ms", with.as_secs_f64() * 1e3);
    println!("store/issue-without-ledger {:.3} ms", without.as_secs_f64() * 1e3);
    println!(
        "store/ledger-cost {:.2} %",
        100.0 * (with.as_secs_f64() / without.as_secs_f64() - 1.0)
    );
    Ok(())
}

/// Issues so many keys into a new database.
async fn issue(count: u64, ledger: bool) -> Result<Duration, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let options = OpenOptions { holder: "a bench", now: NOW, after_restore: None, ledger };
    let path = directory.path().join("keyward.db");
    let store = Arc::new(SqliteStore::open_with(&path, &options)?.0);
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, next) = (Arc::clone(&store), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if count <= number {
                    return;
                }
                let key = NewKey::plain("bench".parse().unwrap(), "basic".parse().unwrap(), None);
                let mut digest = [0x5a; 32];
                digest.iter_mut().zip(number.to_be_bytes()).for_each(|(to, byte)| *to = byte);
                let digest = Digest::from_stored(digest);
                let hint = "kw_aaaa".to_owned();
                let new = key.with_secret(StoredSecret { digest, hint, created_at: NOW });
                let issue = Change::Issue(Box::new(new));
                let issued = store.commit(issue, Audit::program(NOW)).await.unwrap();
                assert!(issued.outcome.is_ok());
            }
        });
    }
    callers.join_all().await;
    let took = started.elapsed();
    store.close().await?;
    Ok(took)
}
