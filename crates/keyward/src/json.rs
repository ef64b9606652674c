//! JSON as it is read here, from any source: strictly, so that no two readers of one text see two
//! things.
//!
//! `serde_json` alone takes an object with a name twice and keeps the last value (RFC 8259, section
//! 4, leaves it open): of two restrictions, one is dropped in silence.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The mark that some programs put before a text. RFC 8259, section 8.1, lets a reader skip it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Longest name that an error repeats: a longer one may be a misplaced secret.
const NAME_LEN_MAX: usize = 24;

/// Reads a JSON text, a byte order mark before it aside.
///
/// ```
/// use keyward::json;
///
/// assert_eq!(json::from_slice::<Vec<u8>>(b"\xef\xbb\xbf[1]").unwrap(), [1]);
/// let twice = json::from_slice::<serde_json::Value>(br#"[{"a":{"b":1,"\u0062":2}}]"#);
/// let error = twice.unwrap_err().to_string();
/// assert_eq!(error, "the name `b` appears twice in one object at line 1 column 21");
/// ```
///
/// # Errors
///
/// Returns an error if the text is not JSON, does not fit `T`, or has an object in it, at any
/// depth, with a name twice. It repeats no value, and of names only plain words of at most 24
/// characters.
pub fn from_slice<'de, T: Deserialize<'de>>(text: &'de [u8]) -> serde_json::Result<T> {
    let text = without_mark(text);
    let Unique = serde_json::from_slice(text)?;
    serde_json::from_slice(text)
}

/// Reads a JSON text as [`from_slice`] does.
///
/// # Errors
///
/// As [`from_slice`].
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    from_slice(text.as_bytes())
}

/// The text without the byte order mark that may precede it.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// The first number of a JSON text that would come back as another one, because a double holds no
/// more than some 17 digits; `None` if all come back as the numbers that they are.
///
/// ```
/// use keyward::json::first_inexact_number;
///
/// assert_eq!(first_inexact_number(r#"{"n":18446744073709551615,"x":1.50e1}"#), None);
/// let large = r#"{"n":12345678901234567890123}"#;
/// assert_eq!(first_inexact_number(large), Some("12345678901234567890123"));
/// ```
#[must_use]
pub fn first_inexact_number(text: &str) -> Option<&str> {
    let (mut rest, mut is_string) = (text, false);
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || is_number_start(c)) {
        let (_, found) = rest.split_at(at);
        rest = match found.as_bytes() {
            [b'"', ..] => {
                is_string = !is_string;
                found.get(1..)?
            }
            [b'\\', escaped, ..] if is_string && escaped.is_ascii() => found.get(2..)?,
            _ if is_string => found.get(1..)?,
            _ => {
                let end = found.find(|c| !is_number_part(c)).unwrap_or(found.len());
                let (number, behind) = found.split_at(end);
                if !is_exact(number) {
                    return Some(number);
                }
                behind
            }
        };
    }
    None
}

fn is_number_start(c: char) -> bool {
    c == '-' || c.is_ascii_digit()
}

fn is_number_part(c: char) -> bool {
    matches!(c, '-' | '+' | '.' | 'e' | 'E') || c.is_ascii_digit()
}

fn is_exact(number: &str) -> bool {
    let read = serde_json::from_str::<serde_json::Number>(number);
    read.is_ok_and(|read| Decimal::of(number) == Decimal::of(&read.to_string()))
}

/// A number by its digits: `1.50e1` and `15` are the same.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// The power of ten by which the last of the digits counts; 0 for zero.
    power: i64,
}

impl Decimal {
    /// The number of a text in the form of JSON; `None` if its exponent is beyond all measure.
    fn of(text: &str) -> Option<Self> {
        let (text, is_negative) = match text.strip_prefix('-') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let trailing = all.len() - digits.len();
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, power: 0 });
        }
        let exponent: i64 = exponent.parse().ok()?;
        let shift = i64::try_from(trailing).ok()? - i64::try_from(fraction.len()).ok()?;
        Some(Self { is_negative, digits, power: exponent.checked_add(shift)? })
    }
}

