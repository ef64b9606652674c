//! UTF-16, whichever byte comes first: between two letters of a key there is a zero.

use super::{LEN_MAX, Offsets, Piece, SHARED_LEN, byte};

/// Fewest characters that are looked at: no key has fewer.
const CHARS_MIN: usize = 51;
/// From one look to the next: as many bytes of such a text hold two characters at least.
const STEP: usize = 64;

/// Passes on each stretch of ASCII characters.
pub(super) fn each(bytes: &[u8], take: &mut dyn FnMut(&Piece)) {
    let (mut at, mut floor) = (0, 0);
    while let Some([first, second]) = bytes.get(at..at + 2) {
        let char_at = match (*first, *second) {
            (0, 0) => None,
            (0, _) => Some(at + 1),
            (_, 0) => Some(at),
            _ => None,
        };
        at += STEP;
        let Some(char_at) = char_at else { continue };
        let start = start_of(bytes, char_at, floor);
        let chars = count_from(bytes, start);
        if CHARS_MIN <= chars {
            tell(bytes, start, chars, take);
        }
        floor = start + 2 * chars;
        at = at.max(floor);
    }
}

/// Where the stretch begins that a character is in, but not before `floor`.
fn start_of(bytes: &[u8], char_at: usize, floor: usize) -> usize {
    let mut start = char_at;
    while floor + 2 <= start
        && byte(bytes, start - 1) == Some(0)
        && byte(bytes, start - 2).is_some_and(|b| b != 0)
    {
        start -= 2;
    }
    start
}

/// How many characters follow each other, from this one on.
fn count_from(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start + 1..).unwrap_or_default();
    1 + rest.as_chunks().0.iter().take_while(|[zero, char]| *zero == 0 && *char != 0).count()
}

fn tell(bytes: &[u8], start: usize, chars: usize, take: &mut dyn FnMut(&Piece)) {
    let text = bytes.get(start..).unwrap_or_default();
    let mut from = 0;
    while from < chars {
        let to = chars.min(from + LEN_MAX);
        let chars_of = text.iter().step_by(2).skip(from).take(to - from);
        take(&Piece {
            bytes: chars_of.copied().collect(),
            offsets: Offsets::Twos(start + 2 * from),
        });
        if to == chars {
            return;
        }
        from = to - SHARED_LEN;
    }
}
