//! Whole numbers, as people type them.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The id of a key.
pub(crate) fn id(text: &str) -> Result<u64, String> {
    whole(text).ok_or_else(|| "an id is a whole number, such as 7".to_owned())
}

/// The version of a key.
pub(crate) fn version(text: &str) -> Result<u64, String> {
    whole(text).ok_or_else(|| "a version is a whole number, as `key show` tells it".to_owned())
}

/// How many of something, at least one.
pub(crate) fn count(text: &str) -> Result<NonZeroU32, String> {
    whole(text).ok_or_else(|| format!("write a whole number from 1 to {}", u32::MAX))
}

/// How many of the keys with the most requests to name.
pub(crate) fn top(text: &str) -> Result<u32, String> {
    const TOP: RangeInclusive<u32> = 1..=100;
    let found = whole(text).filter(|count| TOP.contains(count));
    found.ok_or_else(|| format!("write a whole number from {} to {}", TOP.start(), TOP.end()))
}

/// A number without a sign.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_with_what_would_be_one() {
        for text in ["", "x", "-1", "+1", "1.0", "18446744073709551616"] {
            assert_eq!(id(text).unwrap_err(), "an id is a whole number, such as 7");
            assert!(version(text).unwrap_err().starts_with("a version is a whole number"));
            assert_eq!(count(text).unwrap_err(), "write a whole number from 1 to 4294967295");
            assert_eq!(top(text).unwrap_err(), "write a whole number from 1 to 100");
        }
        assert_eq!((id("7"), version("0"), top("100")), (Ok(7), Ok(0), Ok(100)));
        assert_eq!(count("1"), Ok(NonZeroU32::MIN));
        assert!(count("0").is_err() && top("0").is_err() && top("101").is_err());
    }
}
