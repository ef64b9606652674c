//! The state of a caller's limits, as the header fields of the response report it.

use std::fmt;
use std::time::Duration;

use super::{LIMITS_MAX, Limit, Limits};

/// Most limits that apply to one request: those of the key or its tier, and those of its owner.
pub const STANDINGS_MAX: usize = 2 * LIMITS_MAX;

/// The state of one limit of a caller after a request.
///
/// ```
/// use keyward::Caller;
///
/// /// What a page of the caller shows.
/// fn shown(caller: &Caller) -> String {
///     match caller.standing() {
///         Some(standing) => format!("{} left of {}", standing.remaining, standing.limit.burst()),
///         None => "no limit".to_owned(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit, as it was in force.
    pub limit: Limit,
    /// The cost that would be accepted at once; at most the limit's burst.
    pub remaining: u32,
    /// The time until the bucket is full again, if no request comes.
    pub full_after: Duration,
}

impl Limit {
    #[inline]
    pub(super) fn standing(&self, full_at: u64, now: u64) -> Standing {
        Standing::at(*self, full_at.saturating_sub(now))
    }

    /// The cost that would be accepted at once from a bucket that is full after so many
    /// nanoseconds.
    #[inline]
    pub(super) fn room(&self, until_full: u64) -> u32 {
        let room = self.tolerance().saturating_sub(until_full) / self.interval();
        // It is at most `burst`, which is a `u32`.
        u32::try_from(room).unwrap_or(u32::MAX)
    }
}

impl Standing {
    #[inline]
    fn at(limit: Limit, until_full: u64) -> Self {
        let full_after = Duration::from_nanos(until_full);
        Self { limit, remaining: limit.room(until_full), full_after }
    }
}

/// The state of each limit that applies to a caller: first the limits of the key or its tier, in
/// their order, then the limits of its owner, in theirs.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::limit::{Limit, Standing, Standings};
///
/// let limit = Limit::new("requests", 100.try_into()?, Duration::from_secs(60), 100.try_into()?)?;
/// let standing = Standing { limit, remaining: 99, full_after: Duration::from_millis(600) };
/// let standings = Standings::one(standing);
/// assert_eq!(standings.iter().count(), 1);
/// // The one with the smallest remaining.
/// assert_eq!(standings.shown(), Some(standing));
/// assert_eq!(Standings::NONE.shown(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Standings(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    None,
    One(Standing),
    Several(Several),
}

/// More than one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Several {
    own: Limits,
    owner: Option<Limits>,
    /// Nanoseconds until each bucket is full.
    pub(super) until_full: [u64; STANDINGS_MAX],
    /// Of a caller whose limit is reached, the one with the longest wait, counted from the first of
    /// `own` on.
    pub(super) longest: Option<u8>,
}

impl Several {
    fn limits(&self) -> impl Iterator<Item = &Limit> {
        let owner = self.owner.as_ref().map_or(&[][..], Limits::list);
        self.own.list().iter().chain(owner)
    }
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Standings {
    /// Of a caller without a limit.
    pub const NONE: Self = Self(Kind::None);

    /// Of a caller with one limit.
    #[must_use]
    #[inline]
    pub fn one(standing: Standing) -> Self {
        Self(Kind::One(standing))
    }

    /// Of these limits, whose buckets are not looked at yet. They are built in their final
    /// location, for moving them takes long.
    #[inline]
    pub(super) fn begin(&mut self, own: Limits, owner: Option<Limits>) -> &mut Several {
        let begun = Several { own, owner, until_full: [0; STANDINGS_MAX], longest: None };
        self.0 = Kind::Several(begun);
        let Kind::Several(several) = &mut self.0 else { unreachable!("it was put there") };
        several
    }

    /// The one to show where only one can be shown: for an allowed request, the one with the
    /// smallest remaining; for a limited one, the one with the longest wait. `None` without a
    /// limit.
    #[must_use]
    pub fn shown(&self) -> Option<Standing> {
        match &self.0 {
            Kind::None => None,
            Kind::One(standing) => Some(*standing),
            Kind::Several(several) => match several.longest {
                Some(longest) => self.iter().nth(longest.into()),
                None => self.iter().min_by_key(|standing| standing.remaining),
            },
        }
    }

    /// Where the [shown](Self::shown) one of a limited request is in the order of the lists.
    pub(crate) fn longest(&self) -> Option<usize> {
        match &self.0 {
            Kind::None => None,
            Kind::One(_) => Some(0),
            Kind::Several(several) => several.longest.map(usize::from),
        }
    }

    /// The same so much later, if no request came.
    pub(crate) fn later_by(&self, passed: Duration) -> Self {
        let nanos = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        Self(match self.0.clone() {
            Kind::None => Kind::None,
            Kind::One(Standing { limit, full_after, .. }) => {
                let until_full = full_after.saturating_sub(passed);
                Kind::One(Standing::at(limit, u64::try_from(until_full.as_nanos()).unwrap_or(0)))
            }
            Kind::Several(mut several) => {
                several.until_full = several.until_full.map(|until| until.saturating_sub(nanos));
                Kind::Several(several)
            }
        })
    }

    /// All of them, in the order of the lists. Takes no memory.
    pub fn iter(&self) -> impl Iterator<Item = Standing> {
        let (one, several) = match &self.0 {
            Kind::None => (None, None),
            Kind::One(standing) => (Some(*standing), None),
            Kind::Several(several) => (None, Some(several)),
        };
        let several = several.into_iter().flat_map(|several| {
            let both = several.limits().zip(&several.until_full);
            both.map(|(limit, until_full)| Standing::at(*limit, *until_full))
        });
        one.into_iter().chain(several)
    }
}

/// A request was rejected because a limit is reached.
///
/// ```
/// use keyward::Denied;
///
/// /// How long a client has to wait, and for which limit.
/// fn wait(denied: &Denied) -> Option<String> {
///     let Denied::Limited(_, exceeded) = denied else { return None };
///     let limit = exceeded.standing()?.limit;
///     Some(format!("{}: {} s", limit.name(), exceeded.retry_after.as_secs()))
/// }
///
/// assert_eq!(wait(&Denied::Unknown), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The state of the caller's limits; the [shown](Standings::shown) one has the longest wait.
    pub standings: Standings,
    /// A request of the same cost that comes this much later is accepted, unless another request
    /// comes first.
    pub retry_after: Duration,
}

impl Exceeded {
    /// The only limit is reached.
    #[must_use]
    pub fn new(standing: Standing, retry_after: Duration) -> Self {
        Self { standings: Standings::one(standing), retry_after }
    }

    /// The state of the limit with the longest wait.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standings.shown()
    }
}
