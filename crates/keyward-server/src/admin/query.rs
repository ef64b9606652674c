//! What the query strings of admin routes have in common.

use jiff::Timestamp;
use keyward::UnixMillis;
use keyward_axum::fault::Fault;
use keyward_axum::input::Query;

/// A parameter that is a time in RFC 3339, from 1970 on, if it is there.
///
/// # Errors
///
/// Returns the fault if it is none.
pub(crate) fn time(query: &Query, name: &'static str) -> Result<Option<UnixMillis>, Fault> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let millis =
        text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let fault = || {
        let message = "Input should be a valid datetime in RFC 3339, such as 2030-01-31T12:00:00Z";
        Fault::new("datetime_parsing", vec!["query".into(), name.into()], message).input(text)
    };
    millis.map(|at| Some(UnixMillis(at))).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_from_1970_on() {
        let read = |text: &str| time(&Query::parse(Some(text)), "since");
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("since=1970-01-01T00:00:01Z").unwrap(), Some(UnixMillis(1_000)));
        for refused in ["since=", "since=yesterday", "since=1969-12-31T23:59:59Z", "since=1"] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
