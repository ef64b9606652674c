//! The small texts and numbers that bodies are made of, each once: what it holds, how it is read
//! and written, and its bounds as the document has them.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::fmt::temporal::DateTimePrinter;
use keyward::details::Reason;
use keyward::key::{PREFIX_LEN_MAX, Prefix};
use keyward::network::Network;
use keyward::record::{KeyName, NAME_CHARS_MAX, Owner, Scope};
use keyward::scan::holds_key;
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use keyward_http::fault::Fault;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::body::{At, Field, Read, parsed, text};
use crate::duration::WholeSeconds;
use crate::query::{Parameter, Parameters};
use crate::time::parse_timestamp;

/// Most characters of a hint: the longest prefix, an underscore and four digits.
pub const HINT_LEN_MAX: usize = PREFIX_LEN_MAX + 5;

/// How each text is written and read.
macro_rules! texts {
    ($($name:ident($inner:ty) is $as_text:expr;)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(($as_text)(&self.0).as_ref())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map(Self).map_err(D::Error::custom)
            }
        }

    )*};
}

/// Declares that a parameter is a text that is parsed.
macro_rules! parsed_parameters {
    ($($name:ident)*) => {$(
        impl Parameter for $name {
            fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
                parameters.parsed(name).map(Self)
            }
        }
    )*};
}

parsed_parameters! { TierText OwnerText }

/// A reason is kept, listed and audited as it is, so that no key may be in it.
impl Parameter for ReasonText {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        let reason: Reason = parameters.parsed(name)?;
        if holds_key(reason.as_str()) {
            parameters.misplaced(name);
            return None;
        }
        Some(Self(reason))
    }
}

/// The name of a key. Names need not be unique.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(min_length = 1, max_length = 100, example = "weather-bot")]
pub struct KeyNameText(pub String);

/// The name of a key. One character at least is visible, and none is invisible,
/// bidirectional or a control character. Names need not be unique.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(format = "line", min_length = 1, max_length = 100, example = "weather-bot")]
#[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
pub struct NewNameText(pub KeyName);

/// The name of a tier. Where a key is given one, the tier has to be there.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^[a-z][a-z0-9_-]*$", min_length = 1, max_length = 24)]
#[schema(format = "tier", example = "basic")]
pub struct TierText(pub TierName);

/// The id of the customer to whom a key belongs.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^[!-~]+$", min_length = 1, max_length = 100, example = "org_2f9")]
pub struct OwnerText(pub Owner);

/// An address, or a range of them in CIDR notation without host bits.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(format = "network", pattern = r"^[0-9A-Fa-f:.]+(/(0|[1-9][0-9]{0,2}))?$")]
#[schema(min_length = 2, max_length = 49, example = "192.0.2.0/24")]
pub struct NetworkText(pub Network);

/// Why a key was revoked, in the words of the operator, on one line. One character at least is
/// visible, and none is invisible, bidirectional or a control character.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(format = "line", min_length = 1, max_length = 200, example = "found on a public page")]
#[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
pub struct ReasonText(pub Reason);

/// SHA-256 as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^[0-9a-f]{64}$", min_length = 64, max_length = 64)]
pub struct DigestText(pub String);

/// The name of a limit.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^[a-z0-9_-]*$", min_length = 1, max_length = 24)]
#[schema(example = "requests")]
pub struct LimitNameText(pub String);

/// The name of a limit; `owner:` stands before that of one that all keys of an owner share.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^(owner:)?[a-z0-9_-]+$", min_length = 1, max_length = 30)]
#[schema(example = "requests")]
pub struct LimitLabelText(pub String);

/// The prefix of the secrets of a key: words joined by single underscores.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", min_length = 1, max_length = 24)]
#[schema(example = "kw")]
pub struct PrefixText(pub Prefix);

/// A day in UTC.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(format = Date, example = "2026-11-24")]
pub struct DayText(pub String);

/// A scope of a key: `resource:action`, `resource:*`, or `*` for everything.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
#[schema(pattern = r"^(\*|[a-z0-9_.-]+:([a-z0-9_.-]+|\*))$", min_length = 1)]
#[schema(max_length = 128, example = "articles:read")]
pub struct ScopeText(pub Scope);

texts! {
    ReasonText(Reason) is Reason::as_str;
    KeyNameText(String) is String::as_str;
    NewNameText(KeyName) is KeyName::as_str;
    TierText(TierName) is TierName::as_str;
    OwnerText(Owner) is Owner::as_str;
    NetworkText(Network) is Network::to_string;
    DigestText(String) is String::as_str;
    LimitNameText(String) is String::as_str;
    LimitLabelText(String) is String::as_str;
    PrefixText(Prefix) is Prefix::as_str;
    DayText(String) is String::as_str;
    ScopeText(Scope) is Scope::as_str;
}

/// Identifies a key for ever, or numbers a change. A double holds each of them exactly.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 7)]
pub struct KeyNumber(pub u64);

impl From<KeyId> for KeyNumber {
    fn from(id: KeyId) -> Self {
        Self(id.get())
    }
}

impl Parameter for KeyNumber {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        parameters.integer(name, &(1..=keyward::record::KEY_ID_MAX)).map(Self)
    }
}

/// A point in time as in responses: RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub UnixMillis);

