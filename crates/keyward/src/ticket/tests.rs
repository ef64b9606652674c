//! Tests of the decision: the same as on one node, terms that change, and a table that was lost.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::limit::{Cost, Exceeded, Limit, Limits};
use crate::record::{KeyId, Owner};

mod guarantee;
mod one_node;

const SECOND: u64 = 1_000_000_000;
/// A time at which no bucket of a row that nothing was taken from is still filling.
const START: u64 = 1_000_000 * SECOND;

fn named(name: &str, amount: u32, per_secs: u64, burst: u32) -> Limit {
    let number = |number| NonZeroU32::new(number).unwrap();
    Limit::new(name, number(amount), Duration::from_secs(per_secs), number(burst)).unwrap()
}

fn own(list: &[Limit], revision: u64) -> Terms {
    let limits = Limits::new(list.to_vec()).unwrap();
    Terms::of_key(KeyId::new(7).unwrap(), limits, Revision(revision))
}

fn owner(list: &[Limit], revision: u64) -> Terms {
    let name: Owner = "acme".parse().unwrap();
    Terms::of_owner(&name, &Limits::new(list.to_vec()).unwrap(), Revision(revision))
}

fn ask(own: &Terms, cost: u32) -> Ask {
    Ask { own: own.clone(), owner: None, cost: Cost::new(cost).unwrap() }
}

/// What a store has: rows, and since when the table of brief ones is whole.
#[derive(Default)]
struct Rows {
    rows: BTreeMap<Place, Row>,
    since: StoreNanos,
}

impl Rows {
    /// Decides about these asks in one batch, and writes.
    fn decide(&mut self, at: u64, asks: &[Ask]) -> Vec<Ticket> {
        let row = |place| (place, self.rows.get(&place).copied().unwrap_or(Row::FULL));
        let rows = asks.iter().flat_map(Ask::places).map(row).collect();
        let mut batch = Batch::new(StoreNanos(at), Some(self.since), rows);
        let tickets = asks.iter().map(|ask| batch.decide(ask)).collect();
        self.rows.extend(batch.writes());
        tickets
    }

    fn one(&mut self, at: u64, ask: &Ask) -> Ticket {
        self.decide(at, std::slice::from_ref(ask)).remove(0)
    }

    fn is_granted(&mut self, at: u64, ask: &Ask) -> bool {
        matches!(self.one(at, ask), Ticket::Granted(_))
    }
}

fn exceeded(ticket: Ticket) -> Exceeded {
    let Ticket::Exceeded(exceeded) = ticket else { panic!("{ticket:?}") };
    exceeded
}

#[test]
fn asks_of_a_batch_see_each_other() {
    let ask = ask(&own(&[named("a", 3, 60, 3)], 1), 2);
    let tickets = Rows::default().decide(START, &[ask.clone(), ask]);
    assert!(matches!(tickets[..], [Ticket::Granted(_), Ticket::Exceeded(_)]), "{tickets:?}");
}

#[test]
fn an_ask_takes_from_all_buckets_or_from_none() {
    let (wide, narrow) = (named("wide", 9, 60, 9), named("narrow", 1, 60, 1));
    let own = own(&[wide], 1);
    let both = Ask { owner: Some(owner(&[narrow], 1)), ..ask(&own, 1) };
    let mut rows = Rows::default();
    let Ticket::Granted(standings) = rows.one(START, &both) else { panic!("there is room") };
    let told: Vec<_> = standings.iter().map(|of| of.limit.name().to_owned()).collect();
    assert_eq!(told, ["wide", "owner:narrow"]);
    for _ in 0..20 {
        let told = exceeded(rows.one(START, &both));
        assert_eq!(told.standing().unwrap().limit.name(), "owner:narrow");
    }
    let Ticket::Granted(standings) = rows.one(START, &ask(&own, 1)) else { panic!("8 are left") };
    assert_eq!(standings.shown().unwrap().remaining, 7);
}

