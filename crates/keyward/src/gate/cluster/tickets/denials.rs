//! Limits of which the store said of late that they are reached: it is not asked about each request
//! of a caller who does not stop.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limit::{Cost, Exceeded, Limit, Revision};
use crate::ticket::{Ask, BucketId};
use crate::time::SteadyNanos;

use super::super::{after, has_passed};

/// How long a denial is remembered at most. Nothing is given back, so it would hold for longer; but
/// nothing says so if the buckets are lost.
const REMEMBERED: Duration = Duration::from_millis(250);
/// Buckets whose denials are remembered at one time.
const BUCKETS_MAX: usize = 4_096;

/// Denials by the bucket that was reached: that of an owner holds for all of its keys. Locked for
/// one look, never while waiting.
#[derive(Debug, Default)]
pub(super) struct Denials(Mutex<HashMap<BucketId, Denial>>);

#[derive(Debug)]
struct Denial {
    /// Of the terms of the bucket. Others void it.
    revision: Revision,
    /// A smaller one may be let in.
    cost: Cost,
    /// A time before the batch was sent that it was decided in.
    since: SteadyNanos,
    until: SteadyNanos,
    ask: Ask,
    exceeded: Exceeded,
}

impl Denials {
    /// Remembers a denial of an ask that was sent at this time or later.
    pub(super) fn note(&self, ask: &Ask, exceeded: &Exceeded, sent: SteadyNanos, now: SteadyNanos) {
        let reached = exceeded.standings.longest().and_then(|at| ask.each().nth(at));
        let Some((place, _, revision)) = reached else { return };
        let until = after(sent, exceeded.retry_after.min(REMEMBERED));
        let mut denials = self.lock();
        if BUCKETS_MAX <= denials.len() {
            denials.retain(|_, denial| now < denial.until);
            if BUCKETS_MAX <= denials.len() {
                denials.clear();
            }
        }
        let (ask, exceeded) = (ask.clone(), exceeded.clone());
        let denial = Denial { revision, cost: ask.cost, since: sent, until, ask, exceeded };
        denials.insert(place.bucket, denial);
    }

    /// The denial of this ask, if that is known, less the time since.
    pub(super) fn of(&self, ask: &Ask, now: SteadyNanos) -> Option<Exceeded> {
        let is_too_costly = |limit: &Limit| limit.further(Cost::ONE, ask.cost).is_none();
        let denials = self.lock();
        // A request that is never let in is told so.
        if denials.is_empty()
            || ask.cost == Cost::NOTHING
            || ask.each().any(|(_, limit, _)| is_too_costly(limit))
        {
            return None;
        }
        ask.each().find_map(|(place, limit, revision)| {
            let denial = denials.get(&place.bucket)?;
            let is_of = denial.revision == revision && denial.cost <= ask.cost;
            if !is_of || has_passed(Duration::ZERO, denial.until, now) {
                return None;
            }
            let passed = Duration::from_nanos(now.0.checked_sub(denial.since.0)?);
            let Exceeded { standings, retry_after } = &denial.exceeded;
            let wait = retry_after.saturating_add(limit.further(denial.cost, ask.cost)?);
            let retry_after = wait.saturating_sub(passed);
            let is_same = (&denial.ask.own, &denial.ask.owner) == (&ask.own, &ask.owner);
            if is_same {
                return Some(Exceeded { standings: standings.later_by(passed), retry_after });
            }
            // Of another key of the same owner: what its own limits are was not asked.
            let standing = standings.later_by(passed).shown()?;
            Some(Exceeded::new(standing, retry_after))
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BucketId, Denial>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::limit::{Limits, Standing};
    use crate::record::KeyId;
    use crate::ticket::Terms;

    const SENT: SteadyNanos = SteadyNanos(5_000_000_000);

    fn limits(burst: u32) -> Limits {
        let burst = NonZeroU32::new(burst).unwrap();
        Limits::of(Limit::new("a", burst, Duration::from_secs(60), burst).ok())
    }

    fn ask(key: u64, owner: Option<&str>, revision: u64, cost: u32) -> Ask {
        let own = if owner.is_some() { Limits::of(None) } else { limits(10) };
        let owner = owner
            .map(|owner| Terms::of_owner(&owner.parse().unwrap(), &limits(10), Revision(revision)));
        let own = Terms::of_key(KeyId::new(key).unwrap(), own, Revision(revision));
        Ask { own, owner, cost: Cost::new(cost).unwrap() }
    }

    fn exceeded(ask: &Ask, wait: Duration) -> Exceeded {
        let (_, limit, _) = ask.each().next().unwrap();
        let standing = Standing { limit: *limit, remaining: 0, full_after: wait * 10 };
        Exceeded::new(standing, wait)
    }

    fn at(millis: u64) -> SteadyNanos {
        SteadyNanos(SENT.0 + millis * 1_000_000)
    }

    #[test]
    fn a_denial_is_told_less_the_time_since() {
        let (denials, first) = (Denials::default(), ask(1, None, 1, 1));
        denials.note(&first, &exceeded(&first, Duration::from_secs(6)), SENT, SENT);
        let told = denials.of(&first, at(249)).unwrap();
        assert_eq!(told.retry_after, Duration::from_millis(5_751));
        assert_eq!(told.standing().unwrap().full_after, Duration::from_millis(59_751));
        assert_eq!(denials.of(&first, at(250)), None);
        // Another cost waits longer, and one above the burst is no matter of waiting.
        let told = denials.of(&ask(1, None, 1, 3), at(0)).unwrap();
        assert_eq!(told.retry_after, Duration::from_secs(6 + 12));
        assert_eq!(denials.of(&ask(1, None, 1, 11), at(0)), None);
    }

    #[test]
    fn a_denial_ends_when_it_has_room() {
        let (denials, first) = (Denials::default(), ask(1, None, 1, 1));
        denials.note(&first, &exceeded(&first, Duration::from_millis(40)), SENT, SENT);
        assert!(denials.of(&first, at(39)).is_some());
        assert_eq!(denials.of(&first, at(40)), None);
    }

    #[test]
    fn other_terms_or_a_smaller_cost_or_another_key_void_it() {
        let (denials, first) = (Denials::default(), ask(1, None, 1, 2));
        denials.note(&first, &exceeded(&first, Duration::from_secs(6)), SENT, SENT);
        for other in
            [ask(1, None, 2, 2), ask(1, None, 1, 1), ask(1, None, 1, 0), ask(2, None, 1, 2)]
        {
            assert_eq!(denials.of(&other, at(0)), None);
        }
        assert!(denials.of(&first, at(0)).is_some());
    }

    #[test]
    fn the_denial_of_an_owner_holds_for_all_of_its_keys() {
        let (denials, first) = (Denials::default(), ask(1, Some("acme"), 1, 1));
        denials.note(&first, &exceeded(&first, Duration::from_secs(6)), SENT, SENT);
        let told = denials.of(&ask(2, Some("acme"), 1, 1), at(100)).unwrap();
        assert_eq!(told.standing().unwrap().limit.name(), "owner:a");
        assert_eq!(told.retry_after, Duration::from_millis(5_900));
        assert_eq!(denials.of(&ask(3, Some("other"), 1, 1), at(100)), None);
    }

    #[test]
    fn few_are_kept() {
        let denials = Denials::default();
        for key in 1..=3 * BUCKETS_MAX as u64 {
            let ask = ask(key, None, 1, 1);
            denials.note(&ask, &exceeded(&ask, Duration::from_secs(6)), SENT, SENT);
        }
        assert!(denials.lock().len() <= BUCKETS_MAX);
    }
}
