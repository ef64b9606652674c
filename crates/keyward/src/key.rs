//! The text of a key: making it, recognising it, and keeping it out of sight.
//!
//! This module knows nothing about hashing, names or storage.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

/// Fewest characters that any presented key has, ours or imported.
pub const TEXT_LEN_MIN: usize = 8;
/// Most characters that any presented key has, ours or imported.
pub const TEXT_LEN_MAX: usize = 512;
/// Most characters of a prefix.
pub const PREFIX_LEN_MAX: usize = 24;

/// Base-62 digits that hold 256 bits, as 62^43 is just above 2^256.
pub(crate) const BODY_LEN: usize = 43;
/// Base-62 digits that hold 32 bits.
const CHECKSUM_LEN: usize = 6;
/// Digits of a key, body and checksum: all that follows its prefix and an underscore.
pub(crate) const DIGITS_LEN: usize = BODY_LEN + CHECKSUM_LEN;
/// Digits of the body that a hint shows: 24 of its 256 bits, so that 232 stay unknown.
pub(crate) const HINT_DIGITS: usize = 4;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The prefix before the first secret character, which tells a person and a scanner whose key it
/// is.
///
/// `[a-z][a-z0-9]*(_[a-z0-9]+)*`, at most [`PREFIX_LEN_MAX`] characters.
///
/// ```
/// use keyward::key::Prefix;
///
/// assert!("acme_live".parse::<Prefix>().is_ok());
/// assert!("Acme-Live".parse::<Prefix>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix of the key whose hint this is, if it was made here.
    #[must_use]
    pub fn of_hint(hint: &str) -> Option<Self> {
        let (rest, digits) = hint.split_at_checked(hint.len().checked_sub(HINT_DIGITS)?)?;
        let digits_only = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        rest.strip_suffix('_').filter(|_| digits_only)?.parse().ok()
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    /// `kw`.
    fn default() -> Self {
        Self("kw".to_owned())
    }
}

