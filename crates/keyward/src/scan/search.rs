//! A search through bytes that come chunk by chunk.

use std::fmt;

use super::pieces::{Located, Ranged as _};
use super::{Finder, Found};

/// Bytes that are kept from one chunk to the next: those of a key that is not complete, and the
/// bytes that decide how it is read. A key whose characters are all percent-encoded twice takes
/// 370.
const KEPT_LEN: usize = 1_024;
/// Bytes after an encoded key that show that it has ended: the end of a line with its indentation
/// and four characters of base64, or a colour.
const BEHIND_LEN: usize = 80;

/// A search through one file or stream; finds the same keys however it is cut into chunks.
///
/// It holds the latest chunk and a thousand bytes before it.
///
/// ```
/// use keyward::key::{Prefix, Secret};
/// use keyward::scan::{Finder, Search};
///
/// let secret = Secret::generate(&Prefix::default())?;
/// let (first, second) = secret.expose().as_bytes().split_at(20);
/// let finder = Finder::default();
/// let mut search = Search::new(&finder);
/// assert_eq!(search.push(first), []);
/// // More digits could follow, which would make it something else.
/// assert_eq!(search.push(second), []);
/// assert_eq!(search.finish()[0].likeliest.range, 0..52);
/// # Ok::<(), keyward::key::RandomError>(())
/// ```
pub struct Search<'a> {
    finder: &'a Finder,
    held: Vec<u8>,
    /// Bytes that were dropped before those held.
    dropped: u64,
}

impl<'a> Search<'a> {
    /// Begins a search; nothing was read yet.
    #[must_use]
    pub fn new(finder: &'a Finder) -> Self {
        Self { finder, held: Vec::new(), dropped: 0 }
    }

    /// Takes the next bytes and returns the keys of which it is now certain that they have ended.
    ///
    /// A key has ended when something else follows. So every key that is returned ends in this
    /// chunk, or right in front of it; one that is encoded, up to 80 bytes in front of it.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Found> {
        let excess = self.held.len().saturating_sub(KEPT_LEN);
        self.held.drain(..excess);
        self.dropped += excess as u64;
        let seen = self.held.len();
        self.held.extend_from_slice(chunk);
        self.find(seen, self.held.len(), self.held.len())
    }

    /// Says that nothing follows, and returns the keys that ended there.
    #[must_use]
    pub fn finish(self) -> Vec<Found> {
        self.find(self.held.len(), self.held.len() + 1, usize::MAX)
    }

    /// The keys that end at `from` or later, but before `to`, and encoded ones of which that is
    /// known from `from` on, but before `encoded_to`.
    fn find(&self, from: usize, to: usize, encoded_to: usize) -> Vec<Found> {
        let is_due = |one: &Located<Found>| {
            let end = one.found.range().end;
            match one.is_plain {
                true => (from..to).contains(&end),
                false => (from..encoded_to).contains(&(end + BEHIND_LEN)),
            }
        };
        let all = self.finder.locate(&self.held).into_iter().filter(is_due);
        let mut all: Vec<_> = all.map(|one| one.found).collect();
        for found in &mut all {
            for reading in std::iter::once(&mut found.likeliest).chain(&mut found.others) {
                reading.range.start += self.dropped;
                reading.range.end += self.dropped;
            }
        }
        all
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("finder", self.finder).finish_non_exhaustive()
    }
}
