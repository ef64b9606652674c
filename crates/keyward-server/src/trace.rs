//! The trace that a request belongs to, as W3C Trace Context has it.
//!
//! A trace of the client, or of the proxy in front, is gone on with, so that one id finds a request
//! in the logs of every service that it passed. A request without one begins a trace.

use std::fmt;

use http::header::{HeaderMap, HeaderName};

/// The header field of the trace.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Characters of a value of version 00: version, trace, span and flags, and three hyphens.
const LEN: usize = 55;

/// The id of a trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The place of a request in its trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    #[cfg(feature = "otlp")]
    pub(crate) span: SpanIds,
}

/// The span of a request, and whether it is wanted.
#[cfg(feature = "otlp")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanIds {
    /// Not zero.
    pub(crate) own: u64,
    /// The span of the client that the request belongs to, if it names one; not zero.
    pub(crate) parent: Option<u64>,
    /// Whether the trace is recorded: as the client says, or else yes.
    pub(crate) is_sampled: bool,
}

impl Trace {
    /// The trace that a request names, or else the one that begins with the request of this number,
    /// in a process with this random base.
    pub(crate) fn of(headers: &HeaderMap, base: u64, number: u64) -> Self {
        let named = named(headers);
        let id = named.map_or_else(|| TraceId::of_number(base, number), |(id, ..)| id);
        Self {
            id,
            #[cfg(feature = "otlp")]
            span: SpanIds {
                // Another sequence than that of traces; the lowest bit keeps it from being zero.
                own: mixed(mixed(base) ^ number) | 1,
                parent: named.map(|(_, parent, _)| parent),
                is_sampled: named.is_none_or(|(.., is_sampled)| is_sampled),
            },
        }
    }
}

/// The trace that a request names, if it names one as the specification has it; with the span that
/// the request belongs to, and whether the client records the trace.
///
/// Several lines are none (section 3.2), and so are ids of zeros. A later version may have more
/// after the flags and a hyphen.
fn named(headers: &HeaderMap) -> Option<(TraceId, u64, bool)> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let text = line.to_str().ok()?;
    let known = text.get(..LEN)?;
    let rest = text.get(LEN..)?;
    let mut parts = known.split('-');
    let mut part = |len: usize| {
        let part = parts.next()?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == len && part.bytes().all(is_hex)).then_some(part)
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_known = version == "00" && rest.is_empty();
    let is_later = !["00", "ff"].contains(&version) && (rest.is_empty() || rest.starts_with('-'));
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    if !(is_known || is_later) || is_zero(trace) || is_zero(span) {
        return None;
    }
    let number = |hex: &str| u128::from_str_radix(hex, 16).ok();
    let span = u64::from_str_radix(span, 16).ok()?;
    // The lowest bit of the flags is that of a recorded trace (section 3.2.2.5.1).
    Some((TraceId(number(trace)?), span, number(flags)? & 1 == 1))
}

impl TraceId {
    /// The trace that begins with a request of this number, in a process with this random base.
    pub(crate) fn of_number(base: u64, number: u64) -> Self {
        let (high, low) = (mixed(base), mixed(base.wrapping_add(number)));
        // The lowest bit keeps it from being zero.
        Self(u128::from(high) << 64 | u128::from(low) | 1)
    }

    /// The bytes of the id, the first one first.
    #[cfg(feature = "otlp")]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// A number that looks random, another one for each: the finalizer of SplitMix64 (Steele, Lea and
/// Flood, Fast Splittable Pseudorandom Number Generators, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        named(&headers).map(|(trace, ..)| trace.to_string())
    }

    #[test]
    fn a_trace_of_the_client_is_gone_on_with() {
        for line in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-00"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"),
        ] {
            assert_eq!(of(&[&line]).as_deref(), Some(TRACE), "{line}");
        }
    }

    #[test]
    fn the_client_says_whether_its_trace_is_recorded() {
        for (flags, expected) in [("00", false), ("01", true), ("02", false), ("03", true)] {
            let mut headers = HeaderMap::new();
            let line = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            headers.insert(TRACEPARENT, HeaderValue::from_str(&line).unwrap());
            let (_, parent, is_sampled) = named(&headers).unwrap();
            assert_eq!((parent, is_sampled), (0x00f0_67aa_0ba9_02b7, expected), "{flags}");
        }
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn each_request_has_a_span_of_its_own_and_its_trace_is_recorded() {
        let headers = HeaderMap::new();
        let traces: Vec<_> = (0..1_000).map(|number| Trace::of(&headers, 7, number)).collect();
        let ids: std::collections::HashSet<_> = traces.iter().map(|it| it.span.own).collect();
        assert!(ids.len() == 1_000 && !ids.contains(&0));
        for Trace { id, span } in traces {
            assert_eq!((span.parent, span.is_sampled), (None, true));
            assert_ne!(id.to_bytes()[8..], span.own.to_be_bytes());
        }
    }

    #[test]
    fn a_value_that_is_not_as_specified_is_none() {
        let zeros = "0".repeat(32);
        for line in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01.more"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-00f067aa0ba902b7-0x"),
            format!("00_{TRACE}_00f067aa0ba902b7_01"),
        ] {
            assert_eq!(of(&[&line]), None, "{line}");
        }
        let line = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(of(&[&line, &line]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn each_request_begins_a_trace_of_its_own() {
        let ids: std::collections::HashSet<_> =
            (0..1_000).map(|number| TraceId::of_number(7, number).to_string()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 32 && !id.starts_with("0000")));
    }
}
