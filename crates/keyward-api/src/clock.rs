//! The message about a clock that is in doubt.

use std::time::Duration;

use http::StatusCode;
use keyward::Now;
use keyward_http::Rejection;

use crate::shapes::Time;

/// The rejection of a request that needs a clock that is not in doubt.
#[must_use]
pub fn in_doubt(now: Now) -> Rejection {
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, doubt(now)).retry_after(Duration::ZERO)
}

/// Names both readings.
#[must_use]
pub fn doubt(now: Now) -> String {
    let (wall, carried) = (Time(now.unix).to_text(), Time(now.latest()).to_text());
    format!("The clock says {wall}, and by what it said before it is {carried}")
}

#[cfg(test)]
mod tests {
    use keyward::UnixMillis;
    use keyward::time::{EARLIEST, SteadyNanos};

    use super::*;

    #[test]
    fn a_doubt_names_both_readings() {
        let now = Now::new(UnixMillis(946_684_800_000), SteadyNanos(0));
        let told = doubt(now.or_as_late_as(EARLIEST));
        let expected = "The clock says 2000-01-01T00:00:00.000Z, and by what it said before it is \
                        2026-01-01T00:00:00.000Z";
        assert_eq!(told, expected);
    }
}
