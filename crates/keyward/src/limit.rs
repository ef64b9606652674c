//! How often a key may be used: token buckets, each kept as one number.
//!
//! The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A; also known as
//! "leaky bucket as a meter"). The word of a bucket holds the theoretical arrival time: the instant
//! at which the bucket will be full again. Each accepted request moves it `cost * per / amount`
//! further into the future, and a request is rejected if that would pass `now` by more than
//! `burst` such steps.
//!
//! **Guarantee:** in any span of time `t`, requests of at most `burst + t * amount / per` in all
//! are accepted, by any number of threads, in any order of their clock readings. A rejected request
//! changes nothing.
//!
//! A request takes from all of its buckets or from none: first each bucket is checked, then each is
//! written. **Nothing is ever given back**: a bucket may have refilled since, or its limit may have
//! changed, and the units that one request subtracts would be another one's share.

mod bucket;
mod cost;
mod revision;
mod set;
mod shared;
mod standing;
mod take;
mod terms;
mod times;

pub use bucket::Meter;
pub use cost::{COST_MAX, Cost, ParseCostError};
pub use revision::Revision;
pub use set::{LIMITS_MAX, Limits, LimitsError};
pub use standing::{Exceeded, STANDINGS_MAX, Standing, Standings};
pub use take::TakeError;
pub use terms::{
    AMOUNT_MAX, LIMIT_LABEL_LEN_MAX, LIMIT_NAME_LEN_MAX, Limit, LimitError, PER_MAX, PER_MIN,
};

pub(crate) use bucket::{Era, GENERATIONS};
pub(crate) use shared::SharedBuckets;
pub(crate) use take::{Buckets, carried};
pub(crate) use times::{Times, take_from_times};

#[cfg(test)]
mod tests;
