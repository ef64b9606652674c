//! The decision: who is calling, and are they allowed?

mod asking;
mod caller;
mod denied;

use std::fmt;
use std::net::IpAddr;

use crate::count::Outcome;
use crate::digest::Digest;
use crate::index::{Entry, Held, Index};
use crate::key::Presented;
use crate::limit::{Buckets, Cost, Exceeded, SharedBuckets, Standings, TakeError};
use crate::record::Stage;
use crate::time::{Now, UnixMillis};
use crate::usage::Usage;

pub(crate) use asking::{Asking, ask};
pub use caller::Caller;
pub use denied::{Denied, KeyRef};

/// The result of [`verify()`].
///
/// ```
/// use keyward::{Denied, Verdict};
///
/// /// What a log says about a verdict.
/// fn word(verdict: &Verdict) -> &'static str {
///     match verdict {
///         Ok(_) => "allowed",
///         Err(denied) => denied.as_str(),
///     }
/// }
///
/// assert_eq!(word(&Err(Denied::Unknown)), "unknown");
/// ```
pub type Verdict = Result<Caller, Denied>;

/// What one request asks to be decided.
///
/// ```
/// use keyward::Asked;
/// use keyward::limit::Cost;
///
/// let asked = Asked {
///     scopes: &["articles:export"],
///     from: Some([192, 0, 2, 1].into()),
///     cost: Cost::from(5),
///     ..Asked::of("kw_…")
/// };
/// // Nothing prints the text.
/// assert!(!format!("{asked:?}").contains("kw_"));
/// ```
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it presents as its key.
    pub text: &'a str,
    /// The scopes that it needs, each a `resource:action`: all of them, and none by default.
    pub scopes: &'a [&'a str],
    /// The address that it comes from, as far as that is known: a key that is restricted to
    /// networks is denied without one.
    pub from: Option<IpAddr>,
    /// How many ordinary requests it counts as for the limits; 1 by default.
    pub cost: Cost,
    /// Why it is asked; [`Purpose::Request`] by default.
    pub purpose: Purpose,
}

/// Why a verdict is asked for.
///
/// ```
/// use keyward::{Asked, verify::Purpose};
///
/// let repeated = Asked { purpose: Purpose::Repeat, ..Asked::of("kw_…") };
/// assert_eq!(Asked::of("kw_…").purpose, Purpose::Request);
/// # let _ = repeated;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A request, which takes its cost from the limits and is counted.
    #[default]
    Request,
    /// The same request once more: an earlier verdict let it in, took its cost and counted it. The
    /// key is judged anew, and the limits are not asked. Only a denial is counted.
    Repeat,
    /// A question about the key, such as that of RFC 7662: the limits are not asked, and a key that
    /// works is counted as [`Outcome::Introspected`].
    Introspection,
}

impl<'a> Asked<'a> {
    /// A request that presents `text`, needs no scope, comes from nowhere in particular and costs
    /// 1.
    ///
    /// ```
    /// use keyward::Asked;
    /// use keyward::limit::Cost;
    ///
    /// let asked = Asked::of("kw_…");
    /// assert_eq!((asked.scopes, asked.from, asked.cost), (&[][..], None, Cost::ONE));
    /// ```
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self { text, scopes: &[], from: None, cost: Cost::ONE, purpose: Purpose::Request }
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scopes, from, cost, purpose, .. } = self;
        let mut shown = f.debug_tuple("Asked");
        shown.field(scopes).field(from).field(cost).field(purpose).finish_non_exhaustive()
    }
}

/// Decides about one request.
///
/// Waits for nothing, allocates nothing and reads no clock. Cheap checks come first; a denied
/// request consumes nothing of the key's limit. Every request that is decided is counted, each in
/// one outcome. Without a [lease](Index::lease) nothing is decided: [`Denied::Uncertain`].
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
/// let asked = Asked::of(secret.expose());
/// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
/// assert_eq!(verify(&index, &usage, &asked, now).unwrap().name(), "weather-bot");
/// let denied = verify(&index, &usage, &asked, now).unwrap_err();
/// assert_eq!(denied.retry_after(), Some(Duration::from_secs(60)));
/// let denied = verify(&index, &usage, &Asked::of("wrong key"), now).unwrap_err();
/// assert_eq!(denied, Denied::Unknown);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns the reason as [`Denied`]. A caller without the key's secret learns nothing but
/// [`Denied::Unknown`], or [`Denied::Uncertain`], which any request gets then.
pub fn verify(index: &Index, usage: &Usage, asked: &Asked<'_>, now: Now) -> Verdict {
    // Before the index is looked at, never after: the index could be looked at, a revocation be
    // applied, and the next lease be granted, and then the key would be let in by an old entry.
    // `now` was read after the request came, so a pause from here on makes the request concurrent
    // with such a revocation.
    if !index.lease().holds(now.steady) {
        return Err(Denied::Uncertain);
    }
    let Ok(presented) = Presented::parse(asked.text) else { return unknown(usage) };
    index.look(&Digest::of(presented), |held| match held {
        Some(held) => judge(held, usage, asked, now),
        None => unknown(usage),
    })
}

