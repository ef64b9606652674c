//! Whether a text may have been drawn at random, or was made up or copied from an example.
//!
//! The estimate reads a text from left to right and asks of each piece how much it adds to what
//! came before, as estimators of passwords do (Wheeler, "zxcvbn", USENIX Security 2016). It knows
//! no list of bad keys: repetitions, sequences and words add little, whichever they are.

/// Fewest bits of a key whose listener is reachable from other machines. Random keys of 24
/// hexadecimal digits have some 96, six words drawn from a long list some 70, and examples such as
/// `change-me-change-me` at most 40.
const BITS_MIN: u32 = 56;
/// The bits of a sequence or a repetition of any length.
const REPEAT_BITS: u32 = 4;
/// Fewest characters of a repetition or a sequence.
const REPEAT_LEN_MIN: usize = 3;
/// Fewest letters of a word.
const WORD_LEN_MIN: usize = 3;
/// The bits of a letter of a word.
const WORD_LETTER_BITS: u32 = 2;
/// The most bits of a word: those of one of 4 096.
const WORD_BITS_MAX: u32 = 12;
/// The bits of a word that is common in examples of keys.
const COMMON_WORD_BITS: u32 = 2;
/// Words for the purpose of a key, or for a placeholder.
const COMMON_WORDS: &str = "admin api auth bar before change changeit changeme default demo dev \
                            dummy example foo for here hunter insert key keyward long me my new \
                            pass password placeholder please production replace root sample secret \
                            secure super test this token with your";
/// Rows of keyboards.
const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
/// The most frequent pairs of letters of English words. Two of three pairs in words are among
/// them, and one of eight in random letters.
const PAIRS: &str = "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et \
                     ng of al de se le sa si ar ve ra ld ur ch ro ri io ic el la ma me om ne co ta \
                     ec us di li ce ly ss pe tr no so ac ll ho il ee sh ge ke ey mi na ad pl be ca \
                     ct em ot ow po pa wo rd wh ag id";

/// Whether a key can hardly have been drawn at random.
pub(crate) fn looks_made_up(key: &str) -> bool {
    bits(key) < BITS_MIN
}

/// About how many bits it takes to guess a text, for an attacker who tries words, repetitions and
/// sequences first.
fn bits(text: &str) -> u32 {
    let (alphabet, cased) = (symbol_bits(text), text.as_bytes());
    let text = text.to_ascii_lowercase();
    let (mut at, mut bits) = (0, 0);
    while let Some((before, rest)) = text.as_bytes().split_at_checked(at)
        && !rest.is_empty()
    {
        let word = word(cased.get(at..).unwrap_or_default());
        let again = repeated(before, rest).max(sequence(rest));
        let (len, added) = if again >= REPEAT_LEN_MIN && word.0 <= again {
            (again, REPEAT_BITS)
        } else if 0 < word.0 {
            word
        } else {
            (1, rest.first().map_or(0, |one| byte_bits(*one, alphabet)))
        };
        (at, bits) = (at + len, bits + added);
    }
    bits
}

/// How many bits a random letter or digit of this text has.
fn symbol_bits(text: &str) -> u32 {
    let is_hex = |one: char| one.is_ascii_hexdigit() || !one.is_ascii_alphanumeric();
    let has_letters = text.chars().any(|one| one.is_ascii_alphabetic());
    match (has_letters, text.chars().all(is_hex)) {
        (false, _) => 3,
        (true, true) => 4,
        (true, false) => 5,
    }
}

/// The bits of one byte; separators add next to nothing.
fn byte_bits(byte: u8, alphabet: u32) -> u32 {
    match byte {
        b'-' | b'_' | b'.' | b' ' => 1,
        _ => alphabet,
    }
}

/// How many bytes at the beginning of `rest` repeat an earlier piece of the text.
fn repeated(before: &[u8], rest: &[u8]) -> usize {
    let common = |from: &[u8]| from.iter().zip(rest).take_while(|(one, two)| one == two).count();
    (0..before.len()).filter_map(|at| before.get(at..)).map(common).max().unwrap_or(0)
}

/// How many bytes at the beginning are in even steps, such as `1234`, `cba` or `xxx`, or along a
/// row of a keyboard.
fn sequence(rest: &[u8]) -> usize {
    let step = |pair: &[u8]| match pair {
        [one, two] => i16::from(*two) - i16::from(*one),
        _ => i16::MAX,
    };
    let first = rest.get(..2).map_or(i16::MAX, step);
    let even = rest.windows(2).take_while(|pair| step(pair) == first).count() + 1;
    let even = if first.abs() <= 1 { even } else { 1 };
    let along = |row: &&str| repeated(row.as_bytes(), rest);
    ROWS.iter().map(along).max().unwrap_or(0).max(even)
}

