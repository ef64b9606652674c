//! Escape sequences in a key: percent-encoding, those of JSON and of shells, quoted-printable
//! (RFC 2045, section 6.7), and the colours of a terminal (ECMA-48).
//!
//! A sign is a sequence that encodes a letter of a key, or nothing between two of them.

use super::super::is_digit;
use super::{LEN_MAX, Offsets, Piece, SHARED_LEN, byte};

/// Fewest letters that are looked at: no key has fewer.
const LETTERS_MIN: usize = 51;
/// Most letters before a sequence.
const BEFORE_MAX: usize = 80;
/// Most bytes before those, which decide where a key begins.
const CONTEXT_LEN: usize = 24;
/// Most bytes of one sequence.
const SEQUENCE_LEN_MAX: usize = 256;
const ESCAPE: u8 = 0x1b;
/// Bytes of other encodings that may be encoded again.
const ENCODED: &[u8] = b"%+/-";

/// The meaning of an equals sign: an octet follows it in mail, and a value in a query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Mail,
}

/// A sequence: the byte that it encodes, if any, and where it ends.
struct Sequence {
    stands_for: Option<u8>,
    end: usize,
}

/// Passes on each text with such a sequence in which a key may be.
pub(super) fn each(bytes: &[u8], take: &mut dyn FnMut(&Piece)) {
    each_from(bytes, memchr::memchr3_iter(ESCAPE, b'%', b'\\', bytes), Form::Plain, take);
    each_from(bytes, memchr::memchr_iter(b'=', bytes), Form::Mail, take);
}

fn each_from(
    bytes: &[u8],
    signs: impl Iterator<Item = usize>,
    form: Form,
    take: &mut dyn FnMut(&Piece),
) {
    let mut from = 0;
    for sign in signs {
        if sign < from {
            continue;
        }
        let Some(sequence) = sequence_at(bytes, sign, form) else { continue };
        let is_inside = match sequence.stands_for {
            Some(letter) => is_letter(letter) || letter == b'%',
            None => is_letter_before(bytes, sign),
        };
        if is_inside {
            from = follow(bytes, sign, from, form, take);
        }
    }
}

fn is_letter(byte: u8) -> bool {
    is_digit(byte) || byte == b'_'
}

fn is_letter_before(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|at| byte(bytes, at)).is_some_and(is_letter)
}

/// Decodes the text around a sequence, passes it on if it is long enough, and returns where it
/// ends.
fn follow(
    bytes: &[u8],
    sign: usize,
    floor: usize,
    form: Form,
    take: &mut dyn FnMut(&Piece),
) -> usize {
    let floor = floor.max(sign.saturating_sub(BEFORE_MAX));
    let before = bytes.get(floor..sign).unwrap_or_default();
    let letters = before.iter().rev().take_while(|b| is_letter(**b)).count();
    let start = sign - letters;
    let context = start.saturating_sub(CONTEXT_LEN);
    let mut text = Text::default();
    (context..sign).for_each(|at| text.push(bytes, at));
    let mut at = sign;
    while text.bytes.len() < LEN_MAX {
        let Some(next) = byte(bytes, at) else { break };
        if is_letter(next) {
            text.push(bytes, at);
            at += 1;
            continue;
        }
        let Some(sequence) = sequence_at(bytes, at, form) else { break };
        if let Some(letter) = sequence.stands_for {
            // A byte that is encoded twice is decoded once here, and once more as a piece of its
            // own.
            if !is_letter(letter) && !ENCODED.contains(&letter) {
                break;
            }
            text.bytes.push(letter);
            text.offsets.push(at..sequence.end);
        }
        at = sequence.end;
    }
    let is_cut = text.bytes.len() == LEN_MAX;
    if LETTERS_MIN <= text.bytes.len() - (start - context) {
        take(&Piece { bytes: text.bytes, offsets: Offsets::Listed(text.offsets) });
    }
    if is_cut { at.saturating_sub(SHARED_LEN).max(sign + 1) } else { at.max(sign + 1) }
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    offsets: Vec<std::ops::Range<usize>>,
}

impl Text {
    fn push(&mut self, bytes: &[u8], at: usize) {
        if let Some(byte) = byte(bytes, at) {
            self.bytes.push(byte);
            self.offsets.push(at..at + 1);
        }
    }
}

/// The sequence that begins here, if one does.
fn sequence_at(bytes: &[u8], at: usize, form: Form) -> Option<Sequence> {
    let nothing = |len: usize| Some(Sequence { stands_for: None, end: at + len });
    let rest = bytes.get(at..)?;
    match rest {
        [ESCAPE, behind @ ..] => nothing(1 + control_len(behind)?),
        [b'%', ..] if form == Form::Plain => {
            let (letter, len) = percent(rest)?;
            Some(Sequence { stands_for: Some(letter), end: at + len })
        }
        [b'\\', b'\n', ..] if form == Form::Plain => nothing(2),
        [b'\\', b'\r', b'\n', ..] if form == Form::Plain => nothing(3),
        [b'\\', behind @ ..] if form == Form::Plain => {
            let (letter, len) = backslash(behind)?;
            if letter == ESCAPE {
                let control = rest.get(1 + len..).and_then(control_len)?;
                return nothing(1 + len + control);
            }
            Some(Sequence { stands_for: Some(letter), end: at + 1 + len })
        }
        [b'=', behind @ ..] if form == Form::Mail => {
            let spaces = behind.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            match behind.get(spaces..)? {
                [b'\n', ..] => nothing(spaces + 2),
                [b'\r', b'\n', ..] => nothing(spaces + 3),
                _ => {
                    let letter = hex(behind.get(..2)?)?;
                    Some(Sequence { stands_for: Some(letter), end: at + 3 })
                }
            }
        }
        _ => None,
    }
}

/// The byte that `%5F` encodes, and its length; a percent sign may be encoded itself.
fn percent(text: &[u8]) -> Option<(u8, usize)> {
    let mut digits = 1;
    // More levels have not been observed.
    for _ in 0..4 {
        let [b'2', b'5', high, low, ..] = text.get(digits..)? else { break };
        if hex(&[*high, *low]).is_none() {
            break;
        }
        digits += 2;
    }
    Some((hex(text.get(digits..digits + 2)?)?, digits + 2))
}

/// The byte that a backslash sequence encodes, and its length.
fn backslash(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'u', b'0', b'0', high, low, ..] => Some((hex(&[*high, *low])?, 5)),
        [b'x', high, low, ..] => Some((hex(&[*high, *low])?, 3)),
        [b'0', b'3', b'3', ..] => Some((ESCAPE, 3)),
        [b'e' | b'E', ..] => Some((ESCAPE, 1)),
        _ => None,
    }
}

/// How long the rest of a control sequence is: of a colour, of the choice of a character set, or of
/// a link.
fn control_len(text: &[u8]) -> Option<usize> {
    match text {
        [b'[', rest @ ..] => {
            let is_inner = |b: &&u8| (0x20..=0x3f).contains(*b);
            let inner = rest.iter().take(SEQUENCE_LEN_MAX).take_while(is_inner).count();
            let is_final = rest.get(inner).is_some_and(|b| (0x40..=0x7e).contains(b));
            is_final.then_some(inner + 2)
        }
        [b'(' | b')', _, ..] => Some(2),
        [b']', rest @ ..] => {
            let inner =
                rest.iter().take(SEQUENCE_LEN_MAX).position(|b| matches!(*b, 7 | ESCAPE))?;
            let is_string_end = rest.get(inner) == Some(&ESCAPE);
            Some(inner + 2 + usize::from(is_string_end))
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}
