//! Why a request is denied, and the key that the denial is about.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::count::Outcome;
use crate::index::{Entry, Shown};
use crate::limit::Exceeded;
use crate::record::{KeyId, Owner};
use crate::time::UnixMillis;

/// Why a request is denied. Holds neither the key's text nor anything about other keys.
///
/// Each reason but [`Denied::Unknown`] and [`Denied::Uncertain`] names the key. The caller has
/// shown a secret of that key, but not always one that works: the response must not reveal the key.
///
/// ```
/// use keyward::Denied;
///
/// // Each has a word for logs and metrics, and says how it is counted, and for which key.
/// assert_eq!(Denied::Unknown.as_str(), "unknown");
/// assert_eq!((Denied::Unknown.key(), Denied::Unknown.outcome()), (None, None));
/// assert_eq!(Denied::Unknown.retry_after(), None);
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// Nothing is decided: memory may lack a change that the store has, since the
    /// [lease](crate::lease::Lease) has ended. The next one may come at any moment.
    #[error("it is uncertain whether the key works")]
    Uncertain,
    /// No such key was ever issued, or the text cannot be a key.
    #[error("key is unknown")]
    Unknown,
    /// The key is suspended.
    #[error("key is suspended")]
    Suspended(KeyRef),
    /// The key is revoked.
    #[error("key is revoked")]
    Revoked(KeyRef),
    /// The key has expired.
    #[error("key has expired")]
    Expired(KeyRef),
    /// The secret was replaced by a rotation, and its grace has ended.
    #[error("secret was replaced")]
    Replaced(KeyRef),
    /// The wall clock was set back, and the key works by it, but not by its earlier reading. It is
    /// unknown which of the two is right.
    #[error("the clock is in doubt, and the key works by one of its readings only")]
    ClockInDoubt(KeyRef),
    /// The key works, and the store, which decides about its limits, said nothing in time. The
    /// request may have taken its cost.
    #[error("it is not known whether a limit is reached")]
    Unavailable(KeyRef),
    /// The key works but may not be used from this address.
    #[error("key may not be used from this address")]
    OutOfNetwork(KeyRef),
    /// The key works but lacks the scope that was asked for.
    #[error("key lacks the scope")]
    OutOfScope(KeyRef),
    /// The key works but a limit is reached.
    #[error("limit is reached")]
    Limited(KeyRef, Exceeded),
    /// The key works, and the request costs more than the burst of one of its limits: however long
    /// it waits, it is never let in.
    #[error("request costs more than its limit ever allows")]
    TooCostly(KeyRef),
}

impl Denied {
    /// The key that was presented; `None` if it is unknown, or was not looked for.
    #[must_use]
    pub fn key(&self) -> Option<&KeyRef> {
        match self {
            Self::Uncertain | Self::Unknown => None,
            Self::Suspended(key)
            | Self::Revoked(key)
            | Self::Expired(key)
            | Self::Replaced(key)
            | Self::ClockInDoubt(key)
            | Self::Unavailable(key)
            | Self::OutOfNetwork(key)
            | Self::OutOfScope(key)
            | Self::Limited(key, _)
            | Self::TooCostly(key) => Some(key),
        }
    }