/// The error of a text that cannot be a prefix.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "a prefix has 1 to 24 characters: words of a-z and 0-9 joined by single underscores, \
     beginning with a letter"
)]
pub struct ParsePrefixError;

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word_fits = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let begins_with_letter = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if PREFIX_LEN_MAX < text.len() || !begins_with_letter || !text.split('_').all(word_fits) {
            return Err(ParsePrefixError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The text that authenticates a caller, between being made and being shown for the only time.
///
/// It has no `Display` and no `Clone`, its `Debug` is masked, and its memory is wiped when it is
/// dropped. [`Secret::expose`] is the only way to the text, so a search for that word finds all
/// code that handles one.
///
/// ```
/// use keyward::key::{Prefix, Secret};
///
/// let secret = Secret::generate(&Prefix::default())?;
/// assert_eq!(secret.expose().len(), 52);
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// # Ok::<(), keyward::key::RandomError>(())
/// ```
pub struct Secret(Zeroizing<String>);

/// The operating system gave no randomness, so that no secret can be made.
#[derive(Debug, Error)]
#[error("the operating system gave no randomness")]
pub struct RandomError(#[from] getrandom::Error);

impl Secret {
    /// Makes a secret from 256 bits of the operating system's randomness.
    ///
    /// No other source can be passed in: a seeded or cloned one would repeat itself.
    ///
    /// ```
    /// use keyward::key::{Prefix, Secret};
    ///
    /// let secret = Secret::generate(&"acme_live".parse()?)?;
    /// assert!(secret.expose().starts_with("acme_live_"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`RandomError`] if the operating system fails; then nothing was made.
    pub fn generate(prefix: &Prefix) -> Result<Self, RandomError> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut())?;
        Ok(Self::from_random(prefix, &random))
    }

    fn from_random(prefix: &Prefix, random: &[u8; 32]) -> Self {
        let mut body = Zeroizing::new([b'0'; BODY_LEN]);
        write_base62(random, &mut body);
        let checksum = checksum(body.as_ref());
        // Reserved whole, since growing would leave a copy that is not wiped.
        let mut text = Zeroizing::new(String::with_capacity(prefix.0.len() + 1 + DIGITS_LEN));
        text.push_str(&prefix.0);
        text.push('_');
        text.extend(body.iter().copied().map(char::from));
        text.extend(checksum.map(char::from));
        Self(text)
    }

    /// The text itself. It belongs in the response that issues the key, and nowhere else.
    ///
    /// ```
    /// use keyward::key::{Prefix, Secret};
    ///
    /// let secret = Secret::generate(&Prefix::default())?;
    /// // The only way to the text.
    /// assert!(secret.expose().starts_with("kw_"));
    /// # Ok::<(), keyward::key::RandomError>(())
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first characters, by which people recognise the key: the prefix and four digits.
    #[must_use]
    pub fn hint(&self) -> String {
        let shown = self.0.len() - DIGITS_LEN + HINT_DIGITS;
        self.0.chars().take(shown).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text that a caller presented as a key.
///
/// Holding one proves 8 to 512 visible ASCII characters (`!` to `~`). It does not prove that such
/// a key was ever issued; that is the index's business. Any such text is looked up, whether or not
/// it has our form, because imported keys have forms of their own.
///
/// ```
/// use keyward::key::Presented;
///
/// assert!(Presented::parse("sk-0123456789abcdef").is_ok());
/// assert!(Presented::parse("two words").is_err());
/// ```
#[derive(Clone, Copy)]
pub struct Presented<'a>(&'a str);

/// The error of a text that cannot be a key; it never contains the text.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a key has 8 to 512 visible ASCII characters")]
pub struct ParsePresentedError;

impl<'a> Presented<'a> {
    /// Accepts any text that could be a key.
    ///
    /// # Errors
    ///
    /// Returns [`ParsePresentedError`] if the text is too short, too long, or holds anything but
    /// visible ASCII.
    pub fn parse(text: &'a str) -> Result<Self, ParsePresentedError> {
        if !(TEXT_LEN_MIN..=TEXT_LEN_MAX).contains(&text.len()) {
            return Err(ParsePresentedError);
        }
        // Looks at every byte, even after a bad one: without a way out, the compiler looks at many
        // of them at a time, which takes a tenth of the time.
        if !text.bytes().fold(true, |all, b| all & b.is_ascii_graphic()) {
            return Err(ParsePresentedError);
        }
        Ok(Self(text))
    }

    /// The text itself, to be hashed.
    pub(crate) fn expose(self) -> &'a str {
        self.0
    }

    /// The prefix, if the text has the form of a key made here and its checksum is right.
    ///
    /// This is for scanners and against typing errors. It is no defence: an attacker can make a
    /// text that passes.
    ///
    /// ```
    /// use keyward::key::{Prefix, Presented, Secret};
    ///
    /// let secret = Secret::generate(&Prefix::default())?;
    /// assert_eq!(Presented::parse(secret.expose())?.prefix(), Some(Prefix::default()));
    ///
    /// let mistyped = secret.expose().replace("kw_", "kw_0");
    /// assert_eq!(Presented::parse(&mistyped)?.prefix(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prefix(self) -> Option<Prefix> {
        // From the right, since a prefix may hold underscores. The text is ASCII, so any
        // position is a character boundary.
        let (prefix, digits) = self.0.split_at_checked(self.0.len().checked_sub(DIGITS_LEN)?)?;
        let prefix = prefix.strip_suffix('_')?.parse().ok()?;
        let digits_only = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        (digits_only && ends_in_checksum(digits.as_bytes())).then_some(prefix)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(…)")
    }
}

/// Whether the digits of a key end in the checksum of those before.
pub(crate) fn ends_in_checksum(digits: &[u8]) -> bool {
    digits.split_last_chunk().is_some_and(|(body, sum)| *sum == checksum(body))
}

/// CRC-32 (IEEE) of the digits, as six base-62 digits: the way GitHub and npm do it.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(body);
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(rest % 62);
        rest /= 62;
    }
    digits
}

