//! The scan finds keys, nothing else, and the same however the input is cut into chunks.

use proptest::prelude::*;

use super::*;
use crate::key::Secret;

/// All bits zero and all bits one; `key` has the test that keeps them.
const GOLDEN: [&str; 2] = [
    "kw_00000000000000000000000000000000000000000002CZclj",
    "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1",
];
const DIGITS: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

fn find(bytes: &[u8]) -> Vec<Found> {
    Finder::default().find(bytes).collect()
}

/// The only key in a text, read as a person would.
#[track_caller]
fn check(before: &str, prefix: &str, after: &str) {
    let key = format!("{prefix}_{DIGITS}");
    let text = format!("{before}{key}{after}");
    let found = find(text.as_bytes());
    assert_eq!(found.len(), 1, "{text:?}");
    let range = before.len() as u64..(before.len() + key.len()) as u64;
    assert_eq!(found[0].likeliest.range, range, "{text:?}");
    assert_eq!(found[0].likeliest.hint, format!("{prefix}_yhjs"));
    assert_eq!(found[0].likeliest.digest, Digest::of(Presented::parse(&key).unwrap()));
}

#[track_caller]
fn check_none(text: &str) {
    assert_eq!(find(text.as_bytes()), [], "{text:?}");
}

#[test]
fn golden_keys_are_found() {
    for key in GOLDEN {
        let found = find(key.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].likeliest.range, 0..52);
        assert_eq!(found[0].likeliest.digest, Digest::of(Presented::parse(key).unwrap()));
        assert_eq!(found[0].likeliest.hint, key[..7]);
    }
}

#[test]
fn a_key_ends_where_its_digits_do() {
    for after in ["", "\n", "\"", "\\n", "%22", "&x=1", "_", "_2", "-", "…", "\u{0}", "+", "/", "="]
    {
        check("", "kw", after);
    }
    check_none(&format!("kw_{DIGITS}0"));
    check_none(&format!("kw_{DIGITS}{DIGITS}"));
    check_none(&format!("kw_0{DIGITS}"));
    check_none(&format!("kw_{}", &DIGITS[..48]));
    check_none(&format!("kw_{}", &DIGITS[1..]));
}

#[test]
fn a_digit_with_another_checksum_is_no_key() {
    check_none(&format!("kw_{}", DIGITS.replace("yhj", "yhk")));
    check_none(&format!("kw_{}", DIGITS.to_lowercase()));
}

#[test]
fn whatever_is_before_a_key_does_not_hide_it() {
    let plain = ["x-", "\"", "=", "Bearer ", "\n", "+", "é", "\u{0}", "X", "TOKEN_", "__", "2"];
    let escaped =
        ["%20", "%3D", "%3d", "%2f", "\\n", "\\\\n", "\\\"", "\\u0022", "\\u003d", "\\x3d"];
    let coloured = ["\u{1b}[m", "\u{1b}[0m", "\u{1b}[1;32m", "\u{1b}[38;2;255;255;255m"];
    for before in [&plain[..], &escaped, &coloured].concat() {
        check(before, "kw", "");
    }
}

#[test]
fn a_prefix_is_as_long_as_it_can_be() {
    check("", "acme_live", "");
    check("x-", "acme_live_2", "");
    check("2", "acme", "");
    check("_", "acme", "");
    check("a__", "acme", "");
    check("", &"a".repeat(24), "");
}

#[test]
fn a_word_that_is_too_long_for_a_prefix_still_tells_of_a_key() {
    check("the_name_of_the_", "variable_with_the_key_kw", "");
    // Nowhere a word begins that is short enough; so it is as long as can be.
    check("a", &"a".repeat(24), "");
}

#[test]
fn without_a_prefix_there_is_no_key() {
    check_none(DIGITS);
    check_none(&format!("_{DIGITS}"));
    check_none(&format!("KW_{DIGITS}"));
    check_none(&format!("12_{DIGITS}"));
    check_none(&format!("kw__{DIGITS}"));
    check_none(&format!("kw-{DIGITS}"));
}

#[test]
fn every_way_to_read_a_key_is_told() {
    let text = format!("api_key_kw_{DIGITS}");
    let found = find(text.as_bytes());
    let hints: Vec<_> = found[0].readings().map(|reading| reading.hint.as_str()).collect();
    let whole_words = ["api_key_kw_yhjs", "key_kw_yhjs", "kw_yhjs"];
    assert_eq!(hints[..3], whole_words);
    for (start, hint) in [(0, whole_words[0]), (4, whole_words[1]), (8, whole_words[2])] {
        let reading = found[0].readings().find(|reading| reading.hint == hint).unwrap();
        assert_eq!(reading.digest, Digest::of(Presented::parse(&text[start..]).unwrap()));
    }
}

#[test]
fn wanted_prefixes_decide_what_is_found_and_how_it_is_read() {
    let finder = Finder::of_prefixes(["kw".parse().unwrap(), "live_kw".parse().unwrap()]);
    let hints = |text: &str| -> Vec<_> {
        let text = format!("{text}_{DIGITS}");
        finder.find(text.as_bytes()).map(|found| found.likeliest.hint).collect()
    };
    assert_eq!(hints("xkw"), ["kw_yhjs"]);
    assert_eq!(hints("acme_live_kw"), ["live_kw_yhjs"]);
    assert_eq!(hints("acme"), [""; 0]);
}

