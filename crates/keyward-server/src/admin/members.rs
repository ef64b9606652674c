//! Reading the members of a body one by one, each with every fault that it has.
//!
//! A reader takes the place and the value of a member. What it finds wrong is noted with the
//! members, so that a reader's answer is there whenever the body as a whole is free of faults.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use keyward::UnixMillis;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use serde_json::{Value, json};

use keyward_api::duration::WholeSeconds;
use keyward_api::shapes::Time;

/// Where a value is: `["body", "scopes", 0]`.
pub(super) type Place = Vec<Value>;
/// What a value says, or everything that is wrong with it.
pub(super) type Read<T> = Result<T, Vec<Fault>>;

/// A member that must be there. `None` is a fault.
pub(super) fn required<T>(
    members: &mut Members,
    name: &str,
    read: impl FnOnce(Place, Value) -> Read<T>,
) -> Option<T> {
    let value = members.take_required(name)?;
    let read = read(members.place(name), value);
    noted(members, read)
}

/// A member that may be left out. `None` is that, or a fault.
pub(super) fn optional<T>(
    members: &mut Members,
    name: &str,
    read: impl FnOnce(Place, Value) -> Read<T>,
) -> Option<T> {
    let value = members.take(name)?;
    let read = read(members.place(name), value);
    noted(members, read)
}

/// A member that may be left out or `null`, which are two things. `None` is that it was left out,
/// or a fault.
pub(super) fn nullable<T>(
    members: &mut Members,
    name: &str,
    read: impl FnOnce(Place, Value) -> Read<T>,
) -> Option<Option<T>> {
    let value = members.take(name)?;
    if value.is_null() {
        return Some(None);
    }
    let read = read(members.place(name), value);
    noted(members, read).map(Some)
}

fn noted<T>(members: &mut Members, read: Read<T>) -> Option<T> {
    read.map_err(|faults| faults.into_iter().for_each(|fault| members.fault(fault))).ok()
}

/// A text of so many characters.
pub(super) fn text(place: Place, value: Value, chars: RangeInclusive<usize>) -> Read<String> {
    input::string(value, place, chars).map_err(|fault| vec![fault])
}

/// A text that has a form of its own.
pub(super) fn parsed<T: FromStr<Err: Display>>(place: Place, value: Value) -> Read<T> {
    let text = text(place.clone(), value, 0..=usize::MAX)?;
    let error =
        |error: T::Err| vec![Fault::value_error(place, text.clone().into(), &error.to_string())];
    text.parse().map_err(error)
}

/// A list of at most `max` items.
pub(super) fn list<T>(
    place: Place,
    value: Value,
    max: usize,
    read: impl Fn(Place, Value) -> Read<T>,
) -> Read<Vec<T>> {
    let list = match value {
        Value::Array(list) if list.len() <= max => list,
        Value::Array(list) => {
            let plural = if max == 1 { "" } else { "s" };
            let message = format!("List should have at most {max} item{plural} after validation");
            let fault = Fault::new("too_long", place, message).input(list);
            return Err(vec![fault.context(json!({ "max_length": max }))]);
        }
        other => {
            let fault = Fault::new("list_type", place, "Input should be a valid list");
            return Err(vec![fault.input(other)]);
        }
    };
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    for (at, value) in list.into_iter().enumerate() {
        let place = place.iter().cloned().chain([at.into()]).collect();
        match read(place, value) {
            Ok(item) => items.push(item),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(items) } else { Err(faults) }
}

/// A point in time.
pub(super) fn time(place: Place, value: Value) -> Read<UnixMillis> {
    let Value::String(text) = value else {
        let message = "Input should be a valid datetime";
        return Err(vec![Fault::new("datetime_type", place, message).input(value)]);
    };
    match Time::parse(&text) {
        Some(Time(at)) => Ok(at),
        None => Err(vec![Fault::new("datetime_parsing", place, Time::RULE).input(text)]),
    }
}

/// A time span of so many seconds; `rule` says so.
pub(super) fn span(
    place: Place,
    value: Value,
    seconds: &RangeInclusive<u64>,
    rule: &str,
) -> Read<u64> {
    let text = text(place.clone(), value, 0..=usize::MAX)?;
    let span = WholeSeconds::parse(&text).map(WholeSeconds::seconds);
    let fits = span.ok().filter(|span| seconds.contains(span));
    fits.ok_or_else(|| vec![Fault::value_error(place, text.into(), rule)])
}
