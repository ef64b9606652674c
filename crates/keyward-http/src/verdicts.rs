//! The count of decisions, by the door that asked and by the outcome.

use std::fmt;

use keyward::striped::Striped;
use keyward::verify::Purpose;
use keyward::{Denied, KeyId};

use crate::door::Door;
use crate::words::words;

words! {
    /// The outcome of a decision, as metrics, logs and traces name it. Unlike
    /// [`keyward::count::Outcome`], it is also of requests that name no key that there is.
    ///
    /// ```
    /// use keyward_http::verdicts::Outcome;
    ///
    /// assert_eq!(Outcome::Allowed.as_str(), "allowed");
    /// assert!(Outcome::ALL.contains(&Outcome::Missing));
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Outcome {
        /// The key works.
        Allowed = "allowed",
        /// A limit is used up, or the cost is above what it ever allows.
        Limited = "limited",
        /// The key lacks a scope.
        OutOfScope = "out_of_scope",
        /// The key may not be used from that address.
        OutOfNetwork = "out_of_network",
        /// The key or its owner is suspended.
        Suspended = "suspended",
        /// The key is revoked.
        Revoked = "revoked",
        /// The key has expired, or its secret was replaced and the grace of that has ended.
        Expired = "expired",
        /// The key works, and that was asked about, with nothing to let in.
        Introspected = "introspected",
        /// There is no such key.
        Unknown = "unknown",
        /// The request has no key.
        Missing = "missing",
        /// The line that has the key cannot be read.
        Malformed = "malformed",
        /// The request has several keys.
        Ambiguous = "ambiguous",
        /// The key does not work, and its address presented too many such keys.
        Flooded = "flooded",
        /// It could not be decided: the clock is in doubt, the lease of memory has ended, or the
        /// store did not say in time whether a limit that several nodes share is reached.
        Unavailable = "unavailable",
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&Denied> for Outcome {
    fn from(denied: &Denied) -> Self {
        match denied {
            Denied::Unknown => Self::Unknown,
            Denied::Limited(..) | Denied::TooCostly(_) => Self::Limited,
            Denied::OutOfScope(_) => Self::OutOfScope,
            Denied::OutOfNetwork(_) => Self::OutOfNetwork,
            Denied::Suspended(_) => Self::Suspended,
            Denied::Revoked(_) => Self::Revoked,
            Denied::Expired(_) | Denied::Replaced(_) => Self::Expired,
            Denied::Uncertain | Denied::ClockInDoubt(_) | Denied::Unavailable(_) => {
                Self::Unavailable
            }
        }
    }
}

/// A decision, in few words: for the log, which must not have the rest.
///
/// ```
/// use keyward_http::verdicts::{Decision, Outcome};
/// use keyward_http::{Door, Rejection};
///
/// // A response that was made without a decision.
/// assert_eq!(Rejection::not_found().decision(), None);
/// let decision = Decision { door: Door::Guard, outcome: Outcome::Missing, key_id: None };
/// # let _ = decision;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The door that asked.
    pub door: Door,
    /// Its outcome.
    pub outcome: Outcome,
    /// The key, if the request names one that there is.
    pub key_id: Option<KeyId>,
}

impl Decision {
    /// The decision that a key works.
    pub(crate) fn passed(door: Door, purpose: Purpose, key_id: KeyId) -> Self {
        let outcome = match purpose {
            Purpose::Request | Purpose::Repeat => Outcome::Allowed,
            Purpose::Introspection => Outcome::Introspected,
        };
        Self { door, outcome, key_id: Some(key_id) }
    }
}

/// Decisions, counted by door and outcome. Each thread adds to numbers of its own; see [`Striped`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::HeaderMap;
/// use keyward_http::verdicts::Outcome;
/// use keyward_http::{Door, Required, testing};
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let nginx = Required { door: Door::Nginx, ..Required::default() };
/// authenticator.authenticate(&mut HeaderMap::new(), None, nginx).unwrap_err();
/// let counted = |door, outcome| authenticator.verdicts().of(door, outcome);
/// assert_eq!(counted(Door::Nginx, Outcome::Missing), 1);
/// assert_eq!(counted(Door::Guard, Outcome::Missing), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Verdicts(Striped<PLACES>);

/// A place for each outcome of each door.
const PLACES: usize = Door::ALL.len() * Outcome::ALL.len();

fn place(door: Door, outcome: Outcome) -> usize {
    door as usize * Outcome::ALL.len() + outcome as usize
}

impl Verdicts {
    pub(crate) fn count(&self, decision: Decision) {
        self.0.add(place(decision.door, decision.outcome), 1);
    }

    /// How many decisions of a door had this outcome since the start.
    #[must_use]
    pub fn of(&self, door: Door, outcome: Outcome) -> u64 {
        self.0.sum(place(door, outcome))
    }

    /// The numbers of all doors and outcomes.
    pub fn iter(&self) -> impl Iterator<Item = (Door, Outcome, u64)> {
        let both =
            Door::ALL.into_iter().flat_map(|door| Outcome::ALL.map(|outcome| (door, outcome)));
        both.zip(self.0.sums()).map(|((door, outcome), count)| (door, outcome, count))
    }
}
