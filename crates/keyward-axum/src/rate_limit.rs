//! The header fields that say how a caller stands with its limit.
//!
//! They are written for each request that is let in, so without the machinery of `format!`: what
//! the fields say of the limit itself is rendered once, and the rest shares one piece of memory.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use keyward::UnixMillis;
use keyward::limit::{Exceeded, LIMIT_LABEL_LEN_MAX, Limit, Standing};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Most fields that are written.
pub(crate) const FIELDS_MAX: usize = 5;

/// Which header fields tell callers how they stand with their limit. `Retry-After` of a refusal is
/// none of them: it is always sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// `RateLimit-Policy` and `RateLimit`, as in version 10 of the IETF draft *RateLimit header
    /// fields for HTTP*.
    Standard,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which older clients read.
    XRateLimit,
    /// All five.
    #[default]
    Both,
    /// None of them.
    Neither,
}

impl RateLimitHeaders {
    fn has_standard(self) -> bool {
        match self {
            Self::Standard | Self::Both => true,
            Self::XRateLimit | Self::Neither => false,
        }
    }

    fn has_x(self) -> bool {
        match self {
            Self::XRateLimit | Self::Both => true,
            Self::Standard | Self::Neither => false,
        }
    }

    /// Writes how a caller stands that was let in at `at`: the reset is when its limit is whole.
    pub(crate) fn write(self, headers: &mut HeaderMap, standing: &Standing, at: UnixMillis) {
        let secs = ceil_secs(standing.full_after);
        self.write_reset(headers, standing, secs, at.later_by(standing.full_after));
    }

    /// Writes how a caller stands that was refused at `at`: the reset is when the next request
    /// will be let in, as `Retry-After` says it.
    pub(crate) fn write_refused(
        self,
        headers: &mut HeaderMap,
        exceeded: &Exceeded,
        at: UnixMillis,
    ) {
        let Some(standing) = exceeded.standing() else { return };
        let secs = retry_secs(exceeded.retry_after);
        self.write_reset(headers, &standing, secs, at.later_by(exceeded.retry_after));
    }

    fn write_reset(
        self,
        headers: &mut HeaderMap,
        standing: &Standing,
        secs: u64,
        reset_at: UnixMillis,
    ) {
        if self == Self::Neither {
            return;
        }
        let mut text = Text::default();
        let state = text.state(standing, secs);
        let remaining = text.number(u64::from(standing.remaining));
        let reset = text.number(reset_at.ceil_secs());
        let bytes = Bytes::from_owner(text.bytes);
        // All of it is visible ASCII, which any header takes.
        let value = |range: Range<usize>| HeaderValue::from_maybe_shared(bytes.slice(range)).ok();
        let [policy, burst] = fixed(&standing.limit);
        let mut put = |name, value| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        if self.has_standard() {
            put(RATE_LIMIT_POLICY, policy);
            put(RATE_LIMIT, value(state));
        }
        if self.has_x() {
            put(X_LIMIT, burst);
            put(X_REMAINING, value(remaining));
            put(X_RESET, value(reset));
        }
    }
}

/// How long to wait before trying again, in whole seconds, at least 1.
pub(crate) fn retry_secs(after: Duration) -> u64 {
    ceil_secs(after).max(1)
}

fn ceil_secs(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() != 0)
}

/// Most bytes of a quoted name with two parameters: 32 and twice 3 and 20.
const PARAMETERS_LEN_MAX: usize = LIMIT_LABEL_LEN_MAX + 2 + 2 * (3 + 20);
/// Two more numbers stand behind them.
const TEXT_LEN_MAX: usize = PARAMETERS_LEN_MAX + 2 * 20;

/// The values of fields, one behind the other.
struct Text {
    bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; TEXT_LEN_MAX], len: 0 }
    }
}

impl Text {
    /// Adds a part, for which there is room.
    fn add(&mut self, part: &str) {
        let room = self.bytes.iter_mut().skip(self.len);
        room.zip(part.as_bytes()).for_each(|(to, from)| *to = *from);
        self.len = TEXT_LEN_MAX.min(self.len + part.len());
    }

    fn number(&mut self, number: u64) -> Range<usize> {
        let from = self.len;
        self.add(itoa::Buffer::new().format(number));
        from..self.len
    }

    fn state(&mut self, standing: &Standing, secs: u64) -> Range<usize> {
        let left = u64::from(standing.remaining);
        self.parameters(standing.limit.name(), [(";r=", left), (";t=", secs)])
    }

