//! Reading the query strings of admin routes, with every fault found at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use keyward::UnixMillis;
use keyward_axum::Refusal;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Query};
use serde_json::Value;

use keyward_api::duration::WholeSeconds;
use keyward_api::shapes::Time;

/// The parameters that a route has, read one by one.
///
/// What is wrong with one is noted, so that an answer is there whenever the query as a whole is
/// free of faults.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    query: &'a Query,
    known: &'static [&'static str],
    faults: Vec<Fault>,
}

impl<'a> Parameters<'a> {
    /// Begins to read a query of a route that has these parameters.
    pub(super) fn new(query: &'a Query, known: &'static [&'static str]) -> Self {
        Self { query, known, faults: Vec::new() }
    }

    /// A parameter as it is.
    pub(super) fn given(&self, name: &'static str) -> Option<&'a str> {
        self.query.text(name)
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Notes that a parameter breaks a rule.
    pub(super) fn broken_rule(&mut self, name: &'static str, rule: &str) {
        let input = self.given(name).map_or(Value::Null, Value::from);
        self.fault(Fault::value_error(place(name), input, rule));
    }

    fn ok<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// A whole number in a range.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.given(name)?;
        self.ok(input::integer(text, &["query", name], range))
    }

    /// A text of so many characters.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = self.given(name)?;
        self.ok(input::string(text.into(), place(name), chars))
    }

    /// A text that has a form of its own.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.given(name)?;
        let error =
            |error: T::Err| Fault::value_error(place(name), text.into(), &error.to_string());
        self.ok(text.parse().map_err(error))
    }

    /// A point in time.
    pub(super) fn time(&mut self, name: &'static str) -> Option<UnixMillis> {
        let read = time(self.query, name);
        self.ok(read).flatten()
    }

    /// A time span of so many seconds; `rule` says so.
    pub(super) fn span(
        &mut self,
        name: &'static str,
        seconds: &RangeInclusive<u64>,
        rule: &str,
    ) -> Option<u64> {
        let span = WholeSeconds::parse(self.given(name)?).map(WholeSeconds::seconds);
        let fits = span.ok().filter(|span| seconds.contains(span));
        if fits.is_none() {
            self.broken_rule(name, rule);
        }
        fits
    }

    /// One of these words.
    pub(super) fn one_of(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'a str> {
        let text = self.given(name)?;
        let known = words.contains(&text).then_some(text);
        self.ok(known.ok_or_else(|| Fault::not_one_of(place(name), text.into(), words)))
    }

    /// Whether a parameter is `true`. It is not where it is left out.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        match self.given(name) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                let message = "Input should be a valid boolean, unable to interpret input";
                self.fault(Fault::new("bool_parsing", place(name), message).input(other));
                false
            }
        }
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// Returns the 422 with all faults: those noted, in their order, and then one for each
    /// parameter that the route does not have.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        self.faults.extend(self.query.unknown(self.known));
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::unprocessable(self.faults)) }
    }
}

fn place(name: &str) -> Vec<Value> {
    vec!["query".into(), name.into()]
}

/// A parameter that is a time in RFC 3339, from 1970 on, if it is there.
///
/// # Errors
///
/// Returns the fault if it is none.
pub(super) fn time(query: &Query, name: &'static str) -> Result<Option<UnixMillis>, Fault> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let fault = || Fault::new("datetime_parsing", place(name), Time::RULE).input(text);
    Time::parse(text).map(|Time(at)| Some(at)).ok_or_else(fault)
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
