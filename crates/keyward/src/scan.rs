//! Finding our keys in bytes of any kind: source text, logs, histories, binary files; as they are
//! or encoded.
//!
//! A key is known by its form and its checksum, so that a scan needs no list of keys. This module
//! reads no files; it is given bytes, whole or chunk by chunk.

mod pieces;
mod search;
mod texts;

use std::ops::Range;

use crate::digest::Digest;
use crate::key::{DIGITS_LEN, HINT_DIGITS, PREFIX_LEN_MAX, Prefix, Presented, ends_in_checksum};

use pieces::{Located, Ranged, search_all};

pub use search::Search;
pub use texts::{KeyText, hide_keys, holds_key, key_texts};

/// Bytes before the last underscore of a key that decide how it is read: the longest prefix, and
/// the longest escape sequence before it, which is that of a colour on a terminal.
const CONTEXT_LEN: usize = PREFIX_LEN_MAX + 24;

/// What to look for: keys with any prefix, or with some.
///
/// ```
/// use keyward::key::{Prefix, Secret};
/// use keyward::scan::Finder;
///
/// let secret = Secret::generate(&Prefix::default())?;
/// let text = format!("curl -H 'Authorization: Bearer {}'", secret.expose());
/// let found: Vec<_> = Finder::default().find(text.as_bytes()).collect();
/// assert_eq!(found[0].likeliest.hint, secret.hint());
///
/// let other = Finder::of_prefixes(["acme".parse()?]);
/// assert_eq!(other.find(text.as_bytes()).count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Finder {
    /// Empty means any.
    prefixes: Vec<Prefix>,
}

/// A key that was found. Its text is nowhere in here.
///
/// Where a key begins is not always certain: `\nkw_…` may be a line break and a key with the prefix
/// `kw`, or a backslash and one with the prefix `nkw`. Each way to read it has another digest, so a
/// look-up of a key should try all of them.
///
/// ```
/// use keyward::scan::Finder;
///
/// let log = b"GET /?key=kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1 200";
/// let found: Vec<_> = Finder::default().find(log).collect();
/// assert_eq!((found[0].likeliest.range.start, found[0].readings().count()), (10, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How a person would read it.
    pub likeliest: Reading,
    /// The other ways to read it, at most 23.
    pub others: Vec<Reading>,
}

/// One way to read a key that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The first byte of the key and the one after it, counted from the beginning of everything.
    pub range: Range<u64>,
    /// Its prefix and four digits, as lists of keys show it.
    pub hint: String,
    /// By which a store knows it.
    pub digest: Digest,
}

impl Found {
    /// Every way to read it, the likeliest first.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        std::iter::once(&self.likeliest).chain(&self.others)
    }
}

impl Finder {
    /// Looks for keys with these prefixes alone; without any, for keys with any prefix.
    ///
    /// A key is found even if letters before it would make it another prefix: with the prefix `kw`,
    /// `xkw_…` is reported.
    ///
    /// ```
    /// use keyward::scan::Finder;
    ///
    /// let key = b"kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
    /// assert_eq!(Finder::of_prefixes(["kw".parse()?]).find(key).count(), 1);
    /// assert_eq!(Finder::of_prefixes(["acme".parse()?]).find(key).count(), 0);
    /// # Ok::<(), keyward::key::ParsePrefixError>(())
    /// ```
    #[must_use]
    pub fn of_prefixes(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        Self { prefixes: prefixes.into_iter().collect() }
    }

    /// Every key in these bytes, in their order.
    ///
    /// A key has 49 base-62 digits between an underscore and anything but a digit, a right checksum
    /// and, before the underscore, a prefix. Fifty digits are no key.
    ///
    /// ```
    /// use keyward::scan::Finder;
    ///
    /// let key = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
    /// assert_eq!(Finder::default().find(key.as_bytes()).count(), 1);
    /// // One more digit, and it is no key.
    /// assert_eq!(Finder::default().find(format!("{key}0").as_bytes()).count(), 0);
    /// ```
    pub fn find(&self, bytes: &[u8]) -> impl Iterator<Item = Found> {
        runs(bytes).filter_map(move |digits| self.read(bytes, digits))
    }

    /// Every key in these bytes, in their order, encoded ones included: base64, on one line or
    /// many; percent-encoding; UTF-16; quoted-printable; escape sequences of JSON and of shells;
    /// the colours of a terminal; and up to three of these in each other.
    ///
    /// The range of an encoded key is that of its encoded text.
    ///
    /// ```
    /// use keyward::scan::Finder;
    ///
    /// let text =
    ///     b"Basic dTprd195aGpza3dkQTZPWjFBTDFZbUhXWldtOExMRzdIam51Q0EyajVyT3c4WHAxM3NSemwx";
    /// let found = Finder::default().find_all(text);
    /// assert_eq!(found[0].likeliest.hint, "kw_yhjs");
    /// ```
    #[must_use]
    pub fn find_all(&self, bytes: &[u8]) -> Vec<Found> {
        self.locate(bytes).into_iter().map(|one| one.found).collect()
    }

    fn locate(&self, bytes: &[u8]) -> Vec<Located<Found>> {
        search_all(bytes, &|bytes| self.find(bytes).collect())
    }