/// A JSON text in which no object has a name twice. Only that is kept of it.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(Name(name)) = members.next_key()? {
            if names.contains(&name) {
                return Err(A::Error::custom(twice(&name)));
            }
            names.insert(name);
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

fn twice(name: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.len() <= NAME_LEN_MAX && name.bytes().all(is_plain) {
        format!("the name `{name}` appears twice in one object")
    } else {
        "a name appears twice in one object".to_owned()
    }
}

/// The name of a field, its escapes read; borrowed where there are none.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_name_stands_once_in_an_object_at_every_depth() {
        let check = |text: &str, fits| assert_eq!(from_str::<Value>(text).is_ok(), fits, "{text}");
        check(r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}],"A":1,"a ":1}"#, true);
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"{"a":{"b":[1,{"c":null,"c":null}]}}"#, false);
        check(r#"{"a":1,"\u0061":2}"#, false);
        check(r#"{"\u00e9":1,"é":2}"#, false);
        check(r#"{"":1,"":2}"#, false);
        check("[1,]", false);
        check("{} {}", false);
    }

    #[test]
    fn what_a_type_would_leave_out_is_looked_at_all_the_same() {
        use serde::de::IgnoredAny;
        from_str::<IgnoredAny>(r#"{"a":{"b":1,"b":2}}"#).unwrap_err();
        from_str::<()>(r#"{"a":1,"a":2}"#).unwrap_err();
    }

    #[test]
    fn an_error_repeats_no_name_that_may_be_a_secret() {
        let error = |name: &str| {
            let text = format!(r#"{{"{name}":1,"{name}":2}}"#);
            from_str::<Value>(&text).unwrap_err().to_string()
        };
        assert!(error("networks").starts_with("the name `networks` appears twice"));
        for name in ["kw_Secret", "0123456789abcdef0123456789abcdef", "a b"] {
            assert!(error(name).starts_with("a name appears twice in one object at"), "{name}");
        }
    }

    #[test]
    fn a_mark_stands_at_the_beginning_alone() {
        assert_eq!(from_slice::<Value>(b"\xef\xbb\xbf {}").unwrap(), serde_json::json!({}));
        from_slice::<Value>(b"\xef\xbb\xbf\xef\xbb\xbf{}").unwrap_err();
        from_slice::<Value>(b" \xef\xbb\xbf{}").unwrap_err();
    }

    #[test]
    fn numbers_come_back_or_are_found() {
        for exact in [
            "0",
            "-0",
            "0.0",
            "1.0",
            "1.10",
            "1e2",
            "1E+2",
            "100e-2",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "0.1",
            "1.7976931348623157e308",
            "5e-324",
            "1e22",
            "123456789012345680000",
            "0e999999999999999999999",
        ] {
            assert_eq!(first_inexact_number(exact), None, "{exact}");
        }
        for inexact in [
            "12345678901234567890123",
            "18446744073709551617",
            "0.1234567890123456789",
            "-1.00000000000000000001",
            "1e400",
            "1e-400",
            "2e-324",
        ] {
            assert_eq!(first_inexact_number(inexact), Some(inexact));
            let text = format!(r#"{{"a":[true,1,"\\",{inexact}]}}"#);
            assert_eq!(first_inexact_number(&text), Some(inexact));
        }
        assert_eq!(first_inexact_number(r#"{"12345678901234567890123":"\"1e400\\"}"#), None);
    }

    proptest! {
        #[test]
        fn every_double_comes_back(number in proptest::num::f64::NORMAL) {
            // Of two texts that are as short and as near, writers may take either.
            let text = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(first_inexact_number(&text), None);
        }

        #[test]
        fn any_text_is_searched_to_its_end(text in ".{0,40}") {
            let number = first_inexact_number(&text);
            prop_assert!(number.is_none_or(|number| text.contains(number)));
        }
    }
}
