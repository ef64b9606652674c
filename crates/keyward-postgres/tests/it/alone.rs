//! One server for a schema, unless it was started as one of several.

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward::audit::Mark;
use keyward::store::{KeyStore as _, StoreError};
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward_postgres::{LEASE_MIN, Migration, OpenError, OpenOptions, PostgresStore};

use crate::server::{block_on, place};

async fn named(place: &OpenOptions, name: &str) -> PostgresStore {
    let named = OpenOptions { name: name.to_owned(), ..place.clone() };
    PostgresStore::open(&named).await.unwrap()
}

/// A schema with the shortest lease.
async fn short() -> OpenOptions {
    let place = place();
    let migration = Migration { lease: Some(LEASE_MIN), ..Migration::default() };
    PostgresStore::migrate_with(&place, &migration).await.unwrap();
    place
}

/// A clock that goes on by so much with each reading.
struct Clock(AtomicU64, Duration);

impl Clock {
    fn of(step: Duration) -> Self {
        Self(AtomicU64::new(0), step)
    }

    fn read(&self) -> Now {
        let step = u64::try_from(self.1.as_nanos()).unwrap();
        let steady = SteadyNanos(self.0.fetch_add(step, Ordering::Relaxed));
        Now::new(UnixMillis(1_800_000_000_000), steady)
    }
}

#[test]
fn a_second_server_is_rejected_and_told_of_the_first() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let (first, second) = (named(&place, "first").await, named(&place, "second").await);
        let node = first.cluster().unwrap().register().await.unwrap().node;
        let error = second.cluster().unwrap().register().await.unwrap_err();
        let StoreError::Unavailable(cause) = &error else { panic!("{error:?}") };
        let told = cause.to_string();
        assert!(told.contains(": first; stop it first") && told.contains("--cluster"), "{told}");
        assert_eq!(error.source().unwrap().to_string(), told);
        first.cluster().unwrap().leave(node).await.unwrap();
        let node = second.cluster().unwrap().register().await.unwrap().node;
        // Its limits are its own, so that one of several does not come next to it either.
        let several = OpenOptions { several: true, ..place.clone() };
        let third = named(&several, "third").await;
        let error = third.cluster().unwrap().register().await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains(": second; stop it first"));
        second.cluster().unwrap().leave(node).await.unwrap();
        // All of them as several: any number.
        for name in ["third", "fourth"] {
            let store = named(&several, name).await;
            store.wait_until_alone(&|| panic!("it does not wait")).await.unwrap();
            store.cluster().unwrap().register().await.unwrap();
        }
        // But next to them none that expects no other.
        let error = second.cluster().unwrap().register().await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains(": fourth, third; stop it first"));
    });
}

/// Without the lock, each of them would find no other one.
#[test]
fn of_servers_that_start_together_one_is_let_in() {
    block_on(async {
        let place = place();
        PostgresStore::migrate(&place, None).await.unwrap();
        let mut stores = Vec::new();
        for number in 0..8 {
            stores.push(named(&place, &number.to_string()).await);
        }
        let clusters: Vec<_> = stores.iter().map(|store| store.cluster().unwrap()).collect();
        // So that all of them have connections.
        futures_util::future::join_all(clusters.iter().map(|it| it.leave(NOBODY))).await;
        let all = clusters.iter().map(|cluster| cluster.register());
        let all = futures_util::future::join_all(all).await;
        assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 1);
    });
}

const NOBODY: keyward::store::NodeId = keyward::store::NodeId([0; 16]);

/// It was killed: its row is silent, and is expelled by the one that waits.
#[test]
fn a_server_that_was_killed_is_waited_for_and_then_replaced() {
    block_on(async {
        let place = short().await;
        let killed = named(&place, "killed").await;
        killed.cluster().unwrap().register().await.unwrap();
        let next = named(&place, "next").await;
        let clock = Clock::of(Duration::from_millis(100));
        next.wait_until_alone(&|| clock.read()).await.unwrap();
        let waited = Duration::from_nanos(clock.0.load(Ordering::Relaxed));
        // It was silent for a lease, and renews no other one: it is marked.
        assert!(LEASE_MIN <= waited, "{waited:?}");
        assert!(waited < LEASE_MIN + Duration::from_secs(1), "{waited:?}");
        let rows = next.cluster().unwrap().standings(vec![]).await.unwrap().nodes;
        assert!(rows.iter().all(|row| row.is_marked), "changes still wait for it");
        next.cluster().unwrap().register().await.unwrap();
    });
}

#[test]
fn a_server_that_runs_keeps_its_place() {
    block_on(async {
        let place = short().await;
        let first = named(&place, "first").await;
        let node = first.cluster().unwrap().register().await.unwrap().node;
        let second = named(&place, "second").await;
        let clock = Clock::of(Duration::from_millis(100));
        let read = || clock.read();
        let waiting = second.wait_until_alone(&read);
        let renewing = async {
            loop {
                first.cluster().unwrap().renew(node, Mark::START).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let waited = futures_util::future::select(Box::pin(waiting), Box::pin(renewing)).await;
        let futures_util::future::Either::Left((Err(error), _)) = waited else {
            panic!("the second one does not come in");
        };
        assert!(matches!(&error, OpenError::Occupied { nodes, .. } if nodes == "first"), "{error}");
        assert!(error.to_string().ends_with("start every server of this schema with --cluster"));
    });
}
