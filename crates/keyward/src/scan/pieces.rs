//! Encoded texts: found by the shape of a key in the encoding, decoded, and searched again.
//!
//! Each encoding has cheap signs by which nearly all bytes are passed over. The rest is decoded,
//! and then the checksum decides, so that a piece too many costs time alone.

mod base64;
mod escapes;
mod wide;

use std::ops::Range;

/// Encodings in each other: a password in Basic authentication, in the file that Docker logs in
/// with, in a secret of Kubernetes.
const DEPTH_MAX: usize = 3;
/// Most bytes of a piece, so that memory does not grow with a file.
const LEN_MAX: usize = 64 * 1024;
/// The overlap of two pieces of one text that is too long for one.
const SHARED_LEN: usize = 256;

/// A decoded part of a text.
struct Piece {
    bytes: Vec<u8>,
    offsets: Offsets,
}

/// The offsets of a piece's bytes in the text.
enum Offsets {
    /// Each byte begins at one of these, and ends with the character that the next one begins at:
    /// four characters are three bytes.
    Fours(Vec<usize>),
    /// From here on, every other byte.
    Twos(usize),
    /// Each byte has its own range.
    Listed(Vec<Range<usize>>),
}

impl Piece {
    fn offset(&self, at: usize) -> Option<Range<usize>> {
        match &self.offsets {
            Offsets::Fours(offsets) => {
                let first = at / 3 * 4 + at % 3;
                Some(*offsets.get(first)?..offsets.get(first + 1)? + 1)
            }
            Offsets::Twos(first) => Some(first + 2 * at..first + 2 * at + 1),
            Offsets::Listed(offsets) => offsets.get(at).cloned(),
        }
    }

    /// The range of a part of it, which is not empty.
    fn range(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let last = part.end.checked_sub(1)?;
        Some(self.offset(part.start)?.start..self.offset(last)?.end)
    }
}

/// A finding with a range.
pub(super) trait Ranged: Sized {
    /// Its range.
    fn range(&self) -> Range<usize>;
    /// The same in the surrounding text, where `place` returns the range of a part of this one.
    fn moved(self, place: &dyn Fn(Range<usize>) -> Option<Range<usize>>) -> Option<Self>;
}

/// A finding, plain or encoded.
pub(super) struct Located<T> {
    pub(super) found: T,
    pub(super) is_plain: bool,
}

/// All that `search` finds in these bytes and in the pieces of them, in order; of overlapping
/// findings, the least encoded one.
pub(super) fn search_all<T: Ranged>(
    bytes: &[u8],
    search: &dyn Fn(&[u8]) -> Vec<T>,
) -> Vec<Located<T>> {
    search_to(bytes, search, DEPTH_MAX)
}

fn search_to<T: Ranged>(
    bytes: &[u8],
    search: &dyn Fn(&[u8]) -> Vec<T>,
    depth: usize,
) -> Vec<Located<T>> {
    let mut all: Vec<_> =
        search(bytes).into_iter().map(|found| Located { found, is_plain: true }).collect();
    if depth == 0 {
        return all;
    }
    let mut take = |piece: &Piece| {
        for Located { found, .. } in search_to(&piece.bytes, search, depth - 1) {
            let Some(found) = found.moved(&|part| piece.range(&part)) else { continue };
            let range = found.range();
            let overlaps = |other: Range<usize>| range.start < other.end && other.start < range.end;
            if !all.iter().any(|one: &Located<T>| overlaps(one.found.range())) {
                all.push(Located { found, is_plain: false });
            }
        }
    };
    wide::each(bytes, &mut take);
    base64::each(bytes, &mut take);
    escapes::each(bytes, &mut take);
    all.sort_by_key(|one| one.found.range().start);
    all
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

#[cfg(test)]
mod tests;
