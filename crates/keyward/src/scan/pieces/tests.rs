//! Keys in each encoding are found, at their offsets, and nothing else is.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

use crate::scan::{Finder, Found, Search};

const KEY: &str = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
const DIGITS: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

fn find(bytes: &[u8]) -> Vec<Found> {
    Finder::default().find_all(bytes)
}

/// The part of these bytes in which one key is.
#[track_caller]
fn place(bytes: &[u8]) -> &[u8] {
    let found = find(bytes);
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(found.len(), 1, "{shown}");
    assert_eq!(found[0].likeliest.hint, "kw_yhjs", "{shown}");
    let range = &found[0].likeliest.range;
    &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

fn wrapped(text: &str, width: usize, line_end: &str) -> String {
    let lines = text.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap());
    lines.collect::<Vec<_>>().join(line_end)
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

#[test]
fn base64_is_looked_into_wherever_it_begins() {
    for user in ["", "u", "us", "user", "some-body"] {
        let encoded = STANDARD.encode(format!("{user}:{KEY}"));
        for before in ["Authorization: Basic ", "\"auth\":\"", "x/", "a", "ab", "abc", "="] {
            for after in ["\n", "\"}", " x", ""] {
                place(format!("{before}{encoded}{after}").as_bytes());
            }
        }
        place(STANDARD_NO_PAD.encode(format!("{user}:{KEY}")).as_bytes());
        place(URL_SAFE.encode(format!("{user}\u{ff}\u{fe}:{KEY}?>")).as_bytes());
    }
    let encoded = STANDARD.encode(format!("12:{KEY}45"));
    // The characters after it in the base64 are a part of it there.
    assert!(find(encoded.as_bytes()).is_empty());
    let encoded = STANDARD.encode(format!("123{KEY}:56"));
    let expected = &encoded.as_bytes()[4..4 + 70];
    assert_eq!(place(encoded.as_bytes()), expected);
}

#[test]
fn base64_may_be_on_many_lines() {
    let encoded =
        STANDARD.encode(format!("{{\"some\":\"text\",\"password\":\"{KEY}\"}}, and more"));
    for width in [40, 60, 64, 70, 72, 76] {
        for line_end in ["\n", "\r\n", "\n    ", "\r\n\t"] {
            place(wrapped(&encoded, width, line_end).as_bytes());
        }
    }
}

#[test]
fn encodings_may_be_in_each_other() {
    let auth = STANDARD.encode(format!("user:{KEY}"));
    let docker = format!(r#"{{"auths":{{"registry.example":{{"auth":"{auth}"}}}}}}"#);
    let secret = format!("data:\n  .dockerconfigjson: {}\n", STANDARD.encode(&docker));
    place(secret.as_bytes());
    place(&utf16(&secret, u16::to_le_bytes));
    place(percent(&STANDARD.encode(format!("user:{KEY}"))).as_bytes());
    place(&utf16(&format!("?key=kw%5F{DIGITS}&x"), u16::to_be_bytes));
    place(STANDARD.encode(format!("\u{1b}[1m{}\u{1b}[0m{}", &KEY[..9], &KEY[9..])).as_bytes());
}

#[test]
fn utf_16_is_read_whichever_byte_comes_first() {
    for text in [KEY.to_owned(), format!("Schlüssel=\"{KEY}\"\r\n"), format!("{KEY} 鍵")] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{text}");
            for bytes in [utf16(&text, u16::to_le_bytes), utf16(&text, u16::to_be_bytes)] {
                assert_eq!(place(&bytes).len(), 2 * KEY.len() - 1);
                place(&[b"\xff".as_slice(), &bytes].concat());
            }
        }
    }
}

