//! Points in time as other systems write them.

use crate::time::parse_time;
use keyward::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::shapes;

/// The fault of a text that is not a time.
const RULE: &str = "a time is written like 2030-01-31T12:00:00Z";
const NUMBER: &str = "a time that is a number has 10 digits for seconds since 1970, or 13 for \
                      milliseconds; otherwise write it like 2030-01-31T12:00:00Z";
const CALENDAR: &str = "which is the day and which the month cannot be known; write the time like \
                        2030-01-31T12:00:00Z";
const INFINITE: &str = "infinity is no point in time; leave it empty if it is not known";
const PAST: &str = "a key that ended before all time: give it the state `revoked`, or leave its \
                    end empty if it has none";
const ZERO: &str = "`0000-00-00` stands for no date in MySQL; leave it empty if there is none";

/// A point in time; read in any form that is in use, written in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub UnixMillis);

/// The end of a key. PostgreSQL's `infinity` is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End(pub Option<Time>);

impl Time {
    /// Takes a time as a file has it: RFC 3339, what databases write, or a number of seconds,
    /// milliseconds, microseconds or nanoseconds since 1970, distinguished by the number of digits.
    ///
    /// # Errors
    ///
    /// Returns the remedy.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(read) = since_1970(text) {
            return read.map(|millis| Self(UnixMillis(millis)));
        }
        let read = parse_time(text).or_else(|| parse_time(&with_offset(text)?));
        read.map(Self).ok_or_else(|| problem(text))
    }
}

impl End {
    /// Takes the end of a key as a file has it.
    ///
    /// # Errors
    ///
    /// Returns the remedy.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "infinity" | "+infinity" => Ok(Self(None)),
            "-infinity" => Err(PAST),
            _ => Time::parse(text).map(|time| Self(Some(time))),
        }
    }
}

/// Reads a number. The number of digits shows the unit for times from 2001 to 2286; `None` if it is
/// not a number, or a date of eight digits.
fn since_1970(text: &str) -> Option<Result<u64, &'static str>> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_exponent = text.split_once(['e', 'E']).is_some_and(|(digits, exponent)| {
        is_number(&digits.replacen('.', "", 1)) && is_number(exponent.trim_start_matches('+'))
    });
    if has_exponent {
        return Some(Err(NUMBER));
    }
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !is_number(unsigned) || !is_number(decimals) {
        return None;
    }
    let number: Option<u64> = whole.parse().ok().filter(|_| !whole.starts_with('0'));
    Some(match (whole.len(), number) {
        (8, Some(_)) if decimals.is_empty() => return None,
        (10, Some(secs)) => {
            let millis: String = decimals.chars().chain("000".chars()).take(3).collect();
            Ok(secs * 1_000 + millis.parse::<u64>().unwrap_or_default())
        }
        (13, Some(millis)) => Ok(millis),
        (16, Some(micros)) => Ok(micros / 1_000),
        (19, Some(nanos)) => Ok(nanos / 1_000_000),
        _ => Err(NUMBER),
    })
}

/// `2024-05-01 12:51:30 UTC` and `2024-05-01 12:51:30 +0000` with the offset where RFC 3339 has it.
fn with_offset(text: &str) -> Option<String> {
    let (at, offset) = text.rsplit_once(' ')?;
    match offset {
        "UTC" | "GMT" | "Z" => Some(format!("{at}Z")),
        _ if offset.starts_with(['+', '-']) => Some(format!("{at}{offset}")),
        _ => None,
    }
}

fn problem(text: &str) -> &'static str {
    let is_calendar = |separator: char| {
        let date = text.split([' ', 'T']).next().unwrap_or_default();
        let parts: Vec<&str> = date.split(separator).collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().all(is_number)
    };
    match text.to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" | "-infinity" => INFINITE,
        zero if zero.starts_with("0000-00-00") => ZERO,
        _ if is_calendar('/') || is_calendar('.') => CALENDAR,
        _ => RULE,
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shapes::Time(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

/// Reads a text, or a number as the text that it is, by a rule.
pub(super) fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    rule: fn(&str) -> Result<T, &'static str>,
) -> Result<T, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        // No rule can read these values, and the fault is that of the rule.
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    };
    rule(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<u64, &'static str>) {
        assert_eq!(Time::parse(text).map(|time| time.0.0), expected, "{text}");
    }

    #[test]
    fn numbers_are_times_where_their_unit_is_certain() {
        let at = Ok(1_714_567_890_000);
        for text in ["1714567890", "1714567890.0", "1714567890000", "1714567890000.0"] {
            check(text, at);
        }
        check("1714567890.123456", Ok(1_714_567_890_123));
        check("1714567890.5", Ok(1_714_567_890_500));
        check("1714567890123", Ok(1_714_567_890_123));
        check("1714567890123456", Ok(1_714_567_890_123));
        check("1714567890123456789", Ok(1_714_567_890_123));
        check("20240501", Ok(1_714_521_600_000));
        for text in
            ["0", "-1", "171456789", "17145678901", "0714567890", "45413.5", "1.714567890123e+12"]
        {
            check(text, Err(NUMBER));
        }
    }

    #[test]
    fn times_are_read_as_databases_and_programs_write_them() {
        let at = Ok(1_714_567_890_000);
        for text in [
            "2024-05-01 12:51:30",
            "2024-05-01 12:51:30+00",
            "2024-05-01 14:51:30+02",
            "2024-05-01 12:51:30 UTC",
            "2024-05-01 12:51:30 +0000",
            "2024-05-01 12:51:30+0000",
            "2024-05-01T12:51:30Z",
        ] {
            check(text, at);
        }
        check("2024-05-01 12:51:30.123456+00", Ok(1_714_567_890_123));
        for text in ["5/1/2024 12:51", "01.05.2024", "2024/05/01"] {
            check(text, Err(CALENDAR));
        }
        check("0000-00-00 00:00:00", Err(ZERO));
        check("infinity", Err(INFINITE));
        for text in ["soon", "", "1.2.3.4", "a b"] {
            check(text, Err(RULE));
        }
    }

    #[test]
    fn an_infinite_end_is_none() {
        assert_eq!(End::parse("infinity"), Ok(End(None)));
        assert_eq!(End::parse("-infinity"), Err(PAST));
        assert_eq!(End::parse("1714567890"), Ok(End(Some(Time(UnixMillis(1_714_567_890_000))))));
    }
}
