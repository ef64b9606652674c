//! The same asks, decided by the words of one process.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::*;
use crate::limit::{Buckets, Era, SharedBuckets, Standings, TakeError};
use crate::time::{Now, SteadyNanos, UnixMillis};

/// What one process has for a key and its owner.
struct Node {
    limits: Limits,
    words: Vec<AtomicU64>,
    lock: Mutex<()>,
    owner: Option<SharedBuckets>,
}

impl Node {
    fn new(own: &[Limit], owner: &[Limit]) -> Self {
        let now = Now::new(UnixMillis(0), SteadyNanos(0));
        let shared = SharedBuckets::default();
        shared.set(&Limits::new(owner.to_vec()).unwrap(), Revision(0), &|| now);
        Self {
            limits: Limits::new(own.to_vec()).unwrap(),
            words: own.iter().map(|_| AtomicU64::new(0)).collect(),
            lock: Mutex::new(()),
            owner: shared.are_set().then_some(shared),
        }
    }

    fn decide(&self, at: u64, cost: Cost) -> Ticket {
        let Self { limits, words, lock, owner } = self;
        let buckets = Buckets { limits, told: limits, era: Era::FIRST, words };
        let mut told = Standings::NONE;
        match buckets.take(lock, owner.as_ref(), cost, SteadyNanos(at), &mut told) {
            Ok(()) => Ticket::Granted(told),
            Err(TakeError::Exceeded(retry_after)) => {
                Ticket::Exceeded(Exceeded { standings: told, retry_after })
            }
            Err(TakeError::TooCostly) => Ticket::TooCostly,
        }
    }
}

fn limits(most: usize) -> impl Strategy<Value = Vec<Limit>> {
    let one = (1_u32..200, 1_u64..100, 1_u32..20);
    prop::collection::vec(one, 0..=most).prop_map(|list| {
        let limit = |(at, (amount, per, burst))| named(&format!("l{at}"), amount, per, burst);
        list.into_iter().enumerate().map(limit).collect()
    })
}

proptest! {
    /// Whatever the limits, the costs and the batches: the same verdict, with the same state of
    /// each limit and the same wait.
    #[test]
    fn a_batch_decides_as_one_node_does(
        own_limits in limits(3),
        owner_limits in limits(3),
        batches in prop::collection::vec(
            (0_u64..3 * SECOND, prop::collection::vec(0_u32..6, 1..5)), 1..60,
        ),
    ) {
        let node = Node::new(&own_limits, &owner_limits);
        let owner = (!owner_limits.is_empty()).then(|| owner(&owner_limits, 1));
        let own = own(&own_limits, 1);
        let (mut rows, mut at) = (Rows::default(), START);
        for (step, costs) in batches {
            at += step;
            let ask = |cost: &u32| Ask { owner: owner.clone(), ..ask(&own, *cost) };
            let asks: Vec<_> = costs.iter().map(ask).collect();
            let alone: Vec<_> = asks.iter().map(|ask| node.decide(at, ask.cost)).collect();
            prop_assert_eq!(rows.decide(at, &asks), alone);
        }
    }
}
