//! Requests that change something once, however often they are sent: a client that saw no response
//! sends the request again, under the name that it gave it (over HTTP, the header
//! `Idempotency-Key`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use compact_str::CompactString;
use thiserror::Error;

use crate::record::KeyId;
use crate::time::UnixMillis;

/// Most characters of the name of a request.
pub const ONCE_NAME_LEN_MAX: usize = 64;
/// How long a name is kept, from the change on: 24 hours.
pub const ONCE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A client's name of a request: 1 to [`ONCE_NAME_LEN_MAX`] visible ASCII characters.
///
/// ```
/// use keyward::once::OnceName;
///
/// assert!("8e03978e-40d5-43dd-bc93-6894a57f9324".parse::<OnceName>().is_ok());
/// assert!("two words".parse::<OnceName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OnceName(CompactString);

/// The error of a text that cannot name a request.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the name of a request has 1 to 64 visible ASCII characters")]
pub struct ParseOnceNameError;

impl FromStr for OnceName {
    type Err = ParseOnceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=ONCE_NAME_LEN_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ParseOnceNameError);
        }
        Ok(Self(text.into()))
    }
}

impl OnceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that is to change something once. Each actor has names of its own.
///
/// ```
/// use keyward::audit::Audit;
/// use keyward::once::Once;
/// use keyward::time::UnixMillis;
///
/// // The second request of this name gets the result of the first, if it asks for the same.
/// let once = Once { name: "8e03978e-40d5".parse()?, request: [7; 32] };
/// let audit = Audit { once: Some(once), ..Audit::program(UnixMillis(1_767_225_600_000)) };
/// # let _ = audit;
/// # Ok::<(), keyward::once::ParseOnceNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Once {
    /// The client's name of it.
    pub name: OnceName,
    /// SHA-256 of all that it asks for.
    pub request: [u8; 32],
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An earlier request of the same name and actor, which changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It was the same one: it issued or changed this key.
    Same(KeyId),
    /// It asked for something else.
    Other,
}

impl Earlier {
    /// The relation of a stored request to a new one.
    #[must_use]
    pub fn of(kept: &[u8; 32], key_id: KeyId, now: &Once) -> Self {
        if *kept == now.request { Self::Same(key_id) } else { Self::Other }
    }
}

/// The latest time of a change whose name is not kept any more at `now`. A time after that which
/// is still to come, as after the clock was set back, counts as kept.
#[must_use]
pub fn forgotten_at(now: UnixMillis) -> Option<UnixMillis> {
    let kept = u64::try_from(ONCE_KEPT.as_millis()).ok()?;
    now.0.checked_sub(kept).map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        let check = |text: &str, fits| assert_eq!(text.parse::<OnceName>().is_ok(), fits, "{text}");
        check("a", true);
        check("\"8e03978e\"", true);
        check(&"n".repeat(64), true);
        check(&"n".repeat(65), false);
        for text in ["", " a", "a b", "ü", "a\tb"] {
            check(text, false);
        }
    }

    #[test]
    fn a_name_is_kept_for_a_day() {
        assert_eq!(forgotten_at(UnixMillis(86_399_999)), None);
        assert_eq!(forgotten_at(UnixMillis(86_400_005)), Some(UnixMillis(5)));
    }
}
