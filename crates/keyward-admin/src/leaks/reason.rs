//! Why a leaked key is revoked, in words that hold no key.

use std::ops::Range;

use keyward::details::{REASON_CHARS_MAX, Reason};
use keyward::key::Presented;
use keyward::scan::{KeyText, key_texts};
use keyward::text::is_hidden;

/// The replacement of a key: one character.
const MASK: char = '…';

/// The secrets that one request reports, none of which may be in a reason: the others are often at
/// the location of the first.
///
/// They are sorted, so that each position of a text is compared with all of them at once, for any
/// number of them and any likeness.
pub(super) struct Secrets<'a>(Vec<&'a [u8]>);

impl<'a> Secrets<'a> {
    /// Takes the texts that can be secrets.
    pub(super) fn of(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = texts.into_iter().filter(|text| Presented::parse(text).is_ok());
        let mut secrets: Vec<_> = secrets.map(str::as_bytes).collect();
        secrets.sort_unstable();
        Self(secrets)
    }

    /// Puts into words where a secret was found. A reporter's text may hold anything: invisible
    /// characters are removed, the secrets and every text of the form of our keys are masked, also
    /// if they are escaped as in a URL, and the rest is cut to the length of a reason.
    pub(super) fn reason(&self, words: &str, found_at: &str) -> Option<Reason> {
        let (words, found_at) = (self.masked(words), self.masked(found_at));
        let separator = if found_at.is_empty() { "" } else { ": " };
        let text = words.chars().chain(separator.chars()).chain(found_at.chars());
        text.take(REASON_CHARS_MAX).collect::<String>().parse().ok()
    }

    /// As much of a text as a reason can hold, without keys.
    fn masked(&self, text: &str) -> String {
        // Invisible characters first: the parts that they separate may be a key.
        let plain: String = text.chars().filter(|c| !is_hidden(*c)).collect();
        let mut keys = keys_in(&plain).into_iter().peekable();
        let (mut masked, mut at) = (String::new(), 0);
        for _ in 0..REASON_CHARS_MAX {
            let rest = plain.get(at..).unwrap_or_default();
            let Some(first) = rest.chars().next() else { break };
            let mut end = at + self.longest_at(rest.as_bytes());
            while let Some(key) = keys.next_if(|key| key.start <= at) {
                end = end.max(key.end);
            }
            let is_hidden = at < end;
            masked.push(if is_hidden { MASK } else { first });
            at = if is_hidden { end } else { at + first.len_utf8() };
        }
        masked
    }

    /// How many bytes the longest secret takes that begins where this text does; 0 if none does.
    fn longest_at(&self, text: &[u8]) -> usize {
        let (mut secrets, mut depth, mut at, mut longest) = (self.0.as_slice(), 0, 0, 0);
        loop {
            // Secrets that end here are sorted before longer ones.
            while let [first, others @ ..] = secrets
                && first.len() == depth
            {
                (secrets, longest) = (others, at);
            }
            let Some(&plain) = text.get(at) else { return longest };
            let behind = escaped(text, at).map(|byte| with_byte(secrets, depth, byte));
            (secrets, at) = match behind {
                Some(secrets) if !secrets.is_empty() => (secrets, at + 3),
                _ => (with_byte(secrets, depth, plain), at + 1),
            };
            if secrets.is_empty() {
                return longest;
            }
            depth += 1;
        }
    }
}

/// The texts with this byte at this position, of sorted texts that are the same before it.
fn with_byte<'t, 'a>(texts: &'t [&'a [u8]], place: usize, byte: u8) -> &'t [&'a [u8]] {
    let has_it = |text: Option<&&[u8]>| text.and_then(|text| text.get(place)) == Some(&byte);
    if has_it(texts.first()) && has_it(texts.last()) {
        return texts;
    }
    let from = texts.partition_point(|text| text.get(place) < Some(&byte));
    let to = texts.partition_point(|text| text.get(place) <= Some(&byte));
    texts.get(from..to).unwrap_or_default()
}

