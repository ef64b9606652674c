//! Reading the bodies of requests: each field by its type, and every fault found at once.
//!
//! A body is a struct, and [`body!`](crate::body!) names its fields. How each is read, and where a
//! fault is, follows from its type and its name.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use keyward::Now;
use keyward::json;
use keyward::scan::holds_key;
use keyward::tier::TierName;
use keyward_http::Rejection;
use keyward_http::fault::Fault;
use keyward_http::input;
use serde_json::{Map, Value, json};

use crate::MISPLACED;
use crate::query::Chars;

/// Where a value is: `["body", "scopes", 0]`.
pub type Location = Vec<Value>;
/// The value that was read, or all of its faults.
pub type Read<T> = Result<T, Vec<Fault>>;

/// The facts that reading a body needs in addition to its text.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The existing tiers.
    pub tiers: &'a [TierName],
    /// The time.
    pub now: Now,
}

/// The location of a value in a body that is being read.
#[derive(Clone, Debug)]
pub struct At<'a> {
    location: Location,
    body: &'a [u8],
    known: Known<'a>,
}

impl<'a> At<'a> {
    /// The beginning of a body.
    #[must_use]
    pub fn body(body: &'a [u8], known: Known<'a>) -> Self {
        Self { location: vec!["body".into()], body, known }
    }

    /// A value inside of this one: a field, or an item of a list.
    #[must_use]
    pub fn inside(&self, step: impl Into<Value>) -> Self {
        let mut inside = self.clone();
        inside.location.push(step.into());
        inside
    }

    /// The location, as a fault has it.
    #[must_use]
    pub fn location(&self) -> Location {
        self.location.clone()
    }

    /// The whole body, as it was sent.
    #[must_use]
    pub fn whole(&self) -> &'a [u8] {
        self.body
    }

    /// The facts that are known in addition to the body.
    #[must_use]
    pub fn known(&self) -> Known<'a> {
        self.known
    }

    /// The fault that this value breaks a rule.
    #[must_use]
    pub fn breaks(&self, rule: &dyn Display, value: Value) -> Vec<Fault> {
        vec![Fault::value_error(self.location(), value, &rule.to_string())]
    }

    /// A fault of another kind.
    #[must_use]
    pub fn fault(&self, kind: &'static str, message: &str, value: Value) -> Vec<Fault> {
        vec![Fault::new(kind, self.location(), message).input(value)]
    }
}

/// A value of a body.
pub trait Field: Sized {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// Returns all faults of the value.
    fn read(at: &At<'_>, value: Value) -> Read<Self>;

    /// The value if the field is left out; `None` if the field is required.
    #[must_use]
    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        None
    }
}

/// A field that may be `null` or left out, which is the same.
impl<T: Field> Field for Option<T> {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        if value.is_null() { Ok(None) } else { T::read(at, value).map(Some) }
    }

    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        Some(Ok(None))
    }
}

/// A field that may be left out, which differs from `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

impl<T: Field> Field for Given<T> {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        T::read(at, value).map(Some).map(Self)
    }

    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        Some(Ok(Self(None)))
    }
}

/// A text of so many characters.
///
/// # Errors
///
/// Returns the fault if it is not such a text.
pub fn text(at: &At<'_>, value: Value, chars: RangeInclusive<usize>) -> Read<String> {
    input::string(value, at.location(), chars).map_err(|fault| vec![fault])
}

impl<const MIN: usize, const MAX: usize> Field for Chars<MIN, MAX> {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        text(at, value, MIN..=MAX).map(Self)
    }
}

/// A text that has a form of its own.
///
/// # Errors
///
/// Returns the fault if it is not such a text.
pub fn parsed<T: FromStr<Err: Display>>(at: &At<'_>, value: Value) -> Read<T> {
    let text = text(at, value, 0..=usize::MAX)?;
    text.parse().map_err(|error| at.breaks(&error, text.into()))
}

/// A list of at most `max` items.
///
/// # Errors
///
/// Returns the faults of its items, or the fault that it is too long or not a list.
pub fn list<T: Field>(at: &At<'_>, value: Value, max: usize) -> Read<Vec<T>> {
    let list = match value {
        Value::Array(list) if list.len() <= max => list,
        Value::Array(list) => {
            let plural = if max == 1 { "" } else { "s" };
            let message = format!("List should have at most {max} item{plural} after validation");
            let fault = Fault::new("too_long", at.location(), message).input(list);
            return Err(vec![fault.context(json!({ "max_length": max }))]);
        }
        other => return Err(at.fault("list_type", "Input should be a valid list", other)),
    };
    items(at, list)
}

