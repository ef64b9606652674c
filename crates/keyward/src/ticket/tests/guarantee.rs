//! The guarantee, by the lifetimes of requests: a response says nothing about the instant at which
//! its request counts, except that it lies within its lifetime.

use proptest::prelude::*;

use super::*;

/// A request that was accepted: when it came, when its response left, and its cost.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    begin: u64,
    end: u64,
    cost: u64,
}

/// Looks at each span from a request's arrival to a response: the requests whose whole lifetime
/// lies in it cost at most `burst + t / interval`.
fn check(accepted: &[Accepted], burst: u64, interval: u64) -> Result<(), String> {
    for from in accepted.iter().map(|one| one.begin) {
        for to in accepted.iter().map(|one| one.end).filter(|to| from <= *to) {
            let within = accepted.iter().filter(|one| from <= one.begin && one.end <= to);
            let taken: u64 = within.map(|one| one.cost).sum();
            if burst + (to - from) / interval < taken {
                return Err(format!("{taken} in {} ns", to - from));
            }
        }
    }
    Ok(())
}

/// One batch of one of the nodes: how long after the one before it holds the locks, how long its
/// requests had waited, how long their responses take, and their costs.
type Sent = (u64, u64, u64, Vec<u32>);

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let costs = prop::collection::vec(0_u32..4, 1..6);
    prop::collection::vec((0..SECOND, 0..SECOND / 4, 0..SECOND / 4, costs), 1..40)
}

proptest! {
    #[test]
    fn no_span_holds_more_than_burst_and_rate(
        amount in 1_u32..100, per_secs in 1_u64..20, burst in 1_u32..20, batches in sent(),
    ) {
        let own = own(&[named("a", amount, per_secs, burst)], 1);
        let (mut rows, mut at) = (Rows::default(), START);
        let mut accepted = Vec::new();
        for (step, waited, returns, costs) in batches {
            at += step;
            let asks: Vec<_> = costs.iter().map(|cost| ask(&own, *cost)).collect();
            for (ticket, cost) in rows.decide(at, &asks).into_iter().zip(costs) {
                if matches!(ticket, Ticket::Granted(_)) {
                    let cost = u64::from(cost);
                    accepted.push(Accepted { begin: at - waited, end: at + returns, cost });
                }
            }
        }
        let interval = (per_secs * SECOND).div_ceil(u64::from(amount));
        prop_assert_eq!(check(&accepted, burst.into(), interval), Ok(()));
    }

    /// The table of brief rows is lost in the middle, and the server with it or not. On the old
    /// server, a node may go on for as long as its lease.
    #[test]
    fn a_table_that_is_lost_lets_in_no_more(
        batches in sent(), lost_at in 0_usize..40, is_promotion: bool, lag in 0..5 * SECOND,
    ) {
        let (limit, lease) = (named("a", 10, 10, 10), Duration::from_secs(5));
        let own = own(&[limit], 1);
        let (mut rows, mut at) = (Rows::default(), START);
        let mut accepted = Vec::new();
        for (number, (step, waited, returns, costs)) in batches.into_iter().enumerate() {
            at += step;
            if number == lost_at {
                let server = if is_promotion { Server::Other } else { Server::Same };
                let mut old = std::mem::take(&mut rows);
                rows.since = whole_since(StoreNanos(at), server, lease);
                if is_promotion && old.is_granted(at + lag, &ask(&own, 10)) {
                    accepted.push(Accepted { begin: at + lag, end: at + lag, cost: 10 });
                }
            }
            let asks: Vec<_> = costs.iter().map(|cost| ask(&own, *cost)).collect();
            for (ticket, cost) in rows.decide(at, &asks).into_iter().zip(costs) {
                if matches!(ticket, Ticket::Granted(_)) {
                    let cost = u64::from(cost);
                    accepted.push(Accepted { begin: at - waited, end: at + returns, cost });
                }
            }
        }
        prop_assert_eq!(check(&accepted, 10, SECOND), Ok(()));
    }
}

/// The checker itself: it finds one request too many, and does not take a request for one that
/// counts at an instant of our choice.
#[test]
fn the_checker_uses_lifetimes() {
    let one = |begin, end| Accepted { begin, end, cost: 1 };
    // A burst of 2, and one each 10 ns.
    let within = [one(0, 1), one(0, 1), one(5, 12)];
    assert_eq!(check(&within, 2, 10), Ok(()), "the third may count at 12");
    let over = [one(0, 1), one(0, 1), one(5, 9)];
    assert!(check(&over, 2, 10).is_err());
}
