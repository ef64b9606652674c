//! The text of a key: which texts can be one, and which were made here.

use keyward::digest::Digest;
use keyward::key::{Prefix, Presented, TEXT_LEN_MAX, TEXT_LEN_MIN};

pub(super) const WORDS: &[&[u8]] = &[
    b"kw_",
    b"acme_live_",
    b"_",
    b"00000000000000000000000000000000000000000002CZclj",
    b"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1",
    b"0mLq17",
    b"\xc3\xa9",
];

pub(super) fn run(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let hint = Prefix::of_hint(&text);
    if let Some(prefix) = &hint {
        assert!(text.starts_with(prefix.as_str()), "a hint begins with its prefix");
        assert_eq!(prefix.as_str().parse().as_ref(), Ok(prefix), "a prefix is read again");
    }
    let fits = (TEXT_LEN_MIN..=TEXT_LEN_MAX).contains(&text.len());
    let can_be_key = fits && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    let parsed = Presented::parse(&text);
    assert_eq!(parsed.is_ok(), can_be_key, "8 to 512 visible ASCII characters, and nothing else");
    let Ok(presented) = parsed else { return format!("no key, hint {}", hint.is_some()) };
    assert_eq!(format!("{presented:?}"), "Presented(…)", "the text is never printed");
    let digest = Digest::of(presented);
    assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest), "a digest is read again");
    let Some(prefix) = presented.prefix() else {
        return format!("a key of another form, hint {}", hint.is_some());
    };
    let digits = text.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('_'));
    let digits = digits.expect("the prefix stands first");
    assert_eq!(digits.len(), 49, "43 digits and a checksum of 6");
    check_typing_errors(&text, digits);
    format!("a key of ours, {} words in its prefix", prefix.as_str().split('_').count())
}

/// One wrong digit makes a text that was not made here.
fn check_typing_errors(text: &str, digits: &str) {
    let begin = text.len() - digits.len();
    for at in begin..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        let Some(digit) = bytes.get_mut(at) else { continue };
        *digit = if *digit == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        let changed = Presented::parse(&changed).expect("as long and as visible");
        assert_eq!(changed.prefix(), None, "a wrong digit is noticed");
    }
}
