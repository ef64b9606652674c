//! The texts that other systems make a digest of.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyward::digest::Digest;
use keyward::key::Presented;
use zeroize::Zeroizing;

use super::digest_of;

/// Most parts of a secret that are tried.
const PARTS_MAX: usize = 16;

/// A digest that a key may have, and the text that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub digest: Digest,
    pub made: Made,
    /// The text can be sent in a header.
    pub can_be_sent: bool,
}

/// The text that a digest was made of; the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Made {
    Whole,
    /// The part after a character, such as Sanctum's `|` or the `_` of a prefix.
    After(char),
    /// The prefix of the hint, and then the secret.
    Prefixed,
    Lower,
    Upper,
    LineBreak,
    Quoted,
    Utf16,
    FromHex,
    FromBase64,
    TwiceAsHex,
    Twice,
}

impl Made {
    /// Its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::After(_) => "part",
            Self::Prefixed => "prefixed",
            Self::Lower => "lower_case",
            Self::Upper => "upper_case",
            Self::LineBreak => "line_break",
            Self::Quoted => "quoted",
            Self::Utf16 => "utf_16",
            Self::FromHex => "decoded_hex",
            Self::FromBase64 => "decoded_base64",
            Self::TwiceAsHex | Self::Twice => "digest",
        }
    }

    /// Its name, as an object in a sentence.
    pub(super) fn in_words(self) -> String {
        let text = match self {
            Self::Whole => "the secret",
            Self::After(c) => return format!("the part after `{c}`"),
            Self::Prefixed => "the secret with the beginning that its hint has, up to `_`",
            Self::Lower => "the secret in lower case",
            Self::Upper => "the secret in upper case",
            Self::LineBreak => "the secret, or a part of it, and a line break",
            Self::Quoted => "the secret in quotation marks",
            Self::Utf16 => "the secret in UTF-16",
            Self::FromHex => "the bytes whose hexadecimal text the secret is",
            Self::FromBase64 => "the bytes whose base64 text the secret is",
            Self::TwiceAsHex => "the SHA-256 of the secret, in hex digits",
            Self::Twice => "the bytes of the SHA-256 of the secret",
        };
        text.to_owned()
    }
}

impl Guess {
    fn of(bytes: &[u8], made: Made) -> Self {
        let text = str::from_utf8(bytes).ok();
        let can_be_sent = text.is_some_and(|text| Presented::parse(text).is_ok());
        Self { digest: digest_of(bytes), made, can_be_sent }
    }

    /// The secret after a prefix that it lacks.
    pub(super) fn with_prefix(secret: &str, prefix: &str) -> Self {
        let text = Zeroizing::new(format!("{prefix}{secret}"));
        Self::of(text.as_bytes(), Made::Prefixed)
    }
}

/// The digests that a secret may have, the likeliest first.
pub(super) fn guesses(secret: &str) -> Vec<Guess> {
    let mut guesses = vec![Guess::of(secret.as_bytes(), Made::Whole)];
    let separators = secret.char_indices().filter(|(_, c)| "|_.-: ".contains(*c));
    let parts: Vec<(char, &str)> = separators
        .filter_map(|(at, c)| Some((c, secret.get(at + 1..)?)))
        .filter(|(_, part)| !part.is_empty())
        .take(PARTS_MAX)
        .collect();
    guesses.extend(parts.iter().map(|(c, part)| Guess::of(part.as_bytes(), Made::After(*c))));
    for text in std::iter::once(secret).chain(parts.iter().map(|(_, part)| *part)) {
        for end in ["\n", "\r\n"] {
            let ended = Zeroizing::new(format!("{text}{end}"));
            guesses.push(Guess::of(ended.as_bytes(), Made::LineBreak));
        }
    }
    let mut text = |text: String, made| {
        guesses.push(Guess::of(Zeroizing::new(text).as_bytes(), made));
    };
    text(secret.to_ascii_lowercase(), Made::Lower);
    text(secret.to_ascii_uppercase(), Made::Upper);
    text(format!("\"{secret}\""), Made::Quoted);
    text(format!("'{secret}'"), Made::Quoted);
    let once = digest_of(secret.as_bytes());
    text(once.to_hex(), Made::TwiceAsHex);
    text(once.to_hex().to_ascii_uppercase(), Made::TwiceAsHex);
    let mut bytes = |bytes: Vec<u8>, made| {
        // The bytes count as no text, even if they are valid UTF-8.
        let guess = Guess::of(&Zeroizing::new(bytes), made);
        guesses.push(Guess { can_be_sent: false, ..guess });
    };
    bytes(once.as_bytes().to_vec(), Made::Twice);
    bytes(secret.encode_utf16().flat_map(u16::to_le_bytes).collect(), Made::Utf16);
    bytes(secret.encode_utf16().flat_map(u16::to_be_bytes).collect(), Made::Utf16);
    let bare = secret.trim_end_matches('=');
    for decoded in [STANDARD_NO_PAD.decode(bare), URL_SAFE_NO_PAD.decode(bare)] {
        bytes(decoded.unwrap_or_default(), Made::FromBase64);
    }
    bytes(from_hex(secret).unwrap_or_default(), Made::FromHex);
    // Upper case of a text without letters is the same text; the first guess counts.
    let mut seen = std::collections::HashSet::new();
    guesses.retain(|guess| guess.digest != digest_of(b"") && seen.insert(*guess.digest.as_bytes()));
    guesses
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        let pair = str::from_utf8(pair).ok().filter(|_| is_pair)?;
        u8::from_str_radix(pair, 16).ok()
    };
    pairs.map(byte).collect()
}
