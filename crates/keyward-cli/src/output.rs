//! How the command line shows results: text, tables and JSON, to people at a terminal or to
//! programs.

mod ascii;
mod layout;
mod table;
mod value;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::SystemTime;

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use serde_json::Value;

pub use ascii::{in_ascii, is_wanted as is_ascii_wanted};
pub use table::{Cell, Tone};
pub use value::{printable, shown};

/// The destination of results: standard output, or memory in a test.
pub struct Output {
    to: Box<dyn Write>,
    look: Look,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("look", &self.look).finish_non_exhaustive()
    }
}

/// The kind of reader of the output, and the time.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// A person reads it at a terminal.
    pub is_terminal: bool,
    /// Colours are welcome.
    pub has_colour: bool,
    /// The locale knows ASCII alone.
    pub is_ascii: bool,
    /// Columns of the terminal, if its width cannot be queried.
    pub width: Option<u16>,
    /// The time from which relative times count.
    pub now: Timestamp,
}

/// The time of this machine's clock; a time before 1970 is no time, and counts as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).ok();
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

impl Output {
    /// Standard output, with the look that fits it.
    pub fn stdout() -> Self {
        let to = io::stdout();
        let look = Look {
            is_terminal: to.is_terminal(),
            // It knows `NO_COLOR`, `CLICOLOR_FORCE` and terminals without colour.
            has_colour: AutoStream::choice(&to) != ColorChoice::Never,
            is_ascii: is_ascii_wanted(),
            width: None,
            now: now(),
        };
        Self { to: Box::new(to), look }
    }

    /// The kind of reader of the output.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output cannot be written.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{}", self.look.legible(text)).map_err(unwritten)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output cannot be written.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes).map_err(unwritten)
    }

    /// Writes the text that is held back until its line ends.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush().map_err(unwritten)
    }

    /// Writes JSON for programs.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output cannot be written.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.to, "{value:#}").map_err(unwritten)
    }

    /// Writes a table: framed and fitted on a terminal, plain aligned columns elsewhere.
    ///
    /// # Errors
    ///
    /// Returns an error if standard output cannot be written.
    pub fn table<C>(&mut self, head: &[&str], rows: &[Vec<C>]) -> io::Result<()>
    where
        C: Clone + Into<Cell>,
    {
        let rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().cloned().map(Into::into).collect()).collect();
        let text = table::text(head, &rows, self.look);
        writeln!(self.to, "{text}").map_err(unwritten)
    }
}

impl Look {
    /// A text as the locale can show it.
    pub fn legible(self, text: &str) -> String {
        if self.is_ascii { in_ascii(text, self.is_terminal) } else { text.to_owned() }
    }
}

/// Adds to an error that it is the output that could not be written.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
pub fn unwritten(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output cannot be written: {error}"))
}

#[cfg(any(test, feature = "testing"))]
pub mod testing {
    //! Helpers with which tests of other modules look at output.

    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Rc<RefCell<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The look for a program.
    pub fn piped() -> Look {
        // 2026-11-24T09:30:00Z
        let now = Timestamp::constant(1_795_512_600, 0);
        Look { is_terminal: false, has_colour: false, is_ascii: false, width: None, now }
    }

    /// The look for a person at a terminal without colours.
    pub fn terminal() -> Look {
        Look { is_terminal: true, width: Some(120), ..piped() }
    }

    /// The text that is written for such a look.
    ///
    /// # Panics
    ///
    /// Panics if it is not written.
    pub fn written<E: fmt::Debug>(
        look: Look,
        write: impl FnOnce(&mut Output) -> Result<(), E>,
    ) -> String {
        let memory = Memory::default();
        let done = write(&mut Output { to: Box::new(memory.clone()), look });
        assert!(done.is_ok(), "{done:?}");
        String::from_utf8_lossy(&memory.0.take()).into_owned()
    }

    /// The same, first for a program and then for a person at a terminal.
    ///
    /// # Panics
    ///
    /// As for [`written`].
    pub fn both<E: fmt::Debug>(write: impl Fn(&mut Output) -> Result<(), E>) -> String {
        let (piped, terminal) = (written(piped(), &write), written(terminal(), &write));
        format!("{piped}\n--- at a terminal\n{terminal}")
    }
}
