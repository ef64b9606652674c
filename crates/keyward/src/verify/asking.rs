//! The decision where the store decides about limits: all but these is judged before the store is
//! asked, and all of it once more with its ticket.

use crate::count::Outcome;
use crate::digest::Digest;
use crate::index::{Entry, Held, Index};
use crate::key::Presented;
use crate::limit::{Cost, Standings};
use crate::ticket::{Ask, Terms, Ticket};
use crate::time::Now;
use crate::usage::Usage;

use super::{Asked, Caller, Denied, KeyRef, Purpose, Verdict, admit, deny, unknown};

/// How far a request is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a verdict is built in its place, and not moved")]
pub(crate) enum Asking {
    /// It is decided, and counted.
    Decided(Verdict),
    /// All but its limits lets it in: the store is to be asked this.
    Limits(Box<Ask>),
}

/// Judges a request, by a ticket for this ask if there is one. If its limits are not those of the
/// ask any more, they are to be asked anew: the whole set counts, with its revisions.
pub(crate) fn ask(
    index: &Index,
    usage: &Usage,
    asked: &Asked<'_>,
    now: Now,
    ticket: Option<(&Ask, Ticket)>,
) -> Asking {
    // As in `verify`: before the index is looked at. After a wait, it is another reading.
    if !index.lease().holds(now.steady) {
        return Asking::Decided(Err(Denied::Uncertain));
    }
    let Ok(presented) = Presented::parse(asked.text) else {
        return Asking::Decided(unknown(usage));
    };
    index.look(&Digest::of(presented), |held| match held {
        Some(held) => judge(held, usage, (asked, now), ticket),
        None => Asking::Decided(unknown(usage)),
    })
}

fn judge(
    held: &Held<'_>,
    usage: &Usage,
    (asked, now): (&Asked<'_>, Now),
    ticket: Option<(&Ask, Ticket)>,
) -> Asking {
    let entry = held.entry;
    if let Err(reason) = admit(held, asked, now) {
        return Asking::Decided(deny(reason, entry, usage, now));
    }
    let Some(limits) = limits_of(entry, asked) else {
        return Asking::Decided(let_in(entry, usage, (asked.purpose, now), Standings::NONE));
    };
    match ticket {
        Some((of, ticket)) if *of == limits => {
            Asking::Decided(settle(entry, usage, (asked.purpose, now), ticket))
        }
        // Whatever its limits are, nothing more can be asked.
        Some((_, ticket @ Ticket::Unavailable)) => {
            Asking::Decided(settle(entry, usage, (asked.purpose, now), ticket))
        }
        Some(_) | None => Asking::Limits(Box::new(limits)),
    }
}

/// All that the limits of a request are decided by; `None` if it has none.
fn limits_of(entry: &Entry, asked: &Asked<'_>) -> Option<Ask> {
    let (own, revision) = entry.terms();
    let owner = entry.owner().zip(entry.owner_buckets()).and_then(|(owner, buckets)| {
        let (limits, revision) = buckets.terms()?;
        Some(Terms::of_owner_as_told(owner.name(), limits, revision))
    });
    if own.list().is_empty() && owner.is_none() {
        return None;
    }
    let own = Terms::of_key(entry.id(), own.clone(), revision);
    // Otherwise, the limits are only told.
    let cost = if asked.purpose == Purpose::Request { asked.cost } else { Cost::NOTHING };
    Some(Ask { own, owner, cost })
}

/// Decides by a ticket, and counts.
fn settle(entry: &Entry, usage: &Usage, (purpose, now): (Purpose, Now), ticket: Ticket) -> Verdict {
    let is_asked = purpose == Purpose::Request;
    match ticket {
        Ticket::Granted(standings) => let_in(entry, usage, (purpose, now), standings),
        Ticket::Exceeded(exceeded) if is_asked => {
            usage.count(entry, Outcome::Limited, now.unix);
            Err(Denied::Limited(KeyRef::of(entry), exceeded))
        }
        Ticket::TooCostly if is_asked => deny(Denied::TooCostly, entry, usage, now),
        Ticket::Stale(_) | Ticket::Unavailable if is_asked => {
            Err(Denied::Unavailable(KeyRef::of(entry)))
        }
        // Limits that are only told deny nothing, also if they are not known.
        Ticket::Exceeded(exceeded) => let_in(entry, usage, (purpose, now), exceeded.standings),
        Ticket::TooCostly | Ticket::Stale(_) | Ticket::Unavailable => {
            let_in(entry, usage, (purpose, now), Standings::NONE)
        }
    }
}

fn let_in(
    entry: &Entry,
    usage: &Usage,
    (purpose, now): (Purpose, Now),
    standings: Standings,
) -> Verdict {
    match purpose {
        Purpose::Request => usage.count(entry, Outcome::Allowed, now.unix),
        Purpose::Introspection => usage.count(entry, Outcome::Introspected, now.unix),
        // It was counted when it was let in.
        Purpose::Repeat => {}
    }
    Ok(Caller::of(entry, standings))
}
