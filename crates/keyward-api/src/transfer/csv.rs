//! CSV: a line that names the columns, and a record for each key.

use std::io::{self, BufRead, Read};
use std::iter;

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::columns::{NAMELESS, read_header, set};
use super::dialect::{Dialect, Quotes};
use super::line::Fields;
use super::text::Text;
use super::{Item, LINE_BYTES_MAX, Line, ReadError};

/// Most cells of a record that are read; there are fewer columns.
const CELLS_MAX: usize = 32;
/// The remedy for a file in another encoding.
const SAVE: &str = "save the file as UTF-8, which spreadsheets call “CSV UTF-8”";
/// The fault of a record whose quotation marks are escaped in another way than in the records
/// before it.
const ESCAPED: &str = "a backslash stands before a quotation mark, which the first 64 KiB of the \
                       file do not have; write such a mark twice instead, or move this record up";

/// Reads the header, and then record after record. After an error nothing follows.
///
/// # Errors
///
/// Returns [`ReadError::Header`] if a column is unknown, missing or named twice.
pub fn read_csv<R: Read>(
    text: Text<R>,
) -> Result<impl Iterator<Item = Result<Line, ReadError>> + use<R>, ReadError> {
    let dialect = Dialect::of(&text.sample);
    let mut records = Records::begin(text.from, dialect)?;
    let columns = match records.next()? {
        Some(Record::Read { .. }) => read_header(&records.cells())?,
        Some(Record::TooLong { .. }) | None => {
            return Err(ReadError::Header("the file does not begin with a header".to_owned()));
        }
    };
    let mut ended = false;
    Ok(iter::from_fn(move || {
        if ended {
            return None;
        }
        let line = match records.next() {
            Ok(Some(Record::Read { number })) if records.is_escaped => {
                Ok(Line { number, item: Err(ESCAPED.to_owned()) })
            }
            Ok(Some(Record::Read { number })) => {
                Ok(Line { number, item: parse(&columns, &records.cells()) })
            }
            Ok(Some(Record::TooLong { number, last })) => {
                let item = Err(format!(
                    "a record of more than 64 KiB or 32 cells, as far as line {last}; is a quote \
                     opened and not closed?"
                ));
                Ok(Line { number, item })
            }
            Ok(None) => {
                ended = true;
                return None;
            }
            Err(error) => {
                ended = true;
                Err(error.into())
            }
        };
        Some(line)
    }))
}

/// Cuts a file into records, with one record in memory.
struct Records<R> {
    from: R,
    parser: csv_core::Reader,
    /// Looks for escapes that the beginning of the file did not have.
    quotes: Quotes,
    has_escapes: bool,
    /// The record has a backslash that must belong to a quotation mark.
    is_escaped: bool,
    /// The line that is read next.
    number: u64,
    text: Vec<u8>,
    text_len: usize,
    ends: [usize; CELLS_MAX],
    ends_len: usize,
}

/// The result of reading a record: the line on which it begins, and its last line if it is too
/// long.
enum Record {
    Read { number: u64 },
    TooLong { number: u64, last: u64 },
}

impl<R: BufRead> Records<R> {
    fn begin(mut from: R, dialect: Dialect) -> io::Result<Self> {
        let mut number = 1;
        if dialect.skipped != 0 {
            number += u64::from(skip_line(&mut from)?);
        }
        let parser = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .escape(dialect.has_escapes.then_some(b'\\'))
            .build();
        Ok(Self {
            from,
            parser,
            quotes: Quotes::new(dialect.delimiter),
            has_escapes: dialect.has_escapes,
            is_escaped: false,
            number,
            text: vec![0; LINE_BYTES_MAX],
            text_len: 0,
            ends: [0; CELLS_MAX],
            ends_len: 0,
        })
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        (self.text_len, self.ends_len, self.is_escaped) = (0, 0, false);
        self.skip_empty_lines()?;
        let number = self.number;
        loop {
            let input = self.from.fill_buf()?;
            let text = self.text.get_mut(self.text_len..).unwrap_or_default();
            let ends = self.ends.get_mut(self.ends_len..).unwrap_or_default();
            let (result, read, wrote, ended) = self.parser.read_record(input, text, ends);
            let taken = input.get(..read).unwrap_or_default();
            self.number += count_lines(taken);
            self.is_escaped |= self.quotes.see(taken) && !self.has_escapes;
            self.from.consume(read);
            self.text_len += wrote;
            self.ends_len += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => return Ok(Some(Record::Read { number })),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    // It is not known whether the rest is inside quotation marks, so the next line
                    // is a new record.
                    self.parser.reset();
                    self.quotes.restart();
                    let last = self.number;
                    self.number += u64::from(skip_line(&mut self.from)?);
                    return Ok(Some(Record::TooLong { number, last }));
                }
            }
        }
    }

    /// The parser would skip them too, but not report the line on which the record begins.
    fn skip_empty_lines(&mut self) -> io::Result<()> {
        loop {
            let input = self.from.fill_buf()?;
            let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if empty == 0 {
                return Ok(());
            }
            self.number += count_lines(input.get(..empty).unwrap_or_default());
            self.from.consume(empty);
        }
    }

    fn cells(&self) -> Vec<&[u8]> {
        let ends = self.ends.iter().take(self.ends_len);
        let mut begin = 0;
        let cell = |end: &usize| {
            let cell = self.text.get(begin..*end).unwrap_or_default();
            begin = *end;
            cell
        };
        ends.map(cell).collect()
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Skips the rest of a line; `false` if the file ends before it does.
pub(super) fn skip_line(from: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let (len, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        from.consume(len);
        if ended {
            return Ok(true);
        }
    }
}

fn parse(columns: &[&str], cells: &[&[u8]]) -> Result<Item, String> {
    let (found, named) = (cells.len(), columns.len());
    // Spreadsheets fill lines up with empty cells.
    let is_longer = cells.iter().skip(named).any(|cell| !cell.trim_ascii().is_empty());
    if found < named || is_longer {
        return Err(format!("the record has {found} cells where the header has {named}"));
    }
    let mut fields = Fields::default();
    for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
        let cell = str::from_utf8(cell).map_err(|_| format!("`{column}` is not UTF-8; {SAVE}"))?;
        let cell = cell.trim();
        if *column == NAMELESS {
            check_nameless(at, cell)?;
        } else if !cell.is_empty() {
            // An empty cell has no value, since SQL's NULL is written so.
            set(&mut fields, column, cell).map_err(|fault| format!("`{column}`: {fault}"))?;
        }
    }
    fields.item()
}

/// A column without a name holds the numbers of pandas' lines, or nothing.
fn check_nameless(at: usize, cell: &str) -> Result<(), String> {
    let is_index = at == 0 && cell.bytes().all(|byte| byte.is_ascii_digit());
    if cell.is_empty() || is_index {
        return Ok(());
    }
    Err(format!("cell {} stands under no name; the first line names the columns", at + 1))
}

#[cfg(test)]
mod tests;
