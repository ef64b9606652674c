//! Looking for keys in files, directories and streams, with memory that does not grow with them.
//!
//! How a key that was found is reported, and to which reader, is up to the command line.

pub(crate) mod rules;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use keyward::scan::{Finder, Found, Search};
use walkdir::{DirEntry, WalkDir};

/// Bytes that are read at once: enough that the calls cost nothing, and few enough that they are
/// still in the processor's cache when they are searched.
const CHUNK_LEN: usize = 256 * 1024;

/// An event of a scan.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key.
    Found {
        /// The file, as the walk reached it.
        place: String,
        /// The line, from 1.
        line: u64,
        /// The key.
        key: Found,
    },
    /// Something that should have been searched and was not, or not to its end.
    Unreadable {
        /// The file or directory.
        place: String,
        /// Why.
        cause: io::Error,
    },
}

/// Searches one source after the other and reports each event.
pub(crate) struct Scanner<'a> {
    finder: &'a Finder,
    chunk: Vec<u8>,
    tell: Box<dyn FnMut(Event) -> io::Result<()> + 'a>,
}

impl<'a> Scanner<'a> {
    /// Makes a scanner. An error of `tell` ends the scan, which returns it.
    pub(crate) fn new(finder: &'a Finder, tell: impl FnMut(Event) -> io::Result<()> + 'a) -> Self {
        Self { finder, chunk: vec![0; CHUNK_LEN], tell: Box::new(tell) }
    }

    /// Searches a file, or all files in a directory and below it.
    ///
    /// Hidden files are searched, for keys are often in `.env`. Links are not followed, except that
    /// `path` may be one: their target is either searched anyway, or was not asked for. Devices,
    /// sockets and named pipes are left alone unless `path` is one. The objects of a Git repository
    /// are compressed, so that no key can be seen in them; they are left out.
    pub(crate) fn scan_path(&mut self, path: &Path) -> io::Result<()> {
        // A named path of any kind is searched; `<(git log -p)` is a link to a pipe.
        if path.metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            return self.scan_file(path);
        }
        // Sorted, so that two scans of the same files print the same.
        let entries = WalkDir::new(path).sort_by_file_name().into_iter();
        for entry in entries.filter_entry(|entry| !holds_git_objects(entry)) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => self.scan_file(entry.path())?,
                Ok(_) => {}
                Err(error) => {
                    let place = error.path().unwrap_or(path).to_string_lossy().into_owned();
                    let cause = error.into_io_error().unwrap_or(io::ErrorKind::Other.into());
                    (self.tell)(Event::Unreadable { place, cause })?;
                }
            }
        }
        Ok(())
    }

    fn scan_file(&mut self, path: &Path) -> io::Result<()> {
        let place = path.to_string_lossy();
        match File::open(path) {
            Ok(file) => self.scan_stream(&place, file),
            Err(cause) => (self.tell)(Event::Unreadable { place: place.into_owned(), cause }),
        }
    }

    /// Searches everything that can be read from `stream`, which is reported as `place`.
    pub(crate) fn scan_stream(&mut self, place: &str, mut stream: impl Read) -> io::Result<()> {
        let mut search = Search::new(self.finder);
        let mut lines = Lines::default();
        loop {
            let len = match stream.read(&mut self.chunk) {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => {
                    (self.tell)(Event::Unreadable { place: place.to_owned(), cause })?;
                    break;
                }
            };
            let chunk = self.chunk.get(..len).unwrap_or_default();
            for key in search.push(chunk) {
                let line = lines.line_of(&key, chunk);
                (self.tell)(Event::Found { place: place.to_owned(), line, key })?;
            }
            lines.pass(chunk);
        }
        for key in search.finish() {
            let line = lines.line_of(&key, &[]);
            (self.tell)(Event::Found { place: place.to_owned(), line, key })?;
        }
        Ok(())
    }
}

fn holds_git_objects(entry: &DirEntry) -> bool {
    // A named path is searched, even if it is this one.
    entry.depth() != 0 && entry.file_type().is_dir() && entry.path().ends_with(".git/objects")
}

/// Bytes of the last chunks in which a key may begin that is found later.
const TAIL_LEN: usize = 4 * 1024;

/// Counts lines along the way: at the speed of memory, it costs less than reading a file again.
#[derive(Debug, Default)]
struct Lines {
    /// The last bytes that were passed.
    tail: Vec<u8>,
    /// Bytes that were passed before those.
    bytes: u64,
    /// Line breaks in these.
    breaks: u64,
}

impl Lines {
    /// The line on which a key begins, in this chunk or not long before it.
    fn line_of(&self, key: &Found, chunk: &[u8]) -> u64 {
        let len = key.likeliest.range.start.saturating_sub(self.bytes);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let in_tail = self.tail.get(..len.min(self.tail.len())).unwrap_or_default();
        let in_chunk = chunk.get(..len.saturating_sub(self.tail.len())).unwrap_or_default();
        self.breaks + count_breaks(in_tail) + count_breaks(in_chunk) + 1
    }

    fn pass(&mut self, chunk: &[u8]) {
        self.tail.extend_from_slice(chunk);
        let excess = self.tail.len().saturating_sub(TAIL_LEN);
        let passed = self.tail.drain(..excess);
        self.breaks += count_breaks(passed.as_slice());
        self.bytes += excess as u64;
    }
}

fn count_breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests;