#[test]
fn a_cost_of_nothing_needs_room_and_writes_nothing() {
    let own = own(&[named("a", 1, 60, 1)], 0);
    let mut rows = Rows::default();
    assert!(rows.is_granted(START, &ask(&own, 0)));
    assert_eq!(rows.rows.len(), 0);
    assert!(rows.is_granted(START, &ask(&own, 1)));
    assert!(!rows.is_granted(START, &ask(&own, 0)));
    assert_eq!(rows.one(START, &ask(&own, 2)), Ticket::TooCostly);
}

/// A clamp that is not written would begin anew with each denial, and never end.
#[test]
fn a_limit_that_was_tightened_lets_in_after_its_own_time() {
    let loose = ask(&own(&[named("a", 20, 40, 20)], 1), 1);
    let tight = ask(&own(&[named("a", 1, 2, 1)], 2), 1);
    let mut rows = Rows::default();
    for _ in 0..20 {
        assert!(rows.is_granted(START, &loose));
    }
    let mut times = (1..).map(|tenth| START + tenth * SECOND / 10);
    let first = times.find(|at| rows.is_granted(*at, &tight)).unwrap();
    assert_eq!(first, START + SECOND / 10 + 2 * SECOND, "one step after it was first asked");
    assert_eq!(rows.one(first, &loose), Ticket::Stale(Revision(2)));
}

#[test]
fn what_is_used_stays_used_under_looser_terms() {
    let tight = ask(&own(&[named("a", 10, 60, 10)], 1), 10);
    let loose = own(&[named("a", 20, 60, 20)], 2);
    let mut rows = Rows::default();
    assert!(rows.is_granted(START, &tight));
    // It fills in 60 s, as it would have: nothing is left under these terms either.
    let told = exceeded(rows.one(START, &ask(&loose, 1)));
    assert_eq!(told.standing().unwrap().remaining, 0);
    assert_eq!(told.retry_after, Duration::from_secs(3));
}

#[test]
fn older_terms_are_granted_nothing_and_change_nothing() {
    let (older, newer) = (own(&[named("a", 5, 60, 5)], 1), own(&[named("a", 5, 60, 5)], 2));
    let mut rows = Rows::default();
    assert!(rows.is_granted(START, &ask(&newer, 1)));
    let before = rows.rows.clone();
    assert_eq!(rows.one(START, &ask(&older, 1)), Ticket::Stale(Revision(2)));
    // Also next to terms that are not older: it is the whole request that is asked about.
    let mixed = Ask { owner: Some(owner(&[named("b", 5, 60, 5)], 0)), ..ask(&older, 1) };
    assert_eq!(rows.one(START, &mixed), Ticket::Stale(Revision(2)));
    assert_eq!(rows.rows, before);
}

/// Otherwise a key would be denied for as long as the clock was set back.
#[test]
fn a_clock_that_is_set_back_denies_no_longer_than_a_full_wait() {
    let ask = ask(&own(&[named("a", 1, 10, 1)], 1), 1);
    let mut rows = Rows::default();
    assert!(rows.is_granted(START, &ask));
    let back = START - 1_000 * SECOND;
    assert_eq!(exceeded(rows.one(back, &ask)).retry_after, Duration::from_secs(10));
    assert!(!rows.is_granted(back + 5 * SECOND, &ask));
    assert!(rows.is_granted(back + 10 * SECOND, &ask));
}

#[test]
fn a_bucket_without_a_row_is_no_full_bucket() {
    let ask = ask(&own(&[named("a", 5, 60, 5)], 1), 1);
    let mut batch = Batch::new(StoreNanos(START), Some(StoreNanos(0)), BTreeMap::new());
    assert_eq!(batch.decide(&ask), Ticket::Unavailable);
    assert_eq!(batch.writes().count(), 0);
}