#[test]
fn keys_side_by_side_are_all_found() {
    let text = format!("{0} {1},{0}_{1}", GOLDEN[0], GOLDEN[1]);
    assert_eq!(find(text.as_bytes()).len(), 4);
}

#[test]
fn nothing_formats_a_key() {
    let shown = format!("{:?}", find(GOLDEN[1].as_bytes()));
    assert!(shown.contains("kw_yhjs") && !shown.contains("kw_yhjsk"), "{shown}");
    let finder = Finder::default();
    let mut search = Search::new(&finder);
    assert_eq!(search.push(GOLDEN[1].as_bytes()), []);
    assert!(!format!("{search:?}").contains("yhjs"));
}

#[test]
fn what_decides_how_a_key_is_read_is_kept_for_the_next_chunk() {
    // A colour that is as long as is looked at, and one that is longer.
    for parameters in [CONTEXT_LEN - 5, CONTEXT_LEN - 4] {
        let text = format!("....\u{1b}[{}mkw_{DIGITS}.", "1".repeat(parameters));
        let whole = find(text.as_bytes());
        assert_eq!(whole[0].likeliest.hint == "kw_yhjs", parameters == CONTEXT_LEN - 5);
        for cut in 0..text.len() {
            let finder = Finder::default();
            let mut search = Search::new(&finder);
            let mut found = search.push(&text.as_bytes()[..cut]);
            found.extend(search.push(&text.as_bytes()[cut..]));
            assert_eq!(found, whole, "cut at {cut}");
        }
    }
}

/// The keys in the bytes, found the slow way: at each offset, is it a key?
fn naive(bytes: &[u8]) -> Vec<usize> {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let is_key = |end: &usize| {
        let Some(text) = end.checked_sub(DIGITS_LEN).and_then(|at| bytes.get(at..*end)) else {
            return false;
        };
        let before = &bytes[..end - DIGITS_LEN];
        let starts = (0..before.len()).filter(|start| {
            let prefix = str::from_utf8(&before[*start..]).unwrap_or_default();
            prefix.strip_suffix('_').is_some_and(|prefix| prefix.parse::<Prefix>().is_ok())
        });
        !is_digit(*end) && ends_in_checksum(text) && starts.count() != 0
    };
    (0..=bytes.len()).filter(is_key).collect()
}

fn ends(bytes: &[u8]) -> Vec<usize> {
    let end = |found: Found| usize::try_from(found.likeliest.range.end).unwrap();
    find(bytes).into_iter().map(end).collect()
}

/// Keys, parts of keys, and bytes that make them hard to see.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(GOLDEN[0].as_bytes().to_vec()),
        Just(GOLDEN[1].as_bytes().to_vec()),
        Just(format!("_{DIGITS}").into_bytes()),
        "[a-z_]{0,3}_[0-9A-Za-z]{47,51}".prop_map(String::into_bytes),
        "[ -~]{0,30}".prop_map(String::into_bytes),
        "[a-z0-9_]{0,30}".prop_map(String::into_bytes),
        Just(b"\x1b[1;32m".to_vec()),
        Just(b"\\u0022".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
        Just(b"_".repeat(60)),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_planted_key_is_found(
        before in proptest::collection::vec(any::<u8>(), 0..200),
        after in proptest::collection::vec(any::<u8>(), 0..200),
        prefix in "[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,4}){0,2}",
    ) {
        prop_assume!(!after.first().is_some_and(u8::is_ascii_alphanumeric));
        let secret = Secret::generate(&prefix.parse().unwrap()).unwrap();
        let bytes = [&before, secret.expose().as_bytes(), &after].concat();
        let found = find(&bytes);
        prop_assert_eq!(found.len(), 1);
        let digest = Digest::of_secret(&secret);
        prop_assert!(found[0].readings().any(|reading| reading.digest == digest));
    }

    #[test]
    fn nothing_is_found_in_random_text(text in "[0-9A-Za-z_]{0,400}") {
        prop_assert_eq!(find(text.as_bytes()), []);
    }

    #[test]
    fn it_finds_what_the_slow_way_finds(bytes in pieces()) {
        prop_assert_eq!(ends(&bytes), naive(&bytes));
    }

    #[test]
    fn chunks_make_no_difference(
        bytes in pieces(),
        lens in proptest::collection::vec(0_usize..120, 1..20),
    ) {
        let finder = Finder::default();
        let mut search = Search::new(&finder);
        let mut found = Vec::new();
        let mut rest = bytes.as_slice();
        for len in lens.iter().cycle().take(1_000) {
            let (chunk, left) = rest.split_at((*len).min(rest.len()));
            found.extend(search.push(chunk));
            rest = left;
        }
        found.extend(search.push(rest));
        found.extend(search.finish());
        prop_assert_eq!(found, find(&bytes));
    }
}