/// Writes the number that `bytes` spell, most significant first, as 43 base-62 digits, to where
/// they are wiped: an array that is returned leaves a copy.
fn write_base62(bytes: &[u8; 32], digits: &mut [u8; BODY_LEN]) {
    let mut limbs = Zeroizing::new([0_u32; 8]);
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(4)) {
        *limb = chunk.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    }
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(divide_by_62(&mut limbs));
    }
}

/// Divides the number in place and returns the remainder.
fn divide_by_62(limbs: &mut [u32; 8]) -> u32 {
    let mut remainder = 0;
    for limb in limbs {
        let part = u64::from(remainder) << 32 | u64::from(*limb);
        *limb = u32::try_from(part / 62).expect("the remainder is below 62, so this fits");
        remainder = u32::try_from(part % 62).expect("a remainder of 62 fits");
    }
    remainder
}

fn digit_of(value: u32) -> u8 {
    DIGITS.get(value as usize).copied().expect("callers pass a remainder of 62")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_checksum_is_the_one_github_publishes() {
        assert_eq!(&checksum(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"), b"0mLq17");
    }

    #[test]
    fn golden_texts_stay_as_they_are() {
        // Keys in the field were made by this rule: changing an expectation orphans scanners.
        let text = |random| Secret::from_random(&prefix("kw"), &random).expose().to_owned();
        assert_eq!(text([0; 32]), "kw_00000000000000000000000000000000000000000002CZclj");
        assert_eq!(text([255; 32]), "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1");
    }

    #[test]
    fn a_million_keys_are_unique() {
        let prefix = Prefix::default();
        let made = (0..1_000_000).map(|_| Secret::generate(&prefix).unwrap().expose().to_owned());
        assert_eq!(made.collect::<HashSet<_>>().len(), 1_000_000);
    }

    #[test]
    fn prefixes_are_words_joined_by_underscores() {
        let check = |text: &str, fits| assert_eq!(text.parse::<Prefix>().is_ok(), fits, "{text}");
        check("kw", true);
        check("acme_live_2", true);
        check(&"a".repeat(24), true);
        check(&"a".repeat(25), false);
        check("", false);
        check("2kw", false);
        check("_kw", false);
        check("kw_", false);
        check("k__w", false);
        check("Kw", false);
        check("k-w", false);
        check("kü", false);
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        let fits = |len| Presented::parse(&"x".repeat(len)).is_ok();
        assert!(!fits(7) && fits(8));
        assert!(fits(512) && !fits(513));
    }

    #[test]
    fn a_hint_shows_the_prefix_and_four_digits() {
        assert_eq!(Secret::from_random(&prefix("a_b"), &[255; 32]).hint(), "a_b_yhjs");
    }

    #[test]
    fn nothing_formats_a_secret() {
        let secret = Secret::generate(&Prefix::default()).unwrap();
        let presented = Presented::parse(secret.expose()).unwrap();
        let shown = format!("{secret:?} {presented:?}");
        assert_eq!(shown, "Secret(…) Presented(…)");
    }

    proptest! {
        #[test]
        fn what_is_made_is_recognised(
            random: [u8; 32],
            name in "[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,4}){0,2}",
        ) {
            let secret = Secret::from_random(&prefix(&name), &random);
            let presented = Presented::parse(secret.expose()).unwrap();
            prop_assert_eq!(presented.prefix(), Some(prefix(&name)));
        }

        #[test]
        fn one_wrong_digit_is_noticed(random: [u8; 32], at in 3_usize..52, digit in 0_u32..62) {
            let text = Secret::from_random(&prefix("kw"), &random).expose().to_owned();
            let mut bytes = text.clone().into_bytes();
            bytes[at] = digit_of(digit);
            let changed = String::from_utf8(bytes).unwrap();
            prop_assume!(changed != text);
            prop_assert_eq!(Presented::parse(&changed).unwrap().prefix(), None);
        }

        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            if let Ok(presented) = Presented::parse(&text) {
                drop(presented.prefix());
            }
        }

        #[test]
        fn parsing_never_panics_on_near_misses(text in "[a-z_]{0,5}_?[0-9A-Za-z_é]{0,60}") {
            if let Ok(presented) = Presented::parse(&text) {
                drop(presented.prefix());
            }
        }
    }
}
