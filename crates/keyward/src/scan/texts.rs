//! Keys in texts that people read: no more of one is shown than its hint.
//!
//! A scan asks that a key ends, so that fifty digits are none. The reader of a name, a log or a
//! message can take a letter away, so that here no characters around a key hide it.

use std::borrow::Cow;
use std::ops::Range;

use crate::key::{BODY_LEN, DIGITS_LEN, ends_in_checksum};

use super::pieces::{Ranged, search_all};
use super::{Finder, is_digit};

/// The first digit of the highest checksum: 2^32 - 1 is `4gfFC3`.
const CHECKSUM_START_MAX: u8 = b'4';

/// The part of a text that is the text of a key, or its secret part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText {
    /// Its bytes in the text. They begin with the longest prefix that it may have, and with its
    /// digits if it has none.
    pub range: Range<usize>,
    /// How many of them may be shown.
    hint_len: usize,
}

/// Every key in a text, in order, with any characters before and after it.
///
/// Known are the 49 digits that end in their checksum, also in the encodings of
/// [`Finder::find_all`]: an imported key of another form looks like any other text. Where two
/// keys overlap they are one.
///
/// ```
/// use keyward::scan::key_texts;
///
/// let text = "it is kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1!";
/// assert_eq!(key_texts(text)[0].range, 6..58);
/// assert_eq!(key_texts("it is kw_yhjs…!"), []);
/// ```
#[must_use]
pub fn key_texts(text: &str) -> Vec<KeyText> {
    let located = search_all(text.as_bytes(), &plain_texts);
    located.into_iter().map(|one| one.found).collect()
}

/// The keys that are not encoded.
fn plain_texts(bytes: &[u8]) -> Vec<KeyText> {
    let mut texts: Vec<KeyText> = Vec::new();
    for digits in checked(bytes) {
        match texts.last_mut() {
            Some(last) if digits.start < last.range.end => last.range.end = digits.end,
            _ => texts.push(whole(bytes, digits)),
        }
    }
    texts
}

/// Whether a key is in a text, with any characters before and after it.
///
/// ```
/// use keyward::key::{Prefix, Secret};
/// use keyward::scan::holds_key;
///
/// let secret = Secret::generate(&Prefix::default())?;
/// assert!(holds_key(&format!("n {}a", secret.expose())));
/// assert!(!holds_key(&secret.hint()));
/// # Ok::<(), keyward::key::RandomError>(())
/// ```
#[must_use]
pub fn holds_key(text: &str) -> bool {
    !key_texts(text).is_empty()
}

impl Ranged for KeyText {
    fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn moved(self, place: &dyn Fn(Range<usize>) -> Option<Range<usize>>) -> Option<Self> {
        // The first characters of an encoded key are no hint.
        Some(Self { range: place(self.range)?, hint_len: 0 })
    }
}

/// The text with each key in it cut off after its hint.
///
/// ```
/// use keyward::scan::hide_keys;
///
/// let text = "it is kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1!";
/// assert_eq!(hide_keys(text), "it is kw_yhjs…!");
/// ```
#[must_use]
pub fn hide_keys(text: &str) -> Cow<'_, str> {
    let keys = key_texts(text);
    if keys.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut behind) = (String::with_capacity(text.len()), 0);
    for KeyText { range, hint_len } in keys {
        shown.extend(text.get(behind..range.start + hint_len));
        shown.push('…');
        behind = range.end;
    }
    shown.extend(text.get(behind..));
    Cow::Owned(shown)
}

/// The key with these digits: with its prefix, if it has one.
fn whole(bytes: &[u8], digits: Range<usize>) -> KeyText {
    let behind_underscore = digits.start.checked_sub(1).filter(|at| bytes.get(*at) == Some(&b'_'));
    let found = behind_underscore.and_then(|_| Finder::default().read(bytes, digits.clone()));
    let Some(found) = found else { return KeyText { range: digits, hint_len: 0 } };
    let place = |at: u64| usize::try_from(at).unwrap_or(digits.start);
    let start = found.readings().map(|reading| place(reading.range.start)).min();
    let start = start.unwrap_or(digits.start);
    let likeliest = place(found.likeliest.range.start);
    let hint_len = likeliest - start + found.likeliest.hint.len();
    KeyText { range: start..digits.end, hint_len }
}

/// Every 49 digits in a row that end in their checksum.
fn checked(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    // The bytes between `start` and this are digits.
    let mut known = 0;
    std::iter::from_fn(move || {
        loop {
            let run = start..start + DIGITS_LEN;
            let unknown = bytes.get(known..run.end)?;
            if let Some(at) = unknown.iter().rposition(|b| !is_digit(*b)) {
                start = known + at + 1;
                known = run.end;
                continue;
            }
            known = run.end;
            start += 1;
            let digits = bytes.get(run.clone())?;
            let is_low = digits.get(BODY_LEN).is_some_and(|first| *first <= CHECKSUM_START_MAX);
            if is_low && ends_in_checksum(digits) {
                return Some(run);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(hide_keys(text), shown, "{text}");
        assert_eq!(holds_key(text), text != shown, "{text}");
    }

    #[test]
    fn nothing_around_a_key_hides_it() {
        for (before, behind) in [
            ("", ""),
            ("n ", "a"),
            ("X", "0"),
            ("é", "é"),
            ("\"", "_"),
            ("9", "zzzzzzzz"),
            ("__", "__"),
        ] {
            let text = format!("{before}kw_{DIGITS}{behind}");
            check(&text, &format!("{before}kw_yhjs…{behind}"));
        }
        check(&format!("acme_live_{DIGITS}{DIGITS}"), "acme_live_yhjs……");
    }

    #[test]
    fn the_digits_alone_are_secret() {
        check(DIGITS, "…");
        check(&format!("KW_{DIGITS}"), "KW_…");
        check(&format!("kw%5F{DIGITS}"), "kw%5F…");
        check(&format!("kw-{DIGITS}; a{DIGITS}b"), "kw-…; a…b");
    }

    #[test]
    fn an_encoding_does_not_hide_it() {
        let base64 = "bjprd195aGpza3dkQTZPWjFBTDFZbUhXWldtOExMRzdIam51Q0EyajVyT3c4WHAxM3NSemwxYQ";
        assert!(holds_key(&format!("Basic {base64}")));
        assert!(!hide_keys(base64).contains(&base64[6..60]));
        check(&format!("%6b%77%5f{DIGITS}0"), "%6b%77%5f…0");
        check(&format!("kw_{}\\u0041{}", &DIGITS[..12], &DIGITS[13..]), "…");
    }

    #[test]
    fn what_is_no_key_is_shown() {
        for text in ["", "kw_yhjs…", &DIGITS[1..], "x".repeat(300).as_str(), "4gfFC3"] {
            check(text, text);
        }
        check(&DIGITS.to_lowercase(), &DIGITS.to_lowercase());
    }

    #[test]
    fn the_digits_of_the_highest_checksum_are_known() {
        let highest = u64::from(u32::MAX) / 62_u64.pow(5);
        assert_eq!(highest, u64::from(CHECKSUM_START_MAX - b'0'));
    }
}