/// The items of a list.
///
/// # Errors
///
/// Returns the faults of all of them.
pub fn items<T: Field>(at: &At<'_>, list: Vec<Value>) -> Read<Vec<T>> {
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    for (index, value) in list.into_iter().enumerate() {
        match T::read(&at.inside(index), value) {
            Ok(item) => items.push(item),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(items) } else { Err(faults) }
}

/// The fields of an object, read one by one. Faults are noted, so that there is a body whenever no
/// field has a fault.
#[derive(Debug)]
pub struct Fields<'a> {
    at: At<'a>,
    given: input::Fields,
    /// The fields that have a fault.
    faulty: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Begins to read an object.
    #[must_use]
    pub fn of(at: At<'a>, object: Map<String, Value>) -> Self {
        Self { given: input::Fields::new(at.location(), object), at, faulty: Vec::new() }
    }

    /// Takes a field. `None` is a fault.
    pub fn take<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let at = self.at.inside(name);
        let read = match self.given.take(name) {
            Some(value) => T::read(&at, value),
            None => match T::left_out(&at) {
                Some(left_out) => left_out,
                None => {
                    self.given.take_required(name);
                    return None;
                }
            },
        };
        match read {
            Ok(read) => Some(read),
            Err(faults) => {
                self.faulty.push(name);
                faults.into_iter().for_each(|fault| self.given.fault(fault));
                None
            }
        }
    }

    /// Notes that two fields are given that exclude each other.
    fn note_both(&mut self, [first, second]: [&'static str; 2]) {
        let value_of = |name| self.given.whole().get(name).filter(|_| !self.faulty.contains(&name));
        if let (Some(_), Some(value)) = (value_of(first), value_of(second)) {
            let rule = format!("{first} and {second} exclude each other");
            let value = value.clone();
            let faults = self.at.inside(second).breaks(&rule, value);
            faults.into_iter().for_each(|fault| self.given.fault(fault));
        }
    }

    /// Notes each field that has a key in its value or its name, whether the field is known or not.
    fn note_keys(&mut self) {
        let mut faults = Vec::new();
        for (name, value) in self.given.whole() {
            // JSON escapes none of the characters of a key, and an escaped character does not
            // extend one.
            if holds_key(name) || holds_key(&value.to_string()) {
                let location = self.at.inside(name.as_str()).location();
                faults.push(Fault::value_error(location, Value::Null, MISPLACED));
            }
        }
        faults.into_iter().for_each(|fault| self.given.fault(fault));
    }

    /// All faults: the noted ones in their order, and then one for each unknown field.
    #[must_use]
    pub fn finish(self) -> Vec<Fault> {
        self.given.finish()
    }
}

/// The body of a request.
pub trait RequestBody: Sized {
    /// Whether its texts are stored, so that they must not contain a key.
    const IS_KEPT: bool = false;
    /// Whether no body at all counts as `{}`.
    const MAY_BE_EMPTY: bool = false;
    /// Two fields of which at most one may be given, even as `null`.
    const EXCLUSIVE: Option<[&'static str; 2]> = None;

    /// Takes all fields; `None` if one has a fault.
    fn take_from(fields: &mut Fields<'_>) -> Option<Self>;

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// Returns 422 with all faults: those of the fields, in their order, and then one for each
    /// field that the body does not have.
    fn read(body: &[u8], known: Known<'_>) -> Result<Self, Rejection> {
        let is_empty = || json::without_mark(body).iter().all(u8::is_ascii_whitespace);
        let body: &[u8] = if Self::MAY_BE_EMPTY && is_empty() { b"{}" } else { body };
        let object = input::json_object(body)?;
        let mut fields = Fields::of(At::body(body, known), object);
        if Self::IS_KEPT {
            fields.note_keys();
        }
        let read = Self::take_from(&mut fields);
        if let Some(both) = Self::EXCLUSIVE {
            fields.note_both(both);
        }
        let faults = fields.finish();
        match read {
            Some(read) if faults.is_empty() => Ok(read),
            Some(_) | None => Err(Rejection::unprocessable(faults)),
        }
    }
}

/// Declares which fields a body reads: `body!(PutTierBody { limits })`. Each is read by its type.
///
/// `body!(PutTierBody as PutTierDraft { limits })` also declares the body as a client sends it: the
/// fields that are given, in any form, since the rules are those of the server.
#[macro_export]
macro_rules! body {
    ($name:ident as $draft:ident { $($field:ident),* $(,)? } $($const:tt)*) => {
        $crate::body!($name { $($field),* } $($const)*);

        #[doc = concat!("A [`", stringify!($name), "`] as a client sends it.")]
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        pub struct $draft {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<serde_json::Value>,
            )*
        }

        impl $draft {
            /// The names of all fields.
            pub const NAMES: &[&str] = &[$(stringify!($field)),*];
        }
    };
    ($name:ident { $($field:ident),* $(,)? } $($const:ident: $type:ty = $value:expr),*) => {
        impl $crate::body::RequestBody for $name {
            $(const $const: $type = $value;)*

            fn take_from(fields: &mut $crate::body::Fields<'_>) -> Option<Self> {
                $(let $field = fields.take(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
