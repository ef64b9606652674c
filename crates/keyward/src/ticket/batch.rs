//! The decision about asks whose rows are locked.

use std::collections::BTreeMap;

use crate::limit::{Cost, Exceeded, Revision, Standings, TakeError, Times, take_from_times};
use crate::time::SteadyNanos;

use super::{Ask, Keeping, Place, StoreNanos, Terms};

/// A bucket as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it will be full.
    pub full_at: StoreNanos,
    /// The newest terms under which it was asked for.
    pub revision: Revision,
}

impl Row {
    /// Of a bucket that nothing was ever taken from.
    pub const FULL: Self = Self { full_at: StoreNanos(0), revision: Revision(0) };
    /// Of a bucket that was in the other table, and had not filled there: it begins empty here,
    /// since requests that know the older terms may still take from it there.
    pub const MOVED: Self = Self { full_at: StoreNanos(u64::MAX), revision: Revision(0) };
}

/// What the store says about an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// The cost was taken from each bucket; or it was nothing, and there is room for 1.
    Granted(Standings),
    /// A limit is reached, and nothing was taken.
    Exceeded(Exceeded),
    /// It costs more than the burst of a limit: waiting does not help.
    TooCostly,
    /// The terms of a bucket were changed since: the process has to follow the changes up to this
    /// one, and to ask again. If the trail does not go that far, the store has lost changes.
    Stale(Revision),
    /// Nothing can be said, and nothing was taken.
    Unavailable,
}

/// Asks that are decided at one instant, each as if those before it were written.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::limit::{Cost, Limit, Limits};
/// use keyward::record::KeyId;
/// use keyward::ticket::{Ask, Batch, Revision, Row, StoreNanos, Terms, Ticket};
///
/// let limit = Limit::new("requests", 1.try_into()?, Duration::from_secs(60), 1.try_into()?)?;
/// let own = Terms::of_key(KeyId::new(7).unwrap(), Limits::of(Some(limit)), Revision(3));
/// let ask = Ask { own, owner: None, cost: Cost::ONE };
///
/// // The rows are locked before the clock is read. The table has been whole for a minute, in which
/// // a bucket fills that was lost with an earlier one.
/// let rows = ask.places().map(|place| (place, Row::FULL)).collect();
/// let mut batch = Batch::new(StoreNanos(60_000_000_000), Some(StoreNanos(0)), rows);
/// assert!(matches!(batch.decide(&ask), Ticket::Granted(_)));
/// let Ticket::Exceeded(exceeded) = batch.decide(&ask) else { unreachable!() };
/// assert_eq!(exceeded.retry_after, Duration::from_secs(60));
/// assert_eq!(batch.writes().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    at: StoreNanos,
    whole_since: Option<StoreNanos>,
    rows: BTreeMap<Place, Seen>,
}

/// A row, and what it was when it was read.
#[derive(Clone, Copy, Debug)]
struct Seen {
    now: Row,
    before: Row,
}

impl Batch {
    /// A batch of rows that are locked, at a time that the store's clock said **after** that: a
    /// time from before the locks would be earlier than that of a batch which was waited for.
    ///
    /// `whole_since` is since when the table of brief rows has been whole; `None` if that is
    /// unknown. Then, and until that time, no ask that touches this table is granted.
    #[must_use]
    pub fn new(
        at: StoreNanos,
        whole_since: Option<StoreNanos>,
        rows: BTreeMap<Place, Row>,
    ) -> Self {
        let seen = |(place, row)| (place, Seen { now: row, before: row });
        Self { at, whole_since, rows: rows.into_iter().map(seen).collect() }
    }

    /// Decides about one ask: all of its buckets, or none.
    ///
    /// Terms that are newer than a row's count from now on: the row is at most as empty as they
    /// allow, once, and that is kept even if the ask is not granted; otherwise each denied request
    /// would begin the wait anew. Likewise for a row that is further in the future than its own
    /// terms allow: the store's clock was set back.
    pub fn decide(&mut self, ask: &Ask) -> Ticket {
        // A bucket without a row: the transaction that was to make it was not seen.
        let rows_are_there = ask.places().all(|place| self.rows.contains_key(&place));
        let is_brief = ask.places().any(|place| place.keeping == Keeping::Brief);
        let is_whole = self.whole_since.is_some_and(|since| since <= self.at);
        if !rows_are_there || is_brief && !is_whole {
            return Ticket::Unavailable;
        }
        if let Some(newest) = self.adopt(ask) {
            return Ticket::Stale(newest);
        }
        self.take(ask)
    }

    /// The rows that have changed, in the order in which they are locked.
    pub fn writes(&self) -> impl Iterator<Item = (Place, Row)> {
        let changed = self.rows.iter().filter(|(_, seen)| seen.now != seen.before);
        changed.map(|(place, seen)| (*place, seen.now))
    }

    /// Puts the terms of an ask in force where a row has older ones. Returns the newest revision of
    /// the rows that have newer ones.
    fn adopt(&mut self, ask: &Ask) -> Option<Revision> {
        let mut newest = None;
        for (place, limit, revision) in ask.each() {
            let Some(Seen { now: row, .. }) = self.rows.get_mut(&place) else { continue };
            if revision < row.revision {
                newest = newest.max(Some(row.revision));
            } else {
                let empty = StoreNanos(limit.full_from_empty(self.at.0));
                *row = Row { full_at: row.full_at.min(empty), revision };
            }
        }
        newest
    }

    fn take(&mut self, ask: &Ask) -> Ticket {
        let Ask { own, owner, cost } = ask;
        let mut own_times = self.times(own);
        let mut owner_times = owner.as_ref().map(|owner| self.times(owner));
        let mut told = Standings::NONE;
        let now = SteadyNanos(self.at.0);
        let taken = take_from_times(&mut own_times, owner_times.as_mut(), *cost, now, &mut told);
        match taken {
            Ok(()) => {
                if *cost != Cost::NOTHING {
                    self.put(own, &own_times);
                    owner.iter().zip(&owner_times).for_each(|(owner, times)| {
                        self.put(owner, times);
                    });
                }
                Ticket::Granted(told)
            }
            Err(TakeError::Exceeded(retry_after)) => {
                Ticket::Exceeded(Exceeded { standings: told, retry_after })
            }
            Err(TakeError::TooCostly) => Ticket::TooCostly,
        }
    }

    /// When each bucket will be full, as it counts now: one in the table that a crash empties is at
    /// least as empty as if it had been empty when the table was whole again.
    fn times<'a>(&self, terms: &'a Terms) -> Times<'a> {
        let each = terms.places().iter().zip(terms.limits().list());
        let full_at = each.map(|(place, limit)| {
            let row = self.rows.get(place).map_or(u64::MAX, |seen| seen.now.full_at.0);
            match (place.keeping, self.whole_since) {
                (Keeping::Brief, Some(since)) => row.max(limit.full_from_empty(since.0)),
                (Keeping::Brief, None) => u64::MAX,
                (Keeping::Kept, _) => row,
            }
        });
        Times { limits: terms.limits(), full_at: full_at.collect() }
    }

    fn put(&mut self, terms: &Terms, times: &Times<'_>) {
        for (place, full_at) in terms.places().iter().zip(&times.full_at) {
            if let Some(seen) = self.rows.get_mut(place) {
                seen.now.full_at = StoreNanos(*full_at);
            }
        }
    }
}
