//! One limit: how often, per what time.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use thiserror::Error;

use super::Cost;

/// Shortest time that a limit counts over.
pub const PER_MIN: Duration = Duration::from_secs(1);
/// Longest time that a limit counts over, and that an empty bucket takes to fill.
pub const PER_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most requests that a limit allows in its time.
pub const AMOUNT_MAX: u32 = 1_000_000_000;
/// Most characters of a limit's name; they fit the response's header fields without taking memory.
pub const LIMIT_NAME_LEN_MAX: usize = 24;
/// The prefix of the name of a limit that all keys of an owner share.
const OWNER: &str = "owner:";
/// Most characters that [`Limit::name`] returns: a name after `owner:`.
pub const LIMIT_LABEL_LEN_MAX: usize = OWNER.len() + LIMIT_NAME_LEN_MAX;

/// How often, per what time.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::limit::Limit;
///
/// // 100 requests a minute in the long run, of which 20 may come at once.
/// let limit = Limit::new("requests", 100.try_into()?, Duration::from_secs(60), 20.try_into()?)?;
/// assert_eq!((limit.name(), limit.burst().get()), ("requests", 20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    name: Label,
    amount: NonZeroU32,
    per_secs: u32,
    burst: NonZeroU32,
    /// Nanoseconds that a cost of one takes, rounded up, so that rounding never allows more.
    interval: NonZeroU64,
    /// Nanoseconds that an empty bucket takes to fill: `burst * interval`.
    tolerance: u64,
}

/// The error of a limit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LimitError {
    /// The name is not 1 to 24 of `a-z`, `0-9`, `_` and `-`.
    #[error("a limit's name has 1 to 24 characters of a-z, 0-9, `_` and `-`")]
    Name,
    /// The amount is above [`AMOUNT_MAX`].
    #[error("a limit allows at most 1000000000 requests")]
    Amount,
    /// The time is not a whole number of seconds from [`PER_MIN`] to [`PER_MAX`].
    #[error("a limit counts over whole seconds, from 1 second to 366 days")]
    Per,
    /// An empty bucket would take longer than [`PER_MAX`] to fill.
    #[error("at this rate the burst would take more than 366 days to fill up again")]
    Burst,
}

impl Limit {
    /// A limit of `amount` requests `per` time, of which `burst` may come at once. A request with a
    /// [`Cost`] counts as that many.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use keyward::limit::{Limit, LimitError};
    ///
    /// let hundred = std::num::NonZeroU32::new(100).unwrap();
    /// let limit = |name, per| Limit::new(name, hundred, per, hundred);
    /// assert!(limit("requests", Duration::from_secs(60)).is_ok());
    /// assert_eq!(limit("Requests", Duration::from_secs(60)), Err(LimitError::Name));
    /// assert_eq!(limit("requests", Duration::from_millis(1_500)), Err(LimitError::Per));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`LimitError`] if a part is out of bounds, which the variants name.
    pub fn new(
        name: &str,
        amount: NonZeroU32,
        per: Duration,
        burst: NonZeroU32,
    ) -> Result<Self, LimitError> {
        let in_name =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        if name.is_empty() || LIMIT_NAME_LEN_MAX < name.len() || !name.bytes().all(in_name) {
            return Err(LimitError::Name);
        }
        if AMOUNT_MAX < amount.get() {
            return Err(LimitError::Amount);
        }
        if !(PER_MIN..=PER_MAX).contains(&per) || per.subsec_nanos() != 0 {
            return Err(LimitError::Per);
        }
        let per_secs = u32::try_from(per.as_secs()).map_err(|_| LimitError::Per)?;
        let interval = (u64::from(per_secs) * 1_000_000_000).div_ceil(u64::from(amount.get()));
        let tolerance = interval
            .checked_mul(u64::from(burst.get()))
            .filter(|nanos| Duration::from_nanos(*nanos) <= PER_MAX)
            .ok_or(LimitError::Burst)?;
        // The time is a second at least, and so never nothing of it.
        let interval = NonZeroU64::new(interval).ok_or(LimitError::Per)?;
        let name = Label::new(&[name]);
        Ok(Self { name, amount, per_secs, burst, interval, tolerance })
    }

    /// The limit's name, such as `requests`; `owner:requests` where a limit is reported that all
    /// keys of an owner share. At most [`LIMIT_LABEL_LEN_MAX`] characters.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use keyward::limit::Limit;
    ///
    /// let limit = Limit::new("requests", 9.try_into()?, Duration::from_secs(60), 9.try_into()?)?;
    /// assert_eq!(limit.name(), "requests");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Requests allowed in [`Limit::per`], in the long run.
    #[must_use]
    pub fn amount(&self) -> NonZeroU32 {
        self.amount
    }

    /// The time that [`Limit::amount`] is counted over.
    #[must_use]
    pub fn per(&self) -> Duration {
        Duration::from_secs(u64::from(self.per_secs))
    }

    /// Requests that may come at once after a pause.
    #[must_use]
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The limit by the name that it has where limits of a key and of its owner are listed
    /// together. No configured limit has such a name, since a name holds no colon.
    pub(crate) fn of_owner(&self) -> Self {
        Self { name: Label::new(&[OWNER, self.name.as_str()]), ..*self }
    }

    /// The name that an operator gave a limit which is reported by this one.
    pub(crate) fn name_given(&self) -> &str {
        self.name().strip_prefix(OWNER).unwrap_or(self.name())
    }

    /// How much longer a request of the cost `to` waits than one of the cost `from`; `None` if it
    /// costs more than a full bucket holds.
    pub(crate) fn further(&self, from: Cost, to: Cost) -> Option<Duration> {
        let (from, to) = (self.step(from.judged())?, self.step(to.judged())?);
        Some(Duration::from_nanos(to.saturating_sub(from)))
    }

    /// Nanoseconds that a cost of one takes.
    pub(super) fn interval(&self) -> NonZeroU64 {
        self.interval
    }

    /// Nanoseconds that an empty bucket takes to fill: at most [`PER_MAX`].
    pub(super) fn tolerance(&self) -> u64 {
        self.tolerance
    }

    /// How far into the future a request moves the bucket; `None` if it costs more than a full
    /// bucket holds.
    pub(super) fn step(&self, cost: Cost) -> Option<u64> {
        if self.burst.get() < cost.get() {
            return None;
        }
        // It does not overflow: a cost of the burst is the tolerance.
        Some(self.interval.get().wrapping_mul(u64::from(cost.get())))
    }
}

/// A name inside the limit itself, so that a request copies it and takes no memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label {
    bytes: [u8; LIMIT_LABEL_LEN_MAX],
    len: u8,
}

impl Label {
    /// The parts one after the other. They are ASCII, and the excess is cut off.
    fn new(parts: &[&str]) -> Self {
        let mut label = Self { bytes: [0; LIMIT_LABEL_LEN_MAX], len: 0 };
        let bytes = parts.iter().flat_map(|part| part.bytes());
        for (to, byte) in label.bytes.iter_mut().zip(bytes) {
            *to = byte;
            label.len += 1;
        }
        label
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
