//! Limits that two nodes share, over a real server.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use keyward::limit::{Cost, Limit, Limits, Revision};
use keyward::ticket::{Ask, Terms, Ticket};
use keyward_axum::keyward::change::{KeyChange, KeyEdit};
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::issue::{Issued, NewKey};
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::{Asked, Gate};
use keyward_axum::{Guard, GuardOptions, SystemClock, Upkeep};
use keyward_postgres::{OpenOptions, PostgresStore, PostgresTickets};

use crate::proxy::{Cut, Proxy};
use crate::server::block_on;

const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// A schema for several nodes that share limits.
async fn place() -> OpenOptions {
    let place = super::shared().await;
    PostgresTickets::migrate(&place, None).await.unwrap();
    place
}

/// A node whose buckets are in the database of limits of this place.
async fn node(place: &OpenOptions, of_limits: &OpenOptions) -> (Guard, Upkeep) {
    let mut store = PostgresStore::open(place).await.unwrap();
    store.share_limits(of_limits).await.unwrap();
    let gate = Gate::open(Arc::new(store), Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    while decided(&guard, &Asked::of("wrong")).await != "unknown" {}
    (guard, upkeep)
}

async fn two() -> [(Guard, Upkeep); 2] {
    let place = place().await;
    [node(&place, &place).await, node(&place, &place).await]
}

async fn stop(nodes: [(Guard, Upkeep); 2]) {
    for (_, upkeep) in nodes {
        upkeep.stop().await.unwrap();
    }
}

fn limit(name: &str, amount: u32, per: Duration) -> Limit {
    let amount = NonZeroU32::new(amount).unwrap();
    Limit::new(name, amount, per, amount).unwrap()
}

async fn issue(guard: &Guard, limits: Option<Vec<Limit>>, owner: Option<&str>) -> Issued {
    let limits = limits.map(|list| Limits::new(list).unwrap());
    let owner = owner.map(|owner| owner.parse().unwrap());
    let key = NewKey::plain("bot".parse().unwrap(), "basic".parse().unwrap(), None);
    guard.issue(NewKey { limits, owner, ..key }, guard.program()).await.unwrap()
}

/// The word for the verdict, of a server that may be busy: without a limit of time, nothing is
/// said of a batch that waited too long for its locks and took nothing.
async fn decided(guard: &Guard, asked: &Asked<'_>) -> &'static str {
    let clock = || guard.clock().now();
    loop {
        let (verdict, _) = guard.gate().verify_shared(asked, &clock, pending::<()>).await;
        match verdict {
            Ok(_) => return "allowed",
            Err(denied) if denied.as_str() == "unavailable" => {}
            Err(denied) => return denied.as_str(),
        }
    }
}

/// How many of so many requests at each node are let in, all at the same time.
async fn let_in(nodes: &[(Guard, Upkeep); 2], asked: &Asked<'_>, requests: usize) -> usize {
    let of = |guard: &Guard| {
        let guard = guard.clone();
        async move { join_all((0..requests).map(|_| decided(&guard, asked))).await }
    };
    let (one, other) = join(of(&nodes[0].0), of(&nodes[1].0)).await;
    one.iter().chain(&other).filter(|word| **word == "allowed").count()
}

/// Waits until the second node knows a key.
async fn known(nodes: &[(Guard, Upkeep); 2], key: &Issued) {
    let asked = Asked::of(key.secret.expose());
    while nodes[1].0.verify(&asked).is_err_and(|denied| denied.as_str() == "unknown") {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_burst_at_two_nodes_is_let_in_as_one_would_let_it_in() {
    block_on(async {
        let nodes = two().await;
        for limits in [
            vec![limit("brief", 3, MINUTE)],
            vec![limit("long", 40, MONTH)],
            vec![limit("brief", 3, MINUTE), limit("long", 40, MONTH)],
        ] {
            let most = limits.iter().map(|limit| limit.burst().get()).min().unwrap() as usize;
            let key = issue(&nodes[0].0, Some(limits), None).await;
            known(&nodes, &key).await;
            assert_eq!(let_in(&nodes, &Asked::of(key.secret.expose()), 60).await, most);
        }
        stop(nodes).await;
    });
}

#[test]
fn an_owner_shares_its_limit_over_keys_and_nodes_and_a_cost_is_taken_whole() {
    block_on(async {
        let nodes = two().await;
        let all = Limits::of(Some(limit("all", 11, MONTH)));
        let guard = &nodes[0].0;
        guard.edit_owner("acme".parse().unwrap(), all, None, guard.program()).await.unwrap();
        let one = issue(guard, Some(vec![limit("own", 7, MONTH)]), Some("acme")).await;
        let other = issue(guard, Some(Vec::new()), Some("acme")).await;
        known(&nodes, &other).await;
        let costly = Asked { cost: Cost::from(3), ..Asked::of(one.secret.expose()) };
        assert_eq!(let_in(&nodes, &costly, 20).await, 2, "7 allow 3 twice");
        assert_eq!(let_in(&nodes, &Asked::of(other.secret.expose()), 20).await, 5);
        stop(nodes).await;
    });
}

/// Revisions come with the feed, and with the snapshot of a node that opens later.
#[test]
fn limits_that_change_hold_at_every_node_when_the_change_returns() {
    block_on(async {
        let place = place().await;
        let nodes = [node(&place, &place).await, node(&place, &place).await];
        let guard = &nodes[0].0;
        let key = issue(guard, None, None).await;
        known(&nodes, &key).await;
        let asked = Asked::of(key.secret.expose());
        let tier = |limit| (("basic".parse().unwrap(), Limits::of(Some(limit))), TierBefore::Any);
        for amount in [9, 5] {
            let ((name, limits), before) = tier(limit("requests", amount, MONTH));
            guard.put_tier(name, limits, before, guard.program()).await.unwrap();
        }
        assert_eq!(let_in(&nodes, &asked, 10).await, 5);
        // Another tier and back, and limits of its own.
        for tier in ["pro", "basic"] {
            let edit = KeyEdit { tier: Some(tier.parse().unwrap()), ..KeyEdit::default() };
            let change = KeyChange::Edit(Box::new(edit));
            guard.change(key.key_id, change, None, guard.program()).await.unwrap();
        }
        let late = node(&place, &place).await;
        assert_eq!(decided(&late.0, &asked).await, "limited");
        let own = Limits::of(Some(limit("own", 4, MONTH)));
        let edit = KeyEdit { limits: Some(Some(own)), ..KeyEdit::default() };
        let change = KeyChange::Edit(Box::new(edit));
        guard.change(key.key_id, change, None, guard.program()).await.unwrap();
        assert_eq!(decided(&late.0, &asked).await, "allowed");
        assert_eq!(let_in(&nodes, &asked, 10).await, 3);
        late.1.stop().await.unwrap();
        stop(nodes).await;
    });
}

#[test]
fn without_the_database_of_limits_keys_that_have_none_go_on() {
    block_on(async {
        let place = place().await;
        let (proxy, through) = Proxy::start_for(&place, b"COMMIT");
        let nodes = [node(&place, &through).await, node(&place, &place).await];
        let limited = issue(&nodes[0].0, None, None).await;
        let free = issue(&nodes[0].0, Some(Vec::new()), None).await;
        known(&nodes, &free).await;
        let (asked, free) = (Asked::of(limited.secret.expose()), Asked::of(free.secret.expose()));
        assert_eq!(decided(&nodes[0].0, &asked).await, "allowed");
        proxy.cut(Cut::Silent);
        while !proxy.is_cut() {
            let denied = nodes[0].0.verified(&asked).await.unwrap_err();
            assert_eq!(denied.as_str(), "unavailable");
        }
        nodes[0].0.verified(&free).await.unwrap();
        assert_eq!(decided(&nodes[1].0, &asked).await, "allowed", "the other node has it");
        stop(nodes).await;
    });
}

/// Rows may have terms that no trail knows, after a loss: the next ask that meets them mends that.
#[test]
fn terms_that_no_trail_knows_are_forgotten() {
    block_on(async {
        let place = place().await;
        let nodes = [node(&place, &place).await, node(&place, &place).await];
        let own = Limits::of(Some(limit("own", 4, MONTH)));
        let key = issue(&nodes[0].0, Some(own.list().to_vec()), None).await;
        known(&nodes, &key).await;
        let terms = Terms::of_key(key.key_id, own, Revision(1_000_000));
        let lost = Ask { own: terms, owner: None, cost: Cost::ONE };
        let store = nodes[0].0.gate().store();
        let ticket = store.tickets().unwrap().take(lost).await;
        assert!(matches!(ticket, Ticket::Granted(_)), "{ticket:?}");
        assert_eq!(let_in(&nodes, &Asked::of(key.secret.expose()), 5).await, 3);
        stop(nodes).await;
    });
}