#[test]
fn a_table_that_was_emptied_counts_as_empty_buckets() {
    let ask = ask(&own(&[named("a", 10, 10, 10)], 1), 1);
    let (row, at) = (|place| (place, Row::FULL), StoreNanos(START));
    let decide = |since: Option<u64>, at: u64| {
        let rows = ask.places().map(row).collect();
        Batch::new(StoreNanos(at), since.map(StoreNanos), rows).decide(&ask)
    };
    let since = whole_since(at, Server::Other, Duration::from_secs(5)).0;
    assert_eq!(decide(None, START), Ticket::Unavailable);
    assert_eq!(decide(Some(since), START), Ticket::Unavailable);
    assert_eq!(decide(Some(since), since - 1), Ticket::Unavailable);
    assert_eq!(exceeded(decide(Some(since), since)).retry_after, Duration::from_secs(1));
    assert!(matches!(decide(Some(since), since + SECOND), Ticket::Granted(_)));
    assert_eq!(whole_since(at, Server::Same, Duration::from_secs(5)), at);
}

/// `1000 per 30 days` is in a table that a crash does not empty.
#[test]
fn a_long_limit_depends_on_no_table_that_is_lost() {
    let long = own(&[named("month", 1, 30 * 86_400, 1)], 1);
    assert!(long.places().iter().all(|place| place.keeping == Keeping::Kept));
    let rows = |ask: &Ask| ask.places().map(|place| (place, Row::FULL)).collect();
    let decide = |ask: &Ask| Batch::new(StoreNanos(START), None, rows(ask)).decide(ask);
    assert!(matches!(decide(&ask(&long, 1)), Ticket::Granted(_)));
    let both = Ask { owner: Some(owner(&[named("second", 1, 60, 1)], 1)), ..ask(&long, 1) };
    assert_eq!(decide(&both), Ticket::Unavailable);
    let places: BTreeMap<_, _> = rows(&both);
    let keepings: Vec<_> = places.keys().map(|place| place.keeping).collect();
    assert_eq!(keepings, [Keeping::Kept, Keeping::Brief], "the order of the locks");
}

/// A time that is rounded does not move a limit to the table whose commits wait for the disk.
#[test]
fn a_limit_is_as_long_as_the_operator_says() {
    let keeping =
        |amount, per, burst| own(&[named("a", amount, per, burst)], 1).places()[0].keeping;
    assert_eq!(keeping(9, 60, 9), Keeping::Brief);
    assert_eq!(keeping(7, 59, 7), Keeping::Brief);
    assert_eq!(keeping(9, 60, 10), Keeping::Kept);
    assert_eq!(keeping(1_000_000_000, 86_400, u32::MAX), Keeping::Kept);
}

#[test]
fn a_bucket_that_moved_between_tables_begins_empty() {
    let ask = ask(&own(&[named("a", 1, 60, 1)], 2), 1);
    let rows = ask.places().map(|place| (place, Row::MOVED)).collect();
    let mut batch = Batch::new(StoreNanos(START), Some(StoreNanos(0)), rows);
    assert_eq!(exceeded(batch.decide(&ask)).retry_after, Duration::from_secs(60));
    let written: Vec<_> = batch.writes().map(|(_, row)| row).collect();
    let empty = Row { full_at: StoreNanos(START + 60 * SECOND), revision: Revision(2) };
    assert_eq!(written, [empty]);
}

#[test]
fn buckets_have_names_of_their_own() {
    let id = |key| KeyId::new(key).unwrap();
    let names = [
        BucketId::of_key(id(1), "a"),
        BucketId::of_key(id(1), "b"),
        BucketId::of_key(id(2), "a"),
        BucketId::of_owner(&"1".parse().unwrap(), "a"),
        BucketId::of_owner(&"a".parse().unwrap(), "1"),
    ];
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{at}");
        assert_eq!(BucketId::from_stored(*name.as_bytes()), *name);
    }
    // Written down, since every program over one store has to agree.
    assert_eq!(format!("{:?}", names[0]), "6a6953e7b5ea6fb5ffa435f8fa0c2ea2");
}
