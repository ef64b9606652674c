//! The small texts and numbers that bodies are made of, with their bounds, each defined once.
//!
//! A member names its shape with `#[schema(value_type = …)]`, or is of the type itself.

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use keyward::UnixMillis;
use keyward::key::PREFIX_LEN_MAX;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::time::parse_timestamp;

/// Most characters of a hint: the longest prefix, an underscore and four digits.
pub const HINT_LEN_MAX: usize = PREFIX_LEN_MAX + 5;

/// A point in time as answers have it: RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub UnixMillis);

impl Time {
    /// What is wrong with a text that [`Time::parse`] does not take.
    pub const RULE: &str =
        "Input should be a valid datetime in RFC 3339, such as 2030-01-31T12:00:00Z";

    /// Takes RFC 3339 with any offset, from 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        parse_timestamp(text).map(Self)
    }

    /// The text of the time, which [`Time::parse`] takes for the same time. Beyond the year 9999,
    /// where the format ends, it is the end of that.
    pub fn to_text(self) -> String {
        let epoch = civil::date(1970, 1, 1).to_datetime(civil::Time::midnight());
        let since = SignedDuration::from_millis(i64::try_from(self.0.0).unwrap_or(i64::MAX));
        let at = epoch.checked_add(since).unwrap_or(DateTime::MAX);
        format!("{at:.3}Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
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
#[derive(Debug, ToSchema)]
#[schema(
    format = DateTime,
    pattern = "^(19[7-9][0-9]|[2-9][0-9]{3})-",
    example = "2030-01-31T12:00:00Z"
)]
#[expect(dead_code, reason = "it is a description")]
pub struct TimeText(String);

/// Identifies a key for ever, or numbers a change. A double holds each of them exactly.
#[derive(Debug, ToSchema)]
#[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 7)]
#[expect(dead_code, reason = "it is a description")]
pub struct KeyNumber(i64);

/// What people call a key. Names need not be unique.
#[derive(Debug, ToSchema)]
#[schema(min_length = 1, max_length = 100, example = "weather-bot")]
#[expect(dead_code, reason = "it is a description")]
pub struct KeyNameText(String);

/// What people are to call a key. One character at least is visible, and none is invisible,
/// bidirectional or a control character. Names need not be unique.
#[derive(Debug, ToSchema)]
#[schema(format = "line", min_length = 1, max_length = 100, example = "weather-bot")]
#[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
#[expect(dead_code, reason = "it is a description")]
pub struct NewNameText(String);

/// The name of a tier. Where a key is given one, the tier has to be there.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[a-z][a-z0-9_-]*$", min_length = 1, max_length = 24)]
#[schema(format = "tier", example = "basic")]
#[expect(dead_code, reason = "it is a description")]
pub struct TierText(String);

/// The id of the customer to whom a key belongs.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[!-~]+$", min_length = 1, max_length = 100, example = "org_2f9")]
#[expect(dead_code, reason = "it is a description")]
pub struct OwnerText(String);

/// An address, or a range of them in CIDR notation without bits behind the prefix.
#[derive(Debug, ToSchema)]
#[schema(format = "network", pattern = r"^[0-9A-Fa-f:.]+(/(0|[1-9][0-9]{0,2}))?$")]
#[schema(min_length = 2, max_length = 49, example = "192.0.2.0/24")]
#[expect(dead_code, reason = "it is a description")]
pub struct NetworkText(String);

/// Why a key was revoked, in somebody's words, on one line. One character at least is visible, and
/// none is invisible, bidirectional or a control character.
#[derive(Debug, ToSchema)]
#[schema(format = "line", min_length = 1, max_length = 200, example = "found on a public page")]
#[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
#[expect(dead_code, reason = "it is a description")]
pub struct ReasonText(String);

/// SHA-256 as hexadecimal digits.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[0-9a-f]{64}$", min_length = 64, max_length = 64)]
#[expect(dead_code, reason = "it is a description")]
pub struct DigestText(String);

/// The name of a limit.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[a-z0-9_-]*$", min_length = 1, max_length = 24)]
#[schema(example = "requests")]
#[expect(dead_code, reason = "it is a description")]
pub struct LimitNameText(String);

/// The name of a limit; `owner:` stands before that of one that all keys of an owner share.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^(owner:)?[a-z0-9_-]+$", min_length = 1, max_length = 30)]
#[schema(example = "requests")]
#[expect(dead_code, reason = "it is a description")]
pub struct LimitLabelText(String);

/// What the secrets of a key begin with: words joined by single underscores.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", min_length = 1, max_length = 24)]
#[schema(example = "kw")]
#[expect(dead_code, reason = "it is a description")]
pub struct PrefixText(String);

/// Bytes as they are.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is a description")]
pub struct Binary(Vec<u8>);

/// A day in UTC.
#[derive(Debug, ToSchema)]
#[schema(format = Date, example = "2026-11-24")]
#[expect(dead_code, reason = "it is a description")]
pub struct DayText(String);

/// A change only if the thing is as it was seen.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is a description")]
pub struct IfMatchHeader {
    /// The `ETag` under which it was seen, or several. With `*` it has only to be there; without
    /// the header it is changed whatever it is.
    #[param(rename = "If-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#)]
    #[param(example = "\"3\"", value_type = String, required = false)]
    if_match: Option<String>,
}

/// A change only of what is not as it was seen, or not there.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is a description")]
pub struct IfNoneMatchHeader {
    /// The `ETag` under which it was seen, or several: what is still so is not sent again, and not
    /// changed. With `*`, nothing that is there is.
    #[param(rename = "If-None-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#)]
    #[param(example = "\"3\"", value_type = String, required = false)]
    if_none_match: Option<String>,
}

/// A request that is made once, however often it is sent.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is a description")]
pub struct IdempotencyKeyHeader {
    /// What the client calls the request. The same request under the same name changes nothing
    /// more within 24 hours: its response is 409 and names the key, whose secret was shown with
    /// the first response alone. Another request under that name is 422.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]+$", min_length = 1, max_length = 64)]
    #[param(example = "8e03978e-40d5-43dd-bc93-6894a57f9324", value_type = String)]
    #[param(required = false)]
    idempotency_key: Option<String>,
}

/// What a key may do: `resource:action`, `resource:*`, or `*` for everything.
#[derive(Debug, ToSchema)]
#[schema(pattern = r"^(\*|[a-z0-9_.-]+:([a-z0-9_.-]+|\*))$", min_length = 1)]
#[schema(max_length = 128, example = "articles:read")]
#[expect(dead_code, reason = "it is a description")]
pub struct ScopeText(String);

/// A time span: a whole number and a unit, `s`, `m`, `h`, `d` or `w`.
#[derive(Debug, ToSchema)]
#[schema(format = "span", pattern = "^[0-9]+[smhdw]$", min_length = 2, example = "60s")]
#[expect(dead_code, reason = "it is a description")]
pub struct SpanText(String);

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
        // Where a day of an offset ends, where the format does, and beyond it.
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