/// The letters and the bits of the word with which the text begins, in lower case, in capitals, or
/// with a capital at its beginning; no letters if it begins with none.
fn word(rest: &[u8]) -> (usize, u32) {
    let run = |is: fn(&u8) -> bool, from: usize| {
        rest.iter().skip(from).take_while(|byte| is(byte)).count()
    };
    let capitals = run(u8::is_ascii_uppercase, 0);
    let capitalised = capitals.min(1) + run(u8::is_ascii_lowercase, capitals.min(1));
    let len = capitals.max(capitalised);
    let letters = rest.get(..len).unwrap_or_default().to_ascii_lowercase();
    if COMMON_WORDS.split(' ').any(|word| word.as_bytes() == letters) {
        return (len, COMMON_WORD_BITS);
    }
    let pairs = letters.windows(2);
    let (all, frequent) = (pairs.len(), pairs.filter(|pair| is_frequent(pair)).count());
    if len < WORD_LEN_MIN || frequent * 2 < all {
        return (0, 0);
    }
    let letter_bits = u32::try_from(len).unwrap_or(u32::MAX).saturating_mul(WORD_LETTER_BITS);
    // A run that is longer than words are is several of them.
    let words = u32::try_from(len.div_ceil(10)).unwrap_or(u32::MAX);
    (len, letter_bits.min(words.saturating_mul(WORD_BITS_MAX)))
}

fn is_frequent(pair: &[u8]) -> bool {
    PAIRS.split(' ').any(|known| known.as_bytes() == pair)
}

/// The remark on a key in quotation marks.
pub(crate) const QUOTED: &str = "it begins and ends with a quotation mark, which counts as part of \
                                 it: a shell takes such marks away, an env file may not";

/// Whether a key is in quotation marks, a mistake in files where they are no syntax. It may be
/// intended, so it is pointed out, not rejected.
pub(crate) fn is_quoted(key: &str) -> bool {
    let quotes = ['"', '\'', '`'];
    quotes
        .into_iter()
        .any(|quote| key.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).is_some())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn made_up_keys_are_noticed() {
        for key in [
            "change-me-change-me-change-me",
            "changemechangemechangemechangeme",
            "CHANGE_ME_BEFORE_PRODUCTION",
            "please-change-this-admin-key",
            "your-admin-api-key-goes-here",
            "replace-with-a-real-secret-key",
            "super-secret-admin-key-12345",
            "secret-secret-secret-secret",
            "password123password123password123",
            "an-admin-key-for-these-tests",
            "an-admin-key-for-benchmarks",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "00000000-0000-0000-0000-000000000000",
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
            "deadbeefdeadbeefdeadbeefdeadbeef",
            "1234567890qwertyuiopasdfghjkl",
            "abcdefghijklmnopqrstuvwxyz",
            "<your-admin-key-of-32-characters>",
            "ChangeMe!ChangeMe!ChangeMe!",
        ] {
            assert!(looks_made_up(key), "{key}: {} bits", bits(key));
        }
    }

    #[test]
    fn randomly_drawn_words_pass() {
        for key in [
            "correct-horse-battery-staple-onion-gravel",
            "unpaved.sandblast.cinnamon.mullets.overhang.tinderbox",
            "gristle_outmost_vexingly_plank_armrest_dropout",
        ] {
            assert!(!looks_made_up(key), "{key}: {} bits", bits(key));
        }
    }

    /// The number of keys, which are digests of numbers: random, and the same each time.
    const KEYS: u32 = 500;

    #[test]
    fn random_keys_pass() {
        for number in 0..KEYS {
            let bytes = Sha256::digest(number.to_be_bytes());
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let of = |symbols: std::ops::RangeInclusive<u8>, count: usize| -> String {
                let size = symbols.end() - symbols.start() + 1;
                let drawn = bytes.iter().take(count).map(|byte| symbols.start() + byte % size);
                drawn.map(char::from).collect()
            };
            let keys = [
                hex.clone(),
                hex[..24].to_owned(),
                hex[..32].to_ascii_uppercase(),
                format!("{}-{}-4{}", &hex[..8], &hex[8..12], &hex[13..32]),
                STANDARD.encode(bytes),
                URL_SAFE_NO_PAD.encode(&bytes[..18]),
                of(b'a'..=b'z', 26),
                of(b'!'..=b'~', 24),
            ];
            for key in keys {
                assert!(!looks_made_up(&key), "{key}: {} bits", bits(&key));
            }
        }
    }

    #[test]
    fn quotation_marks_around_a_key_are_noticed() {
        for key in ["\"correct-horse\"", "'correct-horse'", "`correct-horse`"] {
            assert!(is_quoted(key), "{key}");
        }
        for key in ["correct-horse", "\"correct-horse", "correct\"-\"horse", "\"", "\"a'"] {
            assert!(!is_quoted(key), "{key}");
        }
    }
}
