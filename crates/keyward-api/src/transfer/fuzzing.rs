//! What must hold for any file that is imported; for the fuzzer alone.

use std::io::{self, Read};

use super::json_lines::parse;
use super::{Item, Line, ReadError, Text, read_csv, read_json};

/// Most bytes of a fault: a sentence with the remedy.
const FAULT_LEN_MAX: usize = 512;

/// Tries a file as CSV.
///
/// # Panics
///
/// Panics if a property does not hold.
#[must_use]
pub fn csv(bytes: &[u8]) -> String {
    check(bytes, |from| {
        let text = Text::open(from)?;
        Ok(read_csv(text)?.collect())
    })
}

/// Tries a file as JSON: lines, an array, or an object that holds one.
///
/// # Panics
///
/// Panics if a property does not hold.
#[must_use]
pub fn json_lines(bytes: &[u8]) -> String {
    check(bytes, |from| {
        let text = Text::open(from)?;
        Ok(read_json(text).1.collect())
    })
}

type Lines = Vec<Result<Line, ReadError>>;

fn check(bytes: &[u8], read: impl Fn(Pieces<'_>) -> Result<Lines, ReadError>) -> String {
    let read = |piece| match read(Pieces { rest: bytes, piece }) {
        Ok(lines) => {
            lines.into_iter().map(|line| line.map_err(|error| error.to_string())).collect()
        }
        Err(error) => vec![Err(error.to_string())],
    };
    let lines: Vec<Result<Line, String>> = read(usize::MAX);
    for piece in [1, 7, 4_096] {
        assert!(read(piece) == lines, "a file in pieces of {piece} bytes is the same file");
    }
    assert!(lines.len() <= bytes.len() + 1, "no line comes of nothing");
    let errors = lines.iter().rev().skip(1).filter(|line| line.is_err());
    assert_eq!(errors.count(), 0, "after an error nothing follows");
    let mut before = 1;
    for line in lines.iter().flatten() {
        // A carriage return alone ends a record of CSV, and no line.
        assert!(before <= line.number, "line {} comes after line {before}", line.number);
        before = line.number;
    }
    let read = lines.into_iter().map(|line| line.map(|line| line.item));
    let mut classes: Vec<_> = read.take(8).map(|item| class(item.and_then(|item| item))).collect();
    classes.dedup();
    classes.truncate(3);
    classes.join(", ")
}

fn class(item: Result<Item, String>) -> String {
    match item {
        Ok(Item::Key(key)) => {
            let text = serde_json::to_string(&key).expect("a key is JSON");
            assert_eq!(parse(text.as_bytes()), Ok(Item::Key(key)), "a key is read as written");
            "a key".to_owned()
        }
        Ok(Item::Tier(_)) => "a tier".to_owned(),
        Ok(Item::SuspendedOwner(_)) => "a suspended owner".to_owned(),
        Ok(Item::OwnerLimits(_)) => "limits of an owner".to_owned(),
        Err(fault) => {
            assert!(fault.len() <= FAULT_LEN_MAX, "a fault is short: {fault}");
            fault.chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
        }
    }
}

/// Bytes that arrive in pieces, as those of a pipe do.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = self.piece.min(to.len());
        self.rest.read(to.get_mut(..most).unwrap_or_default())
    }
}