fn unknown(usage: &Usage) -> Verdict {
    usage.count_unknown();
    Err(Denied::Unknown)
}

/// Decides about one request of a key that is known, and counts it.
///
/// The verdict on nearly all requests is built here of its parts: a caller is long, and moving one
/// takes a fifth of the time of all the rest.
#[inline]
fn judge(held: &Held<'_>, usage: &Usage, asked: &Asked<'_>, now: Now) -> Verdict {
    let entry = held.entry;
    if let Err(reason) = admit(held, asked, now) {
        return deny(reason, entry, usage, now);
    }
    let (buckets, owner) = (entry.buckets(), entry.owner_buckets());
    if asked.purpose != Purpose::Request {
        return take_nothing((buckets, owner), held, usage, (asked.purpose, now));
    }
    let Some(bucket) = buckets.only().filter(|_| owner.is_none()) else {
        return take_all((buckets, owner), held, usage, (asked.cost, now));
    };
    match bucket.take(asked.cost, now.steady) {
        Ok(standing) => {
            usage.count(entry, Outcome::Allowed, now.unix);
            Ok(Caller::of(entry, Standings::one(standing)))
        }
        Err(TakeError::Exceeded(retry_after)) => {
            usage.count(entry, Outcome::Limited, now.unix);
            let exceeded = Exceeded::new(bucket.standing(now.steady), retry_after);
            Err(Denied::Limited(KeyRef::of(entry), exceeded))
        }
        Err(TakeError::TooCostly) => deny(Denied::TooCostly, entry, usage, now),
    }
}

/// Takes from all limits that apply to a request, and counts it.
#[inline(never)]
fn take_all(
    (buckets, owner): (Buckets<'_>, Option<&SharedBuckets>),
    held: &Held<'_>,
    usage: &Usage,
    (cost, now): (Cost, Now),
) -> Verdict {
    let (entry, mut standings) = (held.entry, Standings::NONE);
    match buckets.take(held.lock, owner, cost, now.steady, &mut standings) {
        Ok(()) => {
            usage.count(entry, Outcome::Allowed, now.unix);
            Ok(Caller::of(entry, standings))
        }
        Err(TakeError::Exceeded(retry_after)) => {
            usage.count(entry, Outcome::Limited, now.unix);
            Err(Denied::Limited(KeyRef::of(entry), Exceeded { standings, retry_after }))
        }
        Err(TakeError::TooCostly) => deny(Denied::TooCostly, entry, usage, now),
    }
}

/// Lets in a request whose limits are told and not asked, and counts it.
#[inline(never)]
fn take_nothing(
    (buckets, owner): (Buckets<'_>, Option<&SharedBuckets>),
    held: &Held<'_>,
    usage: &Usage,
    (purpose, now): (Purpose, Now),
) -> Verdict {
    let (entry, mut standings) = (held.entry, Standings::NONE);
    // A limit that is used up is told as well.
    let _ = buckets.take(held.lock, owner, Cost::NOTHING, now.steady, &mut standings);
    if purpose == Purpose::Introspection {
        usage.count(entry, Outcome::Introspected, now.unix);
    }
    Ok(Caller::of(entry, standings))
}

/// Denies a request of a key that is known, and counts it.
#[inline(never)]
fn deny(reason: Reason, entry: &Entry, usage: &Usage, now: Now) -> Verdict {
    let denied = reason(KeyRef::of(entry));
    if let Some(outcome) = denied.outcome() {
        usage.count(entry, outcome, now.unix);
    }
    Err(denied)
}

/// Makes a denial of the key that it is about.
type Reason = fn(KeyRef) -> Denied;

/// Whether a request is allowed but for its limits.
#[inline]
fn admit(held: &Held<'_>, asked: &Asked<'_>, now: Now) -> Result<(), Reason> {
    let Held { entry, ends_at, .. } = *held;
    // Whatever works at the latest that it may be works earlier, too.
    match entry.stage(now.latest()) {
        Stage::Active => {}
        Stage::Suspended => return Err(not_active(entry)),
        Stage::Revoked => return Err(Denied::Revoked),
        Stage::Expired => return Err(over(entry.expires_at(), now, Denied::Expired)),
    }
    if ends_at.is_some_and(|ends_at| ends_at <= now.latest()) {
        return Err(over(ends_at, now, Denied::Replaced));
    }
    if !entry.allows(asked.from) {
        return Err(Denied::OutOfNetwork);
    }
    if !asked.scopes.iter().all(|scope| entry.grants(scope)) {
        return Err(Denied::OutOfScope);
    }
    Ok(())
}

/// The reason of a key that is suspended, or whose row cannot be read.
#[cold]
fn not_active(entry: &Entry) -> Reason {
    if entry.is_withheld() { |_| Denied::Uncertain } else { Denied::Suspended }
}

/// Why a secret is denied that has ended at the latest possible time: `reason`, unless it has not
/// ended by the wall clock.
#[cold]
fn over(ends_at: Option<UnixMillis>, now: Now, reason: Reason) -> Reason {
    let by_both = ends_at.is_none_or(|ends_at| ends_at <= now.unix);
    if by_both { reason } else { Denied::ClockInDoubt }
}

#[cfg(test)]
mod tests;