#[test]
fn escape_sequences_in_a_key_are_decoded() {
    let (start, end) = KEY.split_at(30);
    for text in [
        KEY.replace('_', "%5F"),
        KEY.replace('_', "%5f"),
        KEY.replace('_', "%255F"),
        KEY.replace('_', "\\u005f"),
        KEY.replace('_', "\\x5F"),
        KEY.replace('_', "=5F"),
        KEY.replace('w', "%77"),
        percent(KEY),
        percent(&percent(KEY)),
        format!("{start}=\r\n{end}"),
        format!("{start}=\n{end}"),
        format!("{start}= \t\r\n{end}"),
        format!("{start}\\\n{end}"),
        format!("\u{1b}[01;31m\u{1b}[Kkw_\u{1b}[m\u{1b}[K{DIGITS}"),
        format!("{start}\u{1b}[0m\u{1b}[38;2;1;2;3m{end}"),
        format!("{start}\\u001b[0m{end}"),
        format!("{start}\\e[1;32m{end}\\033[0m"),
        format!("{start}\u{1b}(B\u{1b}[m{end}"),
        format!("{start}\u{1b}]8;;https://a.example/\u{7}{end}"),
    ] {
        for before in ["", "key=", "\"", "%20", "=3D", "\u{1b}[1;33m", "https://a.example/?k="] {
            for after in ["", "\n", "&x=y", "\u{1b}[0m", "\u{1b}[0m and more", "=\r\n", " x"] {
                place(format!("{before}{text}{after}").as_bytes());
            }
        }
    }
}

#[test]
fn what_goes_on_behind_an_escape_sequence_is_another_text() {
    // As it is, it is found, and once.
    assert_eq!(place(format!("{KEY}%41").as_bytes()), KEY.as_bytes());
    assert_eq!(place(format!("{KEY}=\nA").as_bytes()), KEY.as_bytes());
    assert!(find(format!("kw%5F{DIGITS}0").as_bytes()).is_empty());
    assert!(find(format!("kw%5F{DIGITS}%30").as_bytes()).is_empty());
    assert!(find(format!("kw%5F{}", &DIGITS[1..]).as_bytes()).is_empty());
    assert!(find(format!("kw%20{DIGITS}").as_bytes()).is_empty());
    assert!(find(STANDARD.encode(KEY.to_lowercase()).as_bytes()).is_empty());
}

/// A text with a key in each encoding.
fn encoded() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,40}".prop_map(|before| STANDARD.encode(format!("{before} {KEY}")).into_bytes()),
        "[ -~]{0,40}".prop_map(|before| {
            wrapped(&STANDARD.encode(format!("{before} {KEY}")), 64, "\n").into_bytes()
        }),
        "[a-z]{0,40}".prop_map(|it| utf16(&format!("{it} {KEY}"), u16::to_le_bytes)),
        "[a-z]{0,40}".prop_map(|it| format!("{it} kw%5F{DIGITS}").into_bytes()),
        (1_usize..52).prop_map(|at| format!("{}=\r\n{}", &KEY[..at], &KEY[at..]).into_bytes()),
        (1_usize..52).prop_map(|at| {
            format!("\u{1b}[1m{}\u{1b}[0m{}", &KEY[..at], &KEY[at..]).into_bytes()
        }),
        Just(KEY.into()),
    ]
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        texts in prop::collection::vec(encoded(), 1..4),
        lens in prop::collection::vec(1_usize..200, 1..40),
    ) {
        let filler: Vec<u8> = b" , ".repeat(30);
        let whole = texts.join(filler.as_slice());
        let all = find(&whole);
        prop_assert_eq!(all.len(), texts.len());
        let finder = Finder::default();
        let mut search = Search::new(&finder);
        let (mut found, mut rest) = (Vec::new(), whole.as_slice());
        for len in lens.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(len.min(rest.len()));
            found.extend(search.push(now));
            rest = later;
        }
        found.extend(search.finish());
        found.sort_by_key(|one| one.likeliest.range.start);
        let ranges = |all: &[Found]| -> Vec<_> {
            all.iter().map(|one| one.likeliest.range.clone()).collect()
        };
        prop_assert_eq!(ranges(&found), ranges(&all));
    }

    #[test]
    fn nothing_is_found_in_noise(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(find(&bytes).is_empty());
    }

    #[test]
    fn signs_without_end_are_no_trouble(text in "[%=\\\\\u{1b}\\[5Fu0a\n]{0,600}") {
        prop_assert!(find(text.as_bytes()).is_empty());
    }
}
