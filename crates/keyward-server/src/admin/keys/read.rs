//! Reading the members of a key, as issuing and editing have them.

use std::ops::RangeInclusive;

use keyward::details::Metadata;
use keyward::json;
use keyward::network::{NETWORKS_MAX, Networks};
use keyward::record::{KeyName, NAME_CHARS_MAX, ParseNameError, SCOPES_MAX, Scopes};
use keyward::tier::TierName;
use keyward::{Now, UnixMillis};
use keyward_axum::Refusal;
use keyward_axum::fault::Fault;
use keyward_axum::input::Members;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::admin::members::{Place, Read, list, nullable, parsed, span, text, time};
use crate::clock;

/// Seconds of the longest lifetime: a hundred years, leap days included.
const LIFETIME_SECS_MAX: u64 = 36_525 * 24 * 60 * 60;
const LIFETIME_RULE: &str = "a lifetime is a whole number and a unit, like 90d, and at most 36525d";

pub(super) fn name(place: Place, value: Value) -> Read<KeyName> {
    let text = text(place.clone(), value, 1..=NAME_CHARS_MAX)?;
    text.parse().map_err(|error: ParseNameError| {
        vec![Fault::value_error(place, text.into(), &error.to_string())]
    })
}

/// One of the tiers that there are.
pub(super) fn tier(place: Place, value: Value, known: &[TierName]) -> Read<TierName> {
    let found = known.iter().find(|name| value.as_str() == Some(name.as_str()));
    let known = || known.iter().map(TierName::as_str).collect::<Vec<_>>();
    found.cloned().ok_or_else(|| vec![Fault::not_one_of(place, value, &known())])
}

pub(super) fn scopes(place: Place, value: Value) -> Read<Scopes> {
    let scopes = list(place.clone(), value, SCOPES_MAX, parsed)?;
    Scopes::new(scopes).map_err(|error| refused(place, &error))
}

pub(super) fn networks(place: Place, value: Value) -> Read<Networks> {
    let networks = list(place.clone(), value, NETWORKS_MAX, parsed)?;
    Networks::new(networks).map_err(|error| refused(place, &error))
}

/// The metadata of a body, which is read once more: all digits of a number are in its text alone.
pub(super) fn metadata(place: Place, value: Value, body: &[u8]) -> Read<Metadata> {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        metadata: &'a RawValue,
    }

    let Value::Object(object) = value else {
        let message = "Input should be a valid dictionary";
        return Err(vec![Fault::new("dict_type", place, message).input(value)]);
    };
    let read = match serde_json::from_slice(json::without_mark(body)) {
        Ok(Told { metadata }) => metadata.get().parse(),
        // It was read before, so this does not happen.
        Err(_) => Metadata::try_from(object),
    };
    // What is too long to be kept is too long to be sent back.
    read.map_err(|error| refused(place, &error))
}

/// What a list breaks that its items do not.
fn refused(place: Place, error: &dyn std::error::Error) -> Vec<Fault> {
    vec![Fault::value_error(place, Value::Null, &error.to_string())]
}

/// Which times a key may be given as its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Only those to come: a key that is issued is meant to work.
    ToCome,
    /// Those that are over, too: the key expires now.
    AnyTime,
}

/// The expiry, which is said as `expires_at` or as `expires_in`. `None` is that neither is there,
/// or a fault; `Some(None)` is a key that never expires.
///
/// # Errors
///
/// Returns the refusal if the clock is in doubt, and one of its readings would make another expiry
/// of what was said than the other, or say that it is over.
pub(super) fn expiry(
    members: &mut Members,
    which: Expiry,
    now: Now,
) -> Result<Option<Option<UnixMillis>>, Refusal> {
    let fits = |at: UnixMillis| which == Expiry::AnyTime || now.unix < at;
    let at = nullable(members, "expires_at", |place, value| {
        let at = time(place.clone(), value.clone())?;
        let over = || vec![Fault::value_error(place, value, "expires_at has to be in the future")];
        fits(at).then_some(at).ok_or_else(over)
    });
    let mut told = Value::Null;
    let lasting = nullable(members, "expires_in", |place, value| {
        told = value.clone();
        let lifetime = span(place, value, &lifetimes(which), LIFETIME_RULE)?;
        Ok(UnixMillis(now.unix.0.saturating_add(lifetime * 1_000)))
    });
    if at.is_some() && lasting.is_some() {
        let rule = "expires_at and expires_in exclude each other";
        members.fault(Fault::value_error(members.place("expires_in"), told, rule));
        return Ok(None);
    }
    // What is over by the earlier reading is over by both.
    let differs = |ends_at: &UnixMillis| {
        now.unix < *ends_at && (lasting.is_some() || *ends_at <= now.latest())
    };
    let expiry = at.or(lasting);
    if now.is_in_doubt() && expiry.flatten().as_ref().is_some_and(differs) {
        return Err(clock::in_doubt(now));
    }
    Ok(expiry)
}

fn lifetimes(which: Expiry) -> RangeInclusive<u64> {
    match which {
        Expiry::ToCome => 1..=LIFETIME_SECS_MAX,
        Expiry::AnyTime => 0..=LIFETIME_SECS_MAX,
    }
}
