//! The values of the fields, of one limit and of several.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use keyward::UnixMillis;
use keyward::limit::{Limit, Standing, Standings};

use super::ceil_secs;
use super::text::{PARAMETERS_LEN_MAX, SEPARATOR, Text, Written};

/// When there will be room again: in so many seconds, and at which instant.
#[derive(Clone, Copy)]
pub(super) struct Reset {
    pub(super) secs: u64,
    pub(super) at: UnixMillis,
}

impl Reset {
    pub(super) fn new(after: Duration, at: UnixMillis) -> Self {
        Self { secs: ceil_secs(after), at: at.later_by(after) }
    }
}

/// The values of the fields.
pub(super) struct Values {
    pub(super) policy: Option<HeaderValue>,
    pub(super) state: Option<HeaderValue>,
    pub(super) burst: Option<HeaderValue>,
    pub(super) remaining: Option<HeaderValue>,
    pub(super) reset: Option<HeaderValue>,
}

/// A piece of the text that the fields share. All of it is visible ASCII, which any header takes.
fn value(text: &Bytes, range: Range<usize>) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(text.slice(range)).ok()
}

impl Values {
    /// Of a caller with one limit.
    pub(super) fn of_one(standing: &Standing, reset: Reset) -> Self {
        let mut text = Text::default();
        let state = text.state(standing, reset.secs);
        let remaining = text.number(u64::from(standing.remaining));
        let reset = text.number(reset.at.ceil_secs());
        let text = Bytes::from_owner(text.bytes);
        let [policy, burst] = fixed(&standing.limit);
        let (state, remaining, reset) =
            (value(&text, state), value(&text, remaining), value(&text, reset));
        Self { policy, state, burst, remaining, reset }
    }

    /// Of a caller with more: all of them, and the one that is shown alone.
    pub(super) fn of_several(standings: &Standings, shown: &Standing, reset: Reset) -> Self {
        let len_max =
            standings.iter().count() * 2 * (SEPARATOR.len() + PARAMETERS_LEN_MAX) + 3 * 20;
        let mut text = Vec::with_capacity(len_max);
        for (at, standing) in standings.iter().enumerate() {
            text.separate(at);
            text.policy(&standing.limit);
        }
        let policy = 0..text.len();
        for (at, standing) in standings.iter().enumerate() {
            // No two limits of one caller have the same name.
            let is_shown = standing.limit.name() == shown.limit.name();
            let secs = if is_shown { reset.secs } else { ceil_secs(standing.full_after) };
            text.separate(at);
            text.state(&standing, secs);
        }
        let state = policy.end..text.len();
        let burst = text.number(u64::from(shown.limit.burst().get()));
        let remaining = text.number(u64::from(shown.remaining));
        let reset = text.number(reset.at.ceil_secs());
        let text = Bytes::from(text);
        Self {
            policy: value(&text, policy),
            state: value(&text, state),
            burst: value(&text, burst),
            remaining: value(&text, remaining),
            reset: value(&text, reset),
        }
    }
}

/// How many limits a thread keeps rendered. All keys of a tier share its limits; with more limits
/// than this, some are rendered again.
const KEPT: usize = 16;

/// The parts of the fields that depend only on the limit: the policy, and the most requests at
/// once.
struct Fixed {
    limit: Limit,
    fields: [Option<HeaderValue>; 2],
}

thread_local! {
    // Each thread has its own, so that no thread waits for another.
    static FIXED: RefCell<[Option<Fixed>; KEPT]> = const { RefCell::new([const { None }; KEPT]) };
}

fn fixed(limit: &Limit) -> [Option<HeaderValue>; 2] {
    let mixed = limit.amount().get() ^ limit.burst().get().rotate_left(16);
    let mixed = u64::from(mixed) ^ limit.per().as_secs().rotate_left(32);
    // Multiplied by 2^64 over the golden ratio, so that the upper bits depend on all.
    let place = usize::try_from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60);
    FIXED.with_borrow_mut(|kept| {
        let kept = place.ok().and_then(|place| kept.get_mut(place));
        match kept {
            Some(Some(fixed)) if fixed.limit == *limit => fixed.fields.clone(),
            Some(empty) => {
                let fields = render(limit);
                *empty = Some(Fixed { limit: *limit, fields: fields.clone() });
                fields
            }
            None => render(limit),
        }
    })
}

fn render(limit: &Limit) -> [Option<HeaderValue>; 2] {
    let mut text = Text::default();
    let policy = text.policy(limit);
    let policy = text.bytes.get(policy).and_then(|policy| HeaderValue::from_bytes(policy).ok());
    [policy, Some(HeaderValue::from(limit.burst().get()))]
}