/// Where there is something that has the form of our keys, in order.
fn keys_in(text: &str) -> Vec<Range<usize>> {
    let range = |key: KeyText| key.range;
    let mut keys: Vec<_> = key_texts(text).into_iter().map(range).collect();
    if text.contains('%') {
        let (bytes, places) = unescaped(text.as_bytes());
        let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
        // Bytes that are not UTF-8 belong to no key; each stays one byte.
        let plain: String =
            bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { ' ' }).collect();
        let found = key_texts(&plain).into_iter().map(range);
        keys.extend(found.map(|found| place(found.start)..place(found.end)));
    }
    keys.sort_unstable_by_key(|range| range.start);
    keys
}

/// The bytes of a text with its `%XX` decoded, and the position of each in the text.
fn unescaped(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut places, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(&first) = text.get(at) {
        let escaped = escaped(text, at);
        bytes.push(escaped.unwrap_or(first));
        places.push(at);
        at += if escaped.is_some() { 3 } else { 1 };
    }
    (bytes, places)
}

/// The byte of the `%XX` at this position of a text, if there is one.
fn escaped(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', digits @ ..] = text.get(at..at + 3)? else { return None };
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use keyward::Secret;
    use keyward::key::Prefix;

    use super::*;

    #[track_caller]
    fn check(found_at: &str, secrets: &[&str], expected: &str) {
        let reason = Secrets::of(secrets.iter().copied()).reason("found", found_at).unwrap();
        assert_eq!(reason.as_str(), expected, "{found_at}");
    }

    #[test]
    fn a_fault_is_one_short_line_with_its_location() {
        check("https://example.com/a", &["abcdefgh"], "found: https://example.com/a");
        check("https://example.com/\r\nset-cookie", &[], "found: https://example.com/set-cookie");
        check(
            "https://example.com/100%25?a=%C3%A4",
            &[],
            "found: https://example.com/100%25?a=%C3%A4",
        );
        check("", &["abcdefgh"], "found");
        check(&"ü".repeat(300), &[], &format!("found: {}", "ü".repeat(193)));
    }

    #[test]
    fn it_holds_no_key() {
        let secret = Secret::generate(&Prefix::default()).unwrap();
        let other = Secret::generate(&Prefix::default()).unwrap();
        let ours = secret.expose();
        check(&format!("https://a/?k={ours}&b"), &[], "found: https://a/?k=…&b");
        let both = format!("{ours} and {}", other.expose());
        check(&both, &[ours], "found: … and …");
        let torn = format!("{}\u{1}{}", &ours[..9], &ours[9..]);
        check(&torn, &[], "found: …");
        check(&format!("?k={}%5f{}&b", &ours[..2], &ours[3..]), &[], "found: ?k=…&b");
    }

    #[test]
    fn it_holds_none_of_the_secrets_that_are_reported_together() {
        let secrets = ["an-imported-one", "an-imported-one-that-is-longer", "with+and/and%41="];
        let raw = format!("https://a/?k={}&l={}&m={}", secrets[0], secrets[1], secrets[2]);
        check(&raw, &secrets, "found: https://a/?k=…&l=…&m=…");
        check("a%6e-imported%2Done", &secrets, "found: …");
        check("%61%6e%2d%69mported-one&b", &secrets, "found: …&b");
        check("an-imported-on, an-imported-", &secrets, "found: an-imported-on, an-imported-");
        check("/with%2Band%2fand%2541%3D#%", &secrets, "found: /…#%");
        check(&format!("ü{}ü", secrets.join("ü")), &secrets, "found: ü…ü…ü…ü");
        check(&secrets[1].repeat(300), &secrets, &format!("found: {}", "…".repeat(193)));
        let words = Secrets::of(secrets).reason("found in an-imported-one", "").unwrap();
        assert_eq!(words.as_str(), "found in …");
    }
}
