//! A search through bytes that come chunk by chunk.

use std::fmt;

use crate::key::DIGITS_LEN;

use super::{CONTEXT_LEN, Finder, Found};

/// Bytes that are kept from one chunk to the next: those of a key that is not complete, and what
/// decides how it is read.
const KEPT_LEN: usize = CONTEXT_LEN + 1 + DIGITS_LEN;

/// A search through one file or stream; finds the same keys however it is cut into chunks.
///
/// It holds the latest chunk and some hundred bytes before it.
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
    /// chunk, or right in front of it.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Found> {
        let excess = self.held.len().saturating_sub(KEPT_LEN);
        self.held.drain(..excess);
        self.dropped += excess as u64;
        let seen = self.held.len();
        self.held.extend_from_slice(chunk);
        self.find(seen, self.held.len())
    }

    /// Says that nothing follows, and returns the key that ended there, if one did.
    #[must_use]
    pub fn finish(self) -> Vec<Found> {
        self.find(self.held.len(), self.held.len() + 1)
    }

    /// The keys that end at `from` or later, but before `to`.
    fn find(&self, from: usize, to: usize) -> Vec<Found> {
        let ends = from as u64..to as u64;
        let mut all: Vec<_> = self
            .finder
            .find(&self.held)
            .filter(|found| ends.contains(&found.likeliest.range.end))
            .collect();
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