    /// The key with these digits, if they are those of one.
    ///
    /// Never inlined: it is needed once in a blue moon, and would crowd the loop that leads here.
    #[inline(never)]
    fn read(&self, bytes: &[u8], digits: Range<usize>) -> Option<Found> {
        if !ends_in_checksum(bytes.get(digits.clone())?) {
            return None;
        }
        let underscore = digits.start.checked_sub(1)?;
        let floor = underscore.saturating_sub(CONTEXT_LEN);
        let first = underscore.saturating_sub(PREFIX_LEN_MAX);
        let mut readings: Vec<_> = (first..underscore)
            .filter_map(|start| {
                let reading = self.read_from(bytes, start..digits.end)?;
                Some((likelihood(bytes.get(floor..start)?), reading))
            })
            .collect();
        // Stable, so that of equally likely readings the longest comes first.
        readings.sort_by_key(|(likelihood, _)| std::cmp::Reverse(*likelihood));
        let mut readings = readings.into_iter().map(|(_, reading)| reading);
        let likeliest = readings.next()?;
        Some(Found { likeliest, others: readings.collect() })
    }

    fn read_from(&self, bytes: &[u8], range: Range<usize>) -> Option<Reading> {
        let text = str::from_utf8(bytes.get(range.clone())?).ok()?;
        let prefix: Prefix = text.get(..text.len() - DIGITS_LEN - 1)?.parse().ok()?;
        if !self.prefixes.is_empty() && !self.prefixes.contains(&prefix) {
            return None;
        }
        let hint = text.get(..text.len() - DIGITS_LEN + HINT_DIGITS)?.to_owned();
        let digest = Digest::of(Presented::parse(text).ok()?);
        Some(Reading { range: range.start as u64..range.end as u64, hint, digest })
    }
}

impl Ranged for Found {
    fn range(&self) -> Range<usize> {
        self.likeliest.place()
    }

    fn moved(self, place: &dyn Fn(Range<usize>) -> Option<Range<usize>>) -> Option<Self> {
        let moved = |reading: Reading| {
            let range = place(reading.place())?;
            Some(Reading { range: range.start as u64..range.end as u64, ..reading })
        };
        let others = self.others.into_iter().filter_map(moved).collect();
        Some(Self { likeliest: moved(self.likeliest)?, others })
    }
}

impl Reading {
    fn place(&self) -> Range<usize> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        place(self.range.start)..place(self.range.end)
    }
}

/// How likely a key begins after these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    /// Inside a word.
    Poor,
    /// Where a word begins.
    Fair,
    /// After an escape sequence, whose letters would otherwise look like the prefix.
    Good,
}

fn likelihood(before: &[u8]) -> Likelihood {
    if ends_in_escape(before) {
        Likelihood::Good
    } else if before.last().is_some_and(u8::is_ascii_alphanumeric) {
        Likelihood::Poor
    } else {
        Likelihood::Fair
    }
}

/// Whether these bytes end in `\n` and the like, `\u0022`, `\x22`, `%3d` or a colour of a terminal.
fn ends_in_escape(before: &[u8]) -> bool {
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    match before {
        [.., b'\\', b'a' | b'b' | b'e' | b'f' | b'n' | b'r' | b't' | b'v' | b'0'] => true,
        [.., b'\\', b'x', a, b] | [.., b'%', a, b] => is_hex(&[*a, *b]),
        [.., b'\\', b'u', a, b, c, d] => is_hex(&[*a, *b, *c, *d]),
        [rest @ .., b'm'] => {
            let is_parameter = |b: &u8| b.is_ascii_digit() || *b == b';';
            let len = rest.iter().rev().take_while(|b| is_parameter(b)).count();
            rest.get(..rest.len() - len).is_some_and(|rest| rest.ends_with(b"\x1b["))
        }
        _ => false,
    }
}

/// Every run of exactly 49 digits after an underscore.
///
/// Each byte is looked at once at most, and most are not: bytes between two offsets where such a
/// run could end are skipped, as Boyer and Moore do it.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    // No run begins before this, and none at 0, for it needs an underscore before it.
    let mut start = 1;
    // The bytes between `start` and this are digits.
    let mut known = start;
    std::iter::from_fn(move || {
        loop {
            let end = start + DIGITS_LEN;
            let unknown = bytes.get(known..end)?;
            match unknown.iter().rposition(|b| !is_digit(*b)) {
                Some(at) if unknown.get(at) == Some(&b'_') => {
                    start = known + at + 1;
                    known = end;
                }
                // The digits up to `end` belong to no key, for no underscore is before them.
                Some(_) => {
                    start = end + 1;
                    known = start;
                }
                None => {
                    let run = start..end;
                    start = end + 1;
                    known = start;
                    let is_behind_underscore = bytes.get(run.start - 1) == Some(&b'_');
                    let goes_on = bytes.get(run.end).is_some_and(|b| is_digit(*b));
                    if is_behind_underscore && !goes_on {
                        return Some(run);
                    }
                }
            }
        }
    })
}

/// Which bytes are base-62 digits. Asking a table takes less than a third of the time where digits
/// and letters mix: comparing would mean a branch that no processor can foresee.
static IS_DIGIT: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest = table.as_mut_slice();
    let mut byte = 0_u8;
    while let [is_digit, others @ ..] = rest {
        *is_digit = byte.is_ascii_alphanumeric();
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

fn is_digit(byte: u8) -> bool {
    IS_DIGIT.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests;
