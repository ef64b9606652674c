//! CSV: a line that names the columns, and a record for each key.

use std::io::{self, BufRead};
use std::iter;

use csv_core::ReadRecordResult;
use keyward::json::{self, first_inexact_number};

use super::digest::ImportDigest;
use super::key::{State, Time};
use super::line::{Flag, Members, TierMember};
use super::names::explain_unknown;
use super::{INEXACT, Item, LINE_BYTES_MAX, Line, ReadError};

/// Most cells of a record that are looked at; there are fewer columns.
const CELLS_MAX: usize = 32;
/// Every name that a column can have.
const COLUMNS: [&str; 17] = [
    "digest",
    "key_hash",
    "name",
    "tier",
    "rate_limit_tier",
    "owner",
    "scopes",
    "networks",
    "expires_at",
    "metadata",
    "state",
    "is_active",
    "created_at",
    "last_used_at",
    "hint",
    "key_id",
    "id",
];

/// Reads the header, and then record after record. After an error nothing follows.
///
/// # Errors
///
/// Returns [`ReadError::Header`] if a column is unknown, missing or named twice.
pub(crate) fn read_csv(
    from: impl BufRead,
) -> Result<impl Iterator<Item = Result<Line, ReadError>>, ReadError> {
    let mut records = Records::new(from);
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
    /// The line that is read next.
    number: u64,
    text: Vec<u8>,
    text_len: usize,
    ends: [usize; CELLS_MAX],
    ends_len: usize,
}

/// What became of reading a record: the line on which it begins, and perhaps the last one of it.
enum Record {
    Read { number: u64 },
    TooLong { number: u64, last: u64 },
}

impl<R: BufRead> Records<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            parser: csv_core::Reader::new(),
            number: 1,
            text: vec![0; LINE_BYTES_MAX],
            text_len: 0,
            ends: [0; CELLS_MAX],
            ends_len: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        (self.text_len, self.ends_len) = (0, 0);
        self.skip_empty_lines()?;
        let number = self.number;
        loop {
            let input = self.from.fill_buf()?;
            let text = self.text.get_mut(self.text_len..).unwrap_or_default();
            let ends = self.ends.get_mut(self.ends_len..).unwrap_or_default();
            let (result, read, wrote, ended) = self.parser.read_record(input, text, ends);
            self.number += count_lines(input.get(..read).unwrap_or_default());
            self.from.consume(read);
            self.text_len += wrote;
            self.ends_len += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => return Ok(Some(Record::Read { number })),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    // Whether we are inside of a quote cannot be known; the next line begins anew.
                    self.parser.reset();
                    let last = self.number;
                    self.number += u64::from(skip_line(&mut self.from)?);
                    return Ok(Some(Record::TooLong { number, last }));
                }
            }
        }
    }

    /// The parser would skip them too, but not tell on which line the record begins.
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

/// The names of the columns, in their order.
fn read_header(cells: &[&[u8]]) -> Result<Vec<&'static str>, ReadError> {
    let mut columns = Vec::new();
    for cell in cells {
        let name = String::from_utf8_lossy(cell).trim().to_owned();
        if cells.len() == 1 && name.contains([';', '\t']) {
            let text = "the columns of a CSV file are separated by commas here";
            return Err(ReadError::Header(text.to_owned()));
        }
        let known = COLUMNS.into_iter().find(|known| name.eq_ignore_ascii_case(known));
        let Some(known) = known else {
            return Err(ReadError::Header(explain_unknown("column", &name, &COLUMNS)));
        };
        columns.push(main_name(known));
    }
    for (at, name) in columns.iter().enumerate() {
        if columns.iter().take(at).any(|other| other == name) {
            return Err(ReadError::Header(format!("the column `{name}` is there twice")));
        }
    }
    if columns.contains(&"state") && columns.contains(&"is_active") {
        let text = "there are both columns `state` and `is_active`; leave one out";
        return Err(ReadError::Header(text.to_owned()));
    }
    for needed in ["digest", "name"] {
        if !columns.contains(&needed) {
            let text = format!("there is no column `{needed}`; the first line names the columns");
            return Err(ReadError::Header(text));
        }
    }
    Ok(columns)
}

/// Other systems' names are read as ours.
fn main_name(column: &'static str) -> &'static str {
    match column {
        "key_hash" => "digest",
        "rate_limit_tier" => "tier",
        "id" => "key_id",
        other => other,
    }
}

fn parse(columns: &[&str], cells: &[&[u8]]) -> Result<Item, String> {
    if cells.len() != columns.len() {
        let (found, named) = (cells.len(), columns.len());
        return Err(format!("the record has {found} cells where the header has {named}"));
    }
    let mut members = Members::default();
    for (column, cell) in columns.iter().zip(cells) {
        let cell = str::from_utf8(cell).map_err(|_| format!("`{column}` is not UTF-8"))?.trim();
        // An empty cell says nothing, as SQL's NULL is written.
        if !cell.is_empty() {
            set(&mut members, column, cell).map_err(|fault| format!("`{column}`: {fault}"))?;
        }
    }
    members.item()
}

fn set(members: &mut Members, column: &str, cell: &str) -> Result<(), String> {
    let words = || Some(cell.split_whitespace().map(str::to_owned).collect());
    match column {
        "digest" => members.digest = Some(ImportDigest::parse(cell)?),
        "hint" => members.hint = Some(cell.to_owned()),
        "key_id" => members.key_id = Some(cell.parse().map_err(|_| "an id is a whole number")?),
        "name" => members.name = Some(cell.to_owned()),
        "tier" => members.tier = Some(TierMember::Name(cell.to_owned())),
        "owner" => members.owner = Some(cell.to_owned()),
        "scopes" => members.scopes = words(),
        "networks" => members.networks = words(),
        "metadata" => {
            if first_inexact_number(cell).is_some() {
                return Err(INEXACT.to_owned());
            }
            let parsed = json::from_str(cell);
            members.metadata = Some(parsed.map_err(|_| "metadata is a JSON object")?);
        }
        "state" => members.state = Some(State::parse(cell)?),
        "is_active" => members.is_active = Some(Flag::parse(cell)?),
        "expires_at" => members.expires_at = Some(Time::parse(cell)?),
        "created_at" => members.created_at = Some(Time::parse(cell)?),
        "last_used_at" => members.last_used_at = Some(Time::parse(cell)?),
        other => return Err(format!("no such column as {other}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