    /// A quoted name with parameters.
    fn parameters(&mut self, name: &str, numbers: [(&str, u64); 2]) -> Range<usize> {
        let from = self.len;
        for part in ["\"", name, "\""] {
            self.add(part);
        }
        for (parameter, number) in numbers {
            self.add(parameter);
            self.number(number);
        }
        from..self.len
    }
}

/// Limits whose fields a thread keeps rendered. Those of a tier are shared by all of its keys; of
/// more limits than these, some are rendered anew.
const KEPT: usize = 16;

/// What the fields say of a limit itself: the policy, and the most requests at once.
struct Fixed {
    limit: Limit,
    fields: [Option<HeaderValue>; 2],
}

thread_local! {
    // Of each thread its own, since nobody has to wait for it.
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
    let amount = u64::from(limit.amount().get());
    let policy = text.parameters(limit.name(), [(";q=", amount), (";w=", limit.per().as_secs())]);
    let policy = text.bytes.get(policy).and_then(|policy| HeaderValue::from_bytes(policy).ok());
    [policy, Some(HeaderValue::from(limit.burst().get()))]
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limit(name: &str, number: u32, per: u64) -> Limit {
        let number = NonZeroU32::new(number).unwrap();
        Limit::new(name, number, Duration::from_secs(per), number).unwrap()
    }

    fn written(which: RateLimitHeaders, limit: &Limit) -> Vec<String> {
        let standing =
            Standing { limit: *limit, remaining: 7, full_after: Duration::from_millis(1_001) };
        let mut headers = HeaderMap::new();
        which.write(&mut headers, &standing, UnixMillis(5_000));
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    #[test]
    fn which_fields_are_written_is_a_choice() {
        let limit = limit("requests", 10, 60);
        let standard =
            [r#"ratelimit-policy: "requests";q=10;w=60"#, r#"ratelimit: "requests";r=7;t=2"#];
        let x = ["x-ratelimit-limit: 10", "x-ratelimit-remaining: 7", "x-ratelimit-reset: 7"];
        assert_eq!(written(RateLimitHeaders::Standard, &limit), standard);
        assert_eq!(written(RateLimitHeaders::XRateLimit, &limit), x);
        assert_eq!(written(RateLimitHeaders::Both, &limit), [&standard[..], &x].concat());
        assert!(written(RateLimitHeaders::Neither, &limit).is_empty());
    }

    /// More limits than are kept, some of which differ in their names alone.
    #[test]
    fn a_limit_is_never_taken_for_another() {
        for _ in 0..2 {
            for number in 1..100 {
                for name in ["a", "b", "a-name-of-24-characters-"] {
                    let limit = limit(name, number, u64::from(number) * 60);
                    let [policy, _, most, ..] = &*written(RateLimitHeaders::Both, &limit) else {
                        panic!("five fields")
                    };
                    let per = number * 60;
                    assert_eq!(*policy, format!("ratelimit-policy: \"{name}\";q={number};w={per}"));
                    assert_eq!(*most, format!("x-ratelimit-limit: {number}"));
                }
            }
        }
    }

    #[test]
    fn the_longest_values_fit() {
        let mut text = Text::default();
        let name = "n".repeat(LIMIT_LABEL_LEN_MAX);
        text.parameters(&name, [(";r=", u64::MAX), (";t=", u64::MAX)]);
        text.number(u64::MAX);
        text.number(u64::MAX);
        assert_eq!(text.len, TEXT_LEN_MAX);
        assert!(text.bytes.ends_with(b"1844674407370955161518446744073709551615"));
    }

    #[test]
    fn a_refusal_resets_when_the_next_request_is_let_in() {
        let limit = limit("requests", 1, 60);
        let check = |retry_millis, at, expected: [&str; 2]| {
            let full_after = Duration::from_secs(60);
            let standing = Standing { limit, remaining: 0, full_after };
            let retry_after = Duration::from_millis(retry_millis);
            let mut headers = HeaderMap::new();
            let exceeded = Exceeded::new(standing, retry_after);
            RateLimitHeaders::Both.write_refused(&mut headers, &exceeded, UnixMillis(at));
            assert_eq!([&headers[RATE_LIMIT], &headers[X_RESET]], expected);
        };
        check(600, 5_000, [r#""requests";r=0;t=1"#, "6"]);
        check(600, 5_500, [r#""requests";r=0;t=1"#, "7"]);
        check(59_001, 5_000, [r#""requests";r=0;t=60"#, "65"]);
        check(2_000, 5_000, [r#""requests";r=0;t=2"#, "7"]);
    }
}
