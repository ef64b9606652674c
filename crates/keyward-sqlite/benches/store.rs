//! Prints what importing, opening and searching a store of a million keys takes, one figure a
//! line. The first argument is how many keys there are; with the word `import`, only that is done.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench is a program")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may end in a panic")]
#![expect(clippy::cast_possible_truncation, reason = "the numbers of a bench are small")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "store/many.rs"]
mod many;

use std::env;
use std::error::Error;
use std::time::Instant;

use keyward::UnixMillis;
use keyward::store::{Backup as _, KeyStore as _};
use keyward_sqlite::SqliteStore;

use many::{KEYS, NOW, import, lists, load, print, usage};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes `--bench` as well.
    let count = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(KEYS);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("keyward.db");
    let open = || SqliteStore::open(&path, "a bench", UnixMillis(NOW));
    let store = open()?;
    import(&store, "store", count).await?;
    store.close().await?;
    drop(store);
    if env::args().any(|word| word == "import") {
        return Ok(());
    }

    let store = open()?;
    load(&store, "store").await?;
    lists(&store, "store", count).await?;
    usage(&store, "store", count).await?;
    let started = Instant::now();
    store.back_up(&directory.path().join("copy.db")).await?;
    print("store/back-up", started.elapsed());
    Ok(())
}
