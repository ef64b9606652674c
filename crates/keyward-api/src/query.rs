//! Reading query strings: each parameter by its type, and every fault found at once.
//!
//! A query is a struct, and [`query!`](crate::query!) names its parameters. Each is read by its
//! type.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use keyward_http::Rejection;
use keyward_http::fault::Fault;
use keyward_http::input::{self, Query};
use serde_json::Value;

use crate::MISPLACED;
use crate::duration::{CENTURY_SECS, WholeSeconds};

/// The parameters of a query, read one by one. Faults are noted, so that there is a query whenever
/// no parameter has a fault.
#[derive(Debug)]
pub struct Parameters<'a> {
    query: &'a Query,
    faults: Vec<Fault>,
}

impl<'a> Parameters<'a> {
    /// Begins to read a query.
    #[must_use]
    pub fn of(query: &'a Query) -> Self {
        Self { query, faults: Vec::new() }
    }

    /// A parameter as it is.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.query.text(name)
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, kind: &'static str, name: &str, message: &str) {
        let input = self.given(name).map_or(Value::Null, Value::from);
        self.faults.push(Fault::new(kind, location(name), message).input(input));
    }

    /// Notes that a parameter breaks a rule.
    pub fn breaks(&mut self, name: &str, rule: &str) {
        let input = self.given(name).map_or(Value::Null, Value::from);
        self.faults.push(Fault::value_error(location(name), input, rule));
    }

    /// Notes that a parameter has a key in it, which is not sent back.
    pub fn misplaced(&mut self, name: &str) {
        self.faults.push(Fault::value_error(location(name), Value::Null, MISPLACED));
    }

    fn ok<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// A whole number in a range.
    pub fn integer(&mut self, name: &str, range: &RangeInclusive<u64>) -> Option<u64> {
        let text = self.given(name)?;
        self.ok(input::integer(text, &["query", name], range))
    }

    /// A text of so many characters.
    pub fn text(&mut self, name: &str, chars: RangeInclusive<usize>) -> Option<String> {
        let text = self.given(name)?;
        self.ok(input::string(text.into(), location(name), chars))
    }

    /// A text that has a form of its own.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.given(name)?;
        let error =
            |error: T::Err| Fault::value_error(location(name), text.into(), &error.to_string());
        self.ok(text.parse().map_err(error))
    }

    /// A time span of so many seconds; `rule` says so.
    pub fn span(&mut self, name: &str, seconds: &RangeInclusive<u64>, rule: &str) -> Option<u64> {
        let span = WholeSeconds::parse(self.given(name)?).map(WholeSeconds::seconds);
        let fits = span.ok().filter(|span| seconds.contains(span));
        if fits.is_none() {
            self.breaks(name, rule);
        }
        fits
    }

    /// One of these words.
    pub fn one_of(&mut self, name: &str, words: &[&'static str]) -> Option<&'a str> {
        let text = self.given(name)?;
        let known = words.contains(&text).then_some(text);
        self.ok(known.ok_or_else(|| Fault::not_one_of(location(name), text.into(), words)))
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// Returns 422 with all faults: the noted ones in their order, and then one for each parameter
    /// that is not among `names`.
    pub fn finish(mut self, names: &[&str]) -> Result<(), Rejection> {
        self.faults.extend(self.query.unknown(names));
        if self.faults.is_empty() { Ok(()) } else { Err(Rejection::unprocessable(self.faults)) }
    }
}

fn location(name: &str) -> Vec<Value> {
    vec!["query".into(), name.into()]
}

/// A value of a query.
pub trait Parameter: Sized {
    /// Reads the parameter. `None` if it is missing, or if it has a fault, which is noted.
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self>;
}

/// A switch: `true` or `false`.
impl Parameter for bool {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        match parameters.given(name)? {
            "false" => Some(false),
            "true" => Some(true),
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                parameters.fault("bool_parsing", name, message);
                None
            }
        }
    }
}

/// A text of any length.
impl Parameter for String {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        parameters.given(name).map(str::to_owned)
    }
}

/// Most items on a page: 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLen<const MAX: u32>(pub u32);

impl<const MAX: u32> Parameter for PageLen<MAX> {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        let length = parameters.integer(name, &(1..=MAX.into()))?;
        u32::try_from(length).ok().map(Self)
    }
}

/// A text of `MIN` to `MAX` characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chars<const MIN: usize, const MAX: usize>(pub String);

impl<const MIN: usize, const MAX: usize> Parameter for Chars<MIN, MAX> {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        parameters.text(name, MIN..=MAX).map(Self)
    }
}

/// A time span of 1 second to a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongSpan(pub Duration);

impl Parameter for LongSpan {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        let rule = "a time span is a whole number and a unit, like 30d, and at most 36525d";
        let span = parameters.span(name, &(1..=CENTURY_SECS), rule)?;
        Some(Self(Duration::from_secs(span)))
    }
}

/// Declares which parameters a query has: `query!(ListOwnersQuery { after, limit })`. Each may be
/// left out, and is read by its type.
#[macro_export]
macro_rules! query {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $name {
            /// The names of all parameters.
            pub const NAMES: &[&str] = &[$(stringify!($field)),*];

            /// Takes all parameters and notes their faults.
            #[must_use]
            pub fn take_from(parameters: &mut $crate::query::Parameters<'_>) -> Self {
                Self { $($field: $crate::query::Parameter::read(parameters, stringify!($field)),)* }
            }

            /// Reads a query.
            ///
            /// # Errors
            ///
            /// Returns 422 with every fault.
            pub fn read(query: Option<&str>) -> Result<Self, keyward_http::Rejection> {
                let query = keyward_http::input::Query::parse(query);
                let mut parameters = $crate::query::Parameters::of(&query);
                let read = Self::take_from(&mut parameters);
                parameters.finish(Self::NAMES)?;
                Ok(read)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use keyward::UnixMillis;

    use super::*;
    use crate::shapes::TimeText;

    #[test]
    fn times_are_from_1970_on() {
        let read = |text: &str| {
            let query = Query::parse(Some(text));
            let mut parameters = Parameters::of(&query);
            let time = TimeText::read(&mut parameters, "since");
            parameters.finish(&["since"]).map(|()| time).ok()
        };
        assert_eq!(read(""), Some(None));
        assert_eq!(read("since=1970-01-01T00:00:01Z"), Some(Some(TimeText(UnixMillis(1_000)))));
        for rejected in ["since=", "since=yesterday", "since=1969-12-31T23:59:59Z", "since=1"] {
            assert!(read(rejected).is_none(), "{rejected}");
        }
    }
}
