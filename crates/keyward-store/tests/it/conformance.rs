//! The promises of [`Store`], each kept by each store.

mod audit;
mod changes;
mod clock;
mod keys;
mod leaks;
mod lists;
mod once;
mod owners;
mod reading;
mod rotation;
mod tiers;
mod transfer;
mod usage;

/// Makes of every promise, an async function of a store, one test per store.
macro_rules! promises {
    ($($promise:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&keyward::memory::MemoryStore::default()).await;
                }
            )+
        }

        mod sqlite {
            $(
                #[tokio::test]
                async fn $promise() {
                    let directory = tempfile::tempdir().unwrap();
                    let store = crate::sample::open(&directory.path().join("keyward.db"));
                    super::$promise(&store).await;
                }
            )+
        }
    };
}

use promises;