/// RFC 3339 with milliseconds, but for the `Z` at its end.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Time {
    /// The bytes of a text, such as `2026-11-24T09:30:00.000Z`.
    const LEN: usize = 24;
    /// The fault of a text that [`Time::parse`] does not take.
    pub const RULE: &str =
        "Input should be a valid datetime in RFC 3339, such as 2030-01-31T12:00:00Z";

    /// Takes RFC 3339 with any offset, from 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        parse_timestamp(text).map(Self)
    }

    /// The text of the time, which [`Time::parse`] reads as the same time. A time after the year
    /// 9999, where the format ends, is written as the end of that year.
    pub fn to_text(self) -> String {
        let epoch = civil::date(1970, 1, 1).to_datetime(civil::Time::midnight());
        let since = SignedDuration::from_millis(i64::try_from(self.0.0).unwrap_or(i64::MAX));
        let at = epoch.checked_add(since).unwrap_or(DateTime::MAX);
        let mut text = String::with_capacity(Self::LEN);
        // Nothing that is written to memory fails.
        if PRINTER.print_datetime(&at, &mut text).is_ok() {
            text.push('Z');
        }
        text
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(Self::RULE))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A point in time: RFC 3339 in UTC, with milliseconds."))
            .pattern(Some(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$"))
            .examples(["2026-11-24T09:30:00.000Z"]);
        object.into()
    }
}

impl ToSchema for Time {}

/// A time that a client sends: RFC 3339 with any offset, from 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(
    value_type = String,
    format = DateTime,
    pattern = "^(19[7-9][0-9]|[2-9][0-9]{3})-",
    example = "2030-01-31T12:00:00Z"
)]
pub struct TimeText(pub UnixMillis);

impl Field for TimeText {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let Value::String(text) = value else {
            return Err(at.fault("datetime_type", "Input should be a valid datetime", value));
        };
        let fault = || at.fault("datetime_parsing", Time::RULE, text.as_str().into());
        Time::parse(&text).map(|time| Self(time.0)).ok_or_else(fault)
    }
}

impl Parameter for TimeText {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        let text = parameters.given(name)?;
        let read = Time::parse(text);
        if read.is_none() {
            parameters.fault("datetime_parsing", name, Time::RULE);
        }
        read.map(|time| Self(time.0))
    }
}

/// A time span: a whole number and a unit, `s`, `m`, `h`, `d` or `w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = "span", pattern = "^[0-9]+[smhdw]$", min_length = 2)]
#[schema(example = "60s")]
pub struct SpanText(pub Duration);

/// A time span of so many seconds; `rule` says so.
///
/// # Errors
///
/// Returns the fault if it is not such a span.
pub fn span(at: &At<'_>, value: Value, secs: &RangeInclusive<u64>, rule: &str) -> Read<Duration> {
    let text = text(at, value, 0..=usize::MAX)?;
    let span = WholeSeconds::parse(&text).ok().map(WholeSeconds::seconds);
    let fits = span.filter(|span| secs.contains(span)).map(Duration::from_secs);
    fits.ok_or_else(|| at.breaks(&rule, text.into()))
}

impl Field for NewNameText {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let text = text(at, value, 1..=NAME_CHARS_MAX)?;
        text.parse().map(Self).map_err(|error| at.breaks(&error, text.into()))
    }
}

/// An existing tier.
impl Field for TierText {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let tiers = at.known().tiers;
        let found = tiers.iter().find(|name| value.as_str() == Some(name.as_str()));
        let names = || tiers.iter().map(TierName::as_str).collect::<Vec<_>>();
        let none = || vec![Fault::not_one_of(at.location(), value.clone(), &names())];
        found.cloned().map(Self).ok_or_else(none)
    }
}

/// Declares that a value of a body is a text that is parsed.
macro_rules! parsed_fields {
    ($($name:ident)*) => {$(
        impl Field for $name {
            fn read(at: &At<'_>, value: Value) -> Read<Self> {
                parsed(at, value).map(Self)
            }
        }
    )*};
}

parsed_fields! { OwnerText ScopeText NetworkText PrefixText }

/// Bytes as they are.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Binary(pub Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_an_end() {
        let text = |millis| Time(UnixMillis(millis)).to_text();
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_795_512_600_123), "2026-11-24T09:30:00.123Z");
        assert_eq!(text(253_402_214_400_000), "9999-12-31T00:00:00.000Z");
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_written_can_be_read() {
        // The end of a day of an offset, the end of the format, and a time after it.
        let ends = [0, 1, 1_795_512_600_123, 253_402_207_200_999, 253_402_207_201_000];
        for millis in ends.into_iter().chain([253_402_300_799_999]) {
            let time = Time(UnixMillis(millis));
            assert_eq!(Time::parse(&time.to_text()), Some(time));
        }
        let end = Some(Time(UnixMillis(253_402_300_799_999)));
        assert_eq!(Time::parse(&Time(UnixMillis(u64::MAX)).to_text()), end);
    }

    #[test]
    fn times_are_taken_from_1970_to_9999() {
        let check =
            |text: &str, fits: bool| assert_eq!(Time::parse(text).is_some(), fits, "{text}");
        check("1970-01-01T00:00:00Z", true);
        check("1969-12-31T23:59:59Z", false);
        check("9999-12-31T23:59:59.999Z", true);
        check("9999-12-31T23:59:59-08:00", true);
        check("10000-01-01T00:00:00Z", false);
        check("+010000-01-01T00:00:00Z", false);
        for text in ["", "soon", "2030-01-31", "2030-01-31T12:00:00", "1"] {
            check(text, false);
        }
    }
}
