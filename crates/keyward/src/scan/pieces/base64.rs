//! Base64, of either alphabet, on one line or many (RFC 4648; RFC 2045, section 6.8).
//!
//! In four characters there are three bytes. The first, second and third character of four have few
//! possible values if all of these are letters or digits: of four characters in a row, one in
//! twenty-four is such, so that seven such fours are hardly ever anything else than such a text.

use super::{LEN_MAX, Offsets, Piece, SHARED_LEN, byte};

/// Fewest fours in a row that are looked for: as many as are left of a key, which has 49 digits, at
/// whichever of them a line ends.
const FOURS_MIN: usize = 7;
/// From one look to the next: the most with which one of them meets a four of each such row,
/// however the text is cut into fours.
const STEP: usize = 4 * FOURS_MIN - 6;
/// Most characters before those, in which the rest of a key and the bytes before it can be.
const BEFORE_MAX: usize = 320;
/// Most bytes of a line's end, with the indentation of the next one.
const BREAK_LEN_MAX: usize = 64;

/// No digit of base64.
const NONE: u8 = 0xff;

/// The value of each byte.
static VALUES: [u8; 256] = table(false);

/// Of each byte, which of the first three of four characters it may be: a bit each. The fourth bit
/// is whether it is a character at all.
static PLACES: [u8; 256] = table(true);

const fn table(of_places: bool) -> [u8; 256] {
    let mut table = [0; 256];
    let mut rest = table.as_mut_slice();
    let mut byte = 0_u8;
    while let [entry, others @ ..] = rest {
        *entry = if of_places { places_of(byte) } else { value_of(byte) };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
}

const fn value_of(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => NONE,
    }
}

const fn places_of(byte: u8) -> u8 {
    let value = value_of(byte);
    if value == NONE {
        return 0;
    }
    // The upper six bits of a byte: of `0` to `9`, `A` to `Z` and `a` to `z`.
    let first = matches!(value, 12..=14 | 16..=22 | 24..=30);
    // The upper four bits of a byte, below the lower two of another one.
    let second = matches!(value & 15, 3..=7);
    // The upper two bits of a byte, below the lower four of another one.
    let third = value & 3 < 2;
    first as u8 | (second as u8) << 1 | (third as u8) << 2 | 8
}

/// Passes on each text encoded in base64 in which a key may be.
pub(super) fn each(bytes: &[u8], take: &mut dyn FnMut(&Piece)) {
    // Up to where each of the four ways to cut the text into fours was decoded.
    let mut done = [0; 4];
    let mut at = 0;
    while let Some(bytes_here) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let fitting = fitting(bytes_here);
        if fitting != 0 {
            decode_at(bytes, at, fitting, &mut done, take);
        }
        at += STEP;
    }
}

/// Which of the fours that begin at the first four of these bytes fit, a bit each.
#[inline]
fn fitting(bytes: &[u8; 7]) -> u8 {
    let [a, b, c, d, e, f, g] = bytes.map(places);
    let fits = |first: u8, second: u8, third: u8, fourth: u8| {
        first & second >> 1 & third >> 2 & fourth >> 3
    };
    // All of these before they are cut to a bit, since no branch is as fast.
    let [w, x, y, z] = [fits(a, b, c, d), fits(b, c, d, e), fits(c, d, e, f), fits(d, e, f, g)];
    w & 1 | (x & 1) << 1 | (y & 1) << 2 | (z & 1) << 3
}

/// Decodes the text around the fours that begin here, if there are enough of them in a row.
///
/// Never inlined: it is needed now and then, and would crowd the loop that leads here.
#[inline(never)]
fn decode_at(
    bytes: &[u8],
    at: usize,
    fitting: u8,
    done: &mut [usize; 4],
    take: &mut dyn FnMut(&Piece),
) {
    for four in (0..4).filter(|four| fitting >> four & 1 == 1).map(|four| at + four) {
        let Some(done) = done.get_mut(four % 4).filter(|done| **done <= four) else { continue };
        let before = bytes.get(..four).unwrap_or_default().rchunks_exact(4);
        let behind = bytes.get(four..).unwrap_or_default().chunks_exact(4);
        let count = |fours: &mut dyn Iterator<Item = &[u8]>| {
            fours.take(FOURS_MIN).take_while(|four| fits(four)).count()
        };
        let before = count(&mut { before });
        if FOURS_MIN <= before + count(&mut { behind }) {
            let (piece, end) = decoded_around(bytes, four - 4 * before);
            take(&piece);
            *done = end.max(four + 1);
        }
    }
}

fn fits(four: &[u8]) -> bool {
    match *four {
        [first, second, third, fourth] => {
            places(first) & places(second) >> 1 & places(third) >> 2 & places(fourth) >> 3 & 1 == 1
        }
        _ => false,
    }
}

fn places(byte: u8) -> u8 {
    PLACES.get(usize::from(byte)).copied().unwrap_or(0)
}

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NONE)
}

/// The decoded base64 around this offset, where four characters begin, and the offset of its end.
fn decoded_around(bytes: &[u8], anchor: usize) -> (Piece, usize) {
    let mut offsets = before(bytes, anchor);
    // Whole fours, so that the one at the anchor begins one.
    offsets.drain(..offsets.len() % 4);
    let mut at = anchor;
    while offsets.len() < LEN_MAX {
        if byte(bytes, at).is_some_and(|b| value(b) != NONE) {
            offsets.push(at);
            at += 1;
        } else {
            match break_len(bytes.get(at..).unwrap_or_default()) {
                0 => break,
                len => at += len,
            }
        }
    }
    let end = if offsets.len() < LEN_MAX { at } else { at.saturating_sub(SHARED_LEN).max(anchor) };
    let bytes = offsets.chunks(4).flat_map(|four| {
        let value = |at: usize| {
            let char = four.get(at).and_then(|offset| byte(bytes, *offset));
            u32::from(char.map_or(0, value))
        };
        let [_, one, two, three] =
            (value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3)).to_be_bytes();
        [one, two, three].into_iter().take(four.len().saturating_sub(1))
    });
    (Piece { bytes: bytes.collect(), offsets: Offsets::Fours(offsets) }, end)
}

/// The offsets of the characters before this one, on its line and on the lines before.
fn before(bytes: &[u8], anchor: usize) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = anchor;
    while offsets.len() < BEFORE_MAX {
        let Some(last) = at.checked_sub(1).and_then(|at| byte(bytes, at)) else { break };
        if value(last) != NONE {
            at -= 1;
            offsets.push(at);
            continue;
        }
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let line = bytes.get(at.saturating_sub(BREAK_LEN_MAX)..at).unwrap_or_default();
        let len = line.iter().rev().take_while(|b| is_space(b)).count();
        let spaces = bytes.get(at - len..at).unwrap_or_default();
        if len == 0 || break_len(spaces) != len {
            break;
        }
        at -= len;
    }
    offsets.reverse();
    offsets
}

/// The length of the line end at the beginning of this, with the indentation after it; 0 if it does
/// not begin so.
fn break_len(bytes: &[u8]) -> usize {
    let line_end = match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return 0,
    };
    let rest = bytes.get(line_end..).unwrap_or_default();
    let indent = rest.iter().take(BREAK_LEN_MAX).take_while(|b| matches!(b, b' ' | b'\t')).count();
    line_end + indent
}
