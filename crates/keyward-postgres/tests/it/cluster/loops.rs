//! Guards with their loops, as a server runs them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyward::store::KeyStore as _;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::{Asked, Gate, KeyId};
use keyward_axum::testing::{self, until, verdict};
use keyward_axum::{Guard, GuardOptions, SystemClock, Upkeep};
use keyward_postgres::{OpenOptions, PostgresStore};

use crate::proxy::Proxy;
use crate::server::{Server, as_role, block_on, make_role};

use super::{LEASE, shared};

async fn node(place: &OpenOptions) -> (Guard, Upkeep) {
    let store = Arc::new(PostgresStore::open(place).await.unwrap());
    let gate = Gate::open(store, Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    until(&guard, "wrong", "unknown").await;
    (guard, upkeep)
}

/// The id of a key by its secret, as memory has it.
fn id_of(guard: &Guard, secret: &str) -> KeyId {
    guard.verify(&Asked::of(secret)).unwrap().key_id()
}

#[test]
fn what_one_gate_revokes_is_dead_at_the_other_when_it_returns() {
    block_on(async {
        let place = shared().await;
        let ((first, one), (second, other)) = (node(&place).await, node(&place).await);
        let mut nodes = [&first, &second];
        for number in 0..100 {
            let secret = testing::issue(nodes[0], &format!("bot-{number}")).await;
            until(nodes[1], &secret, "allowed").await;
            let id = id_of(nodes[1], &secret);
            nodes[0].revoke(id, None, nodes[0].program()).await.unwrap();
            assert_eq!(verdict(nodes[1], &secret), "revoked");
            assert_eq!(verdict(nodes[0], &secret), "revoked");
            nodes.reverse();
        }
        for guard in nodes {
            let standing = guard.gate().standing().unwrap();
            assert_eq!((standing.settled_by_clock, standing.diverged), (0, 0));
            // Its revocations; keys that are issued wait for 250 ms at most.
            assert!(50 <= standing.settled, "{standing:?}");
        }
        one.stop().await.unwrap();
        other.stop().await.unwrap();
        assert_eq!(rows(&place, "node").await, 0, "both have left");
    });
}

/// Many at a time on both, which come into the same batches.
#[test]
fn revocations_at_the_same_time_are_each_final() {
    block_on(async {
        let place = shared().await;
        let ((first, one), (second, other)) = (node(&place).await, node(&place).await);
        let mut secrets = Vec::new();
        for number in 0..64 {
            secrets.push(testing::issue(&first, &format!("bot-{number}")).await);
        }
        until(&second, secrets.last().unwrap(), "allowed").await;
        let revoked = secrets.iter().enumerate().map(async |(number, secret)| {
            let (here, there) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
            let id = id_of(there, secret);
            here.revoke(id, None, here.program()).await.unwrap();
            assert_eq!((verdict(here, secret), verdict(there, secret)), ("revoked", "revoked"));
        });
        futures_util::future::join_all(revoked).await;
        assert_eq!(first.gate().standing().unwrap().settled_by_clock, 0);
        one.stop().await.unwrap();
        other.stop().await.unwrap();
    });
}

/// Whatever the connections are at, an acknowledged change is final.
#[test]
fn connections_that_are_ended_break_no_promise() {
    block_on(async {
        let place = shared().await;
        let role = make_role("ended_nodes", &place).await;
        let place = as_role(&place, &role);
        let ((first, one), (second, other)) = (node(&place).await, node(&place).await);
        let killer = Server::shared().client().await;
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{role}'"
        );
        let killing = async {
            loop {
                killer.query_one(&kill, &[]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(70)).await;
            }
        };
        let revoking = async {
            let (mut acknowledged, mut number) = (0, 0);
            while acknowledged < 12 {
                number += 1;
                let name = format!("bot-{number}").parse().unwrap();
                let key = NewKey::plain(name, "basic".parse().unwrap(), None);
                let Ok(issued) = first.issue(key, first.program()).await else { continue };
                let secret = issued.secret.expose();
                let revoked = second.revoke(issued.key_id, None, second.program()).await;
                if revoked.is_ok() {
                    assert_ne!(verdict(&first, secret), "allowed");
                    assert_ne!(verdict(&second, secret), "allowed");
                    acknowledged += 1;
                }
            }
        };
        let done = futures_util::future::select(Box::pin(revoking), Box::pin(killing)).await;
        assert!(matches!(done, futures_util::future::Either::Left(_)));
        until(&first, "wrong", "unknown").await;
        until(&second, "wrong", "unknown").await;
        assert_eq!(first.gate().standing().unwrap().diverged, 0);
        one.stop().await.unwrap();
        other.stop().await.unwrap();
    });
}

/// A hint comes at once, and also after the connection that listens was ended.
#[test]
fn a_change_is_hinted_at() {
    block_on(async {
        let place = shared().await;
        let role = make_role("listener", &place).await;
        let listening = PostgresStore::open(&as_role(&place, &role)).await.unwrap();
        let changing = PostgresStore::open(&place).await.unwrap();
        let cluster = listening.cluster().unwrap();
        // It listens since then.
        cluster.hint().await;
        for number in 1..=3 {
            keyward::conformance::sample::issue(&changing, number).await;
            cluster.hint().await;
            let no_more = tokio::time::timeout(Duration::from_millis(50), cluster.hint()).await;
            assert!(no_more.is_err(), "one change, one hint");
            let kill = format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE usename = '{role}' AND query LIKE 'LISTEN%'"
            );
            let killed = Server::shared().client().await.query_one(&kill, &[]).await.unwrap();
            assert_eq!(killed.get::<_, i64>(0), 1);
            // One that it ended, one that it listens again: something may have been missed.
            cluster.hint().await;
            cluster.hint().await;
        }
        let other = shared().await;
        let elsewhere = PostgresStore::open(&other).await.unwrap();
        keyward::conformance::sample::issue(&elsewhere, 1).await;
        let none = tokio::time::timeout(Duration::from_millis(50), cluster.hint()).await;
        assert!(none.is_err(), "another schema");
    });
}

/// A connection on which nothing comes any more, and nothing says so.
#[test]
fn a_silent_connection_is_given_up_in_time_for_the_next_renewal() {
    block_on(async {
        let place = shared().await;
        let (proxy, through) = Proxy::start(&place);
        let store = PostgresStore::open(&through).await.unwrap();
        let cluster = store.cluster().unwrap();
        let node = cluster.register().await.unwrap().node;
        let head = store.snapshot().await.unwrap().newest();
        proxy.silence();
        #[expect(clippy::disallowed_methods, reason = "a test of real time")]
        let began = Instant::now();
        cluster.renew(node, head).await.unwrap_err();
        let took = began.elapsed();
        assert!(LEASE / 2 <= took && took < LEASE, "{took:?}");
        cluster.renew(node, head).await.unwrap();
        assert!(began.elapsed() < LEASE);
    });
}

pub(super) async fn rows(place: &OpenOptions, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {}.{table}", place.schema);
    Server::shared().client().await.query_one(&count, &[]).await.unwrap().get(0)
}