    /// The reason in one word, for logs and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Uncertain => "uncertain",
            Self::Unknown => "unknown",
            Self::Suspended(_) => "suspended",
            Self::Revoked(_) => "revoked",
            Self::Expired(_) => "expired",
            Self::Replaced(_) => "replaced",
            Self::ClockInDoubt(_) => "clock_in_doubt",
            Self::Unavailable(_) => "unavailable",
            Self::OutOfNetwork(_) => "out_of_network",
            Self::OutOfScope(_) => "out_of_scope",
            Self::Limited(_, _) => "limited",
            Self::TooCostly(_) => "too_costly",
        }
    }

    /// When to try again, where waiting helps.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(_, exceeded) => Some(exceeded.retry_after),
            Self::Uncertain
            | Self::Unknown
            | Self::Suspended(_)
            | Self::Revoked(_)
            | Self::Expired(_)
            | Self::Replaced(_)
            | Self::ClockInDoubt(_)
            | Self::Unavailable(_)
            | Self::OutOfNetwork(_)
            | Self::OutOfScope(_)
            | Self::TooCostly(_) => None,
        }
    }

    /// How the denial is counted; `None` if there is no key to count it for, or nothing was
    /// decided about the key.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Uncertain | Self::Unknown | Self::ClockInDoubt(_) | Self::Unavailable(_) => None,
            Self::Suspended(_) => Some(Outcome::Suspended),
            Self::Revoked(_) => Some(Outcome::Revoked),
            Self::Expired(_) | Self::Replaced(_) => Some(Outcome::Expired),
            Self::OutOfNetwork(_) => Some(Outcome::OutOfNetwork),
            Self::OutOfScope(_) => Some(Outcome::OutOfScope),
            Self::Limited(_, _) | Self::TooCostly(_) => Some(Outcome::Limited),
        }
    }
}

/// The key that a denial is about, as it was then. Two are equal if they are of the same key.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use keyward::{Asked, Denied, verify};
/// use keyward::digest::Digest;
/// use keyward::index::{Entry, Index};
/// use keyward::key::{Prefix, Secret};
/// use keyward::limit::{Limit, Limits};
/// use keyward::record::KeyId;
/// use keyward::stored::Key;
/// use keyward::tier::Tier;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
/// use keyward::usage::Usage;
///
/// // One key of a tier that allows a request a minute.
/// let limit = Limit::new("requests", 1.try_into()?, Duration::from_secs(60), 1.try_into()?)?;
/// let tier = Arc::new(Tier::new("basic".parse()?, Limits::of(Some(limit))));
/// let secret = Secret::generate(&Prefix::default())?;
/// let (id, name) = (KeyId::new(1).unwrap(), "weather-bot".parse()?);
/// let key = Key::plain(id, name, "basic".parse()?, Digest::of_secret(&secret));
/// let (index, usage) = (Index::default(), Usage::default());
/// index.insert(Entry::new(&key, tier));
///
/// let asked = Asked { scopes: &["articles:read"], ..Asked::of(secret.expose()) };
/// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
/// let denied = verify(&index, &usage, &asked, now).unwrap_err();
/// assert!(matches!(denied, Denied::OutOfScope(_)));
/// let key = denied.key().unwrap();
/// assert_eq!((key.key_id(), key.tier(), key.owner()), (id, "basic", None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyRef(Shown);

impl KeyRef {
    #[inline(always)]
    pub(super) fn of(entry: &Entry) -> Self {
        Self(entry.shown())
    }

    /// The key's identity, which outlives its secrets.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.0.id
    }

    /// What people call the key.
    ///
    /// ```
    /// use keyward::Denied;
    ///
    /// /// What an operator's log says of a denial.
    /// fn line(denied: &Denied) -> String {
    ///     let name = denied.key().map_or("an unknown key", |key| key.name());
    ///     format!("{name}: {denied}")
    /// }
    ///
    /// assert_eq!(line(&Denied::Unknown), "an unknown key: key is unknown");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The name of the key's tier.
    #[must_use]
    pub fn tier(&self) -> &str {
        self.0.tier.as_str()
    }

    /// To whom the key belongs, if that is known.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.owner.as_ref().map(Owner::as_str)
    }

    /// The first instant at which the key no longer works; `None` is never.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.0.expires_at
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes()
    }

    /// Whether the key may do what `asked` names, a `resource:action`.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.0.grants(asked)
    }

    /// What the key's holder noted about it: a JSON object, compact; `{}` if nothing.
    #[must_use]
    pub fn metadata(&self) -> &str {
        self.0.metadata()
    }
}

impl PartialEq for KeyRef {
    fn eq(&self, other: &Self) -> bool {
        self.key_id() == other.key_id()
    }
}

impl Eq for KeyRef {}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRef").field(&self.key_id()).finish()
    }
}
