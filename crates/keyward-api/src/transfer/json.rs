//! JSON that is not one object a line: an array of objects, an object with such an array, or
//! objects that are pretty-printed over several lines.

use std::io::{BufRead, Read};

use super::json_lines::{parse, read_json_lines};
use super::text::Text;
use super::{LINE_BYTES_MAX, Line, ReadError};

/// Most levels of arrays and objects, as many as the parser of one object takes.
const DEPTH_MAX: usize = 128;
/// Fields of a key that are arrays of objects. Such an array of another name contains the keys.
const OWN_ARRAYS: [&[u8]; 2] = [b"secrets", b"limits"];

/// Lines of JSON, one after the other, until there are no more or an error.
pub(crate) type JsonLines<'a> = Box<dyn Iterator<Item = Result<Line, ReadError>> + 'a>;

/// Reads keys out of JSON of any shape, and returns what the number of a [`Line`] counts.
pub fn read_json<'a, R: Read + 'a>(text: Text<R>) -> (&'static str, JsonLines<'a>) {
    match Shape::of(&text.sample) {
        Shape::Lines => ("line", Box::new(read_json_lines(text.from))),
        Shape::Elements(path) => ("element", Box::new(Elements::new(text.from, path))),
    }
}

/// The arrangement of the objects in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One a line.
    Lines,
    /// Inside of these brackets.
    Elements(&'static [u8]),
}

impl Shape {
    fn of(sample: &[u8]) -> Self {
        let text = sample.trim_ascii_start();
        let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match text.first() {
            Some(b'[') => Self::Elements(b"["),
            Some(b'{') if holds_a_list(text) => Self::Elements(b"{["),
            Some(b'{') if first_line.len() < text.len() => match first_line.trim_ascii_end() {
                // A line that ends in the middle of an object, as in pretty-printed JSON.
                b"{" | [.., b',' | b'[' | b':'] => Self::Elements(b""),
                [b'{', .., b'{'] => Self::Elements(b""),
                _ => Self::Lines,
            },
            _ => Self::Lines,
        }
    }
}

/// Whether the first object has a field that is an array of objects, and not a field of a key.
fn holds_a_list(text: &[u8]) -> bool {
    let mut rest = text;
    let (mut depth, mut name): (u32, &[u8]) = (0, b"");
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => {
                let Some(len) = text_len(rest) else { return false };
                if depth == 1 {
                    name = rest.get(..len).unwrap_or_default();
                }
                rest = rest.get(len + 1..).unwrap_or_default();
            }
            b'[' if depth == 1 && !OWN_ARRAYS.contains(&name) => {
                let empties = [&b"scopes"[..], b"networks"];
                match rest.trim_ascii_start().first() {
                    Some(b'{') => return true,
                    Some(b']') if !empties.contains(&name) => return true,
                    _ => depth += 1,
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return false,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    false
}

/// The length of a text up to its closing quotation mark, which must be on the same line.
fn text_len(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' => return None,
            b'"' if !escaped => return Some(at),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Objects out of a file, with one in memory.
struct Elements<R> {
    from: R,
    cutter: Cutter,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Elements<R> {
    fn new(from: R, path: &'static [u8]) -> Self {
        let cutter = Cutter {
            path,
            open: Vec::new(),
            is_text: false,
            is_escaped: false,
            element: Vec::new(),
            line: 1,
        };
        Self { from, cutter, number: 0, ended: false }
    }

    /// Reads to the end of an element, which is then in the cutter; `false` at the end of the file.
    fn read(&mut self) -> Result<bool, ReadError> {
        let cutter = &mut self.cutter;
        cutter.element.clear();
        loop {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                if cutter.open.is_empty() && cutter.element.is_empty() {
                    return Ok(false);
                }
                return Err(cutter.broken("it ends before its brackets are closed"));
            }
            let (mut read, mut is_done) = (0, false);
            for byte in buffer {
                read += 1;
                if cutter.take(*byte)? {
                    is_done = true;
                    break;
                }
            }
            self.from.consume(read);
            if is_done {
                return Ok(true);
            }
        }
    }
}

/// Cuts JSON, byte by byte, into the objects inside of some brackets.
struct Cutter {
    /// The brackets around the objects.
    path: &'static [u8],
    /// The brackets that are open.
    open: Vec<u8>,
    is_text: bool,
    is_escaped: bool,
    /// The object, or another value in its place, as far as it was read.
    element: Vec<u8>,
    line: u64,
}

impl Cutter {
    /// Takes a byte, and returns whether an element ends with it.
    fn take(&mut self, byte: u8) -> Result<bool, ReadError> {
        self.line += u64::from(byte == b'\n');
        let was_inside = self.path.len() < self.open.len();
        if self.is_text {
            if byte == b'\n' {
                self.line -= 1;
                return Err(self.broken("a text is not closed on its line"));
            }
            self.is_text = byte != b'"' || self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.keep(byte);
            return Ok(false);
        }
        let is_place = self.open == self.path;
        match byte {
            b'"' => {
                self.is_text = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                if DEPTH_MAX < self.open.len() {
                    return Err(self.broken("its brackets are too many levels deep"));
                }
                self.keep(byte);
                self.open.push(byte);
            }
            b'}' | b']' => {
                let opened = if byte == b'}' { b'{' } else { b'[' };
                // A value that is no object ends where the array around it does.
                let ends_value = is_place && !self.element.is_empty();
                if self.open.pop() != Some(opened) {
                    return Err(self.broken("a bracket closes that was not opened"));
                }
                if was_inside {
                    self.keep_always(byte);
                }
                return Ok(ends_value || (was_inside && self.open == self.path));
            }
            b',' if is_place => return Ok(!self.element.is_empty()),
            _ if byte.is_ascii_whitespace() && is_place => {}
            _ => self.keep(byte),
        }
        Ok(false)
    }

    /// Keeps a byte of an element, up to one more than an element may have.
    fn keep(&mut self, byte: u8) {
        let is_inside = self.path.len() < self.open.len() && self.open.starts_with(self.path);
        // An object around the array has other fields, and arrays of other values.
        if is_inside || (self.open == self.path && (byte == b'{' || self.path != b"{[")) {
            self.keep_always(byte);
        }
    }

    fn keep_always(&mut self, byte: u8) {
        if self.open.starts_with(self.path) && self.element.len() <= LINE_BYTES_MAX {
            self.element.push(byte);
        }
    }

    fn broken(&self, what: &str) -> ReadError {
        ReadError::Json(format!("the file is no JSON at line {}: {what}", self.line))
    }
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.read() {
            Ok(true) => {}
            Ok(false) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.number += 1;
        let element = &self.cutter.element;
        let item = if LINE_BYTES_MAX < element.len() {
            Err("it is longer than 64 KiB; no key is that large".to_owned())
        } else {
            parse(element)
        };
        Some(Ok(Line { number: self.number, item }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Item;
    use super::*;

    /// The names of the keys, or the faults, and the error at the end.
    fn read(text: &str) -> Vec<String> {
        let text = text.replace("AB", &"ab".repeat(32));
        let (_, lines) = read_json(Text::open(text.as_bytes()).unwrap());
        let line = |line: Result<Line, ReadError>| match line {
            Ok(Line { number, item: Ok(Item::Key(key)) }) => format!("{number} {}", key.name),
            Ok(Line { number, item: Ok(other) }) => format!("{number} {other:?}"),
            Ok(Line { number, item: Err(fault) }) => format!("{number} fault: {fault}"),
            Err(error) => error.to_string(),
        };
        lines.map(line).collect()
    }

    const A: &str =
        r#"{"name": "a", "digest": "AB", "scopes": ["x:y"], "metadata": {"b": "]}\""}}"#;
    const B: &str = r#"{"name": "b", "secrets": [{"digest": "AB"}]}"#;

    #[test]
    fn keys_are_found_in_json_of_every_shape() {
        let pretty = A.replace(", ", ",\n  ").replace("{\"", "{\n  \"");
        for text in [
            format!("{A}\n{B}\n"),
            format!("\u{feff}\r\n{A}\r\n\r\n{B}"),
            format!("[{A},{B}]"),
            format!("[{A},{B},]\n"),
            format!("\n[\n  {A}\n  ,\n  {B}\n]\n"),
            format!("[{pretty},{pretty}]")
                .replacen("\"a\"", "\"b\"", 2)
                .replacen("\"b\"", "\"a\"", 1),
            format!("{{\"keys\": [{A},{B}]}}"),
            format!(
                "{{\"count\": 2, \"x\": {{\"a\": [1]}},\n \"keys\": [{A},{B}], \"next\": null}}"
            ),
            format!("{pretty}\n{B}"),
        ] {
            let names: Vec<_> =
                read(&text).iter().map(|line| line[line.len() - 1..].to_owned()).collect();
            assert_eq!(names, ["a", "b"], "{text}: {:?}", read(&text));
        }
        assert_eq!(read("[]"), [""; 0]);
        assert_eq!(read("{\"keys\": []}"), [""; 0]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn members_are_read_as_other_programs_write_them() {
        let text = r#"{"name":"a","digest":"\\xAB","key_id":3001.0,"is_active":"t",
            "created_at":1714567890123,"last_used_at":1714567890.5,"expires_at":"infinity"}"#;
        let text = text.replace("AB", &"ab".repeat(32)).replace('\n', "");
        let Ok(Item::Key(key)) = parse(text.as_bytes()) else { panic!("{text}") };
        assert_eq!((key.key_id, key.expires_at), (Some(3_001), None));
        assert_eq!(key.created_at.map(|at| at.0.0), Some(1_714_567_890_123));
        assert_eq!(key.last_used_at.map(|at| at.0.0), Some(1_714_567_890_500));
        for null in ["NULL", "\\\\N", "None"] {
            let member = format!("\"owner\": \"{null}\", \"scopes\"");
            let fault = read(&A.replace("\"scopes\"", &member)).concat();
            assert!(fault.contains("stands for nothing in other programs"), "{fault}");
        }
    }

    #[test]
    fn an_element_that_is_no_key_keeps_no_other_out() {
        let long = format!("{{\"name\": \"{}\"}}", "x".repeat(LINE_BYTES_MAX));
        let text = format!("[1, \"x\", [{A}], {{}}, {{\"name\": \"a\",}}, null, {long}, {B}]");
        insta::assert_snapshot!(read(&text).join("\n"));
    }

    #[test]
    fn a_file_that_breaks_off_is_told_after_its_keys() {
        assert_eq!(
            read(&format!("[{A},\n{{\"name\":")),
            ["1 a", "the file is no JSON at line 2: it ends before its brackets are closed"]
        );
        assert_eq!(
            read(&format!("[{A}}}")),
            ["1 a", "the file is no JSON at line 1: a bracket closes that was not opened"]
        );
        assert_eq!(
            read(&format!("[{A},\"x\n{B}]")),
            ["1 a", "the file is no JSON at line 1: a text is not closed on its line"]
        );
    }

    #[test]
    fn lines_stay_lines_whatever_is_wrong_with_the_first() {
        for first in ["{", "{}", r#"{"name":"x""#, r#"{"tires":["a"]}"#, r#"{"scopes":[]}"#] {
            let read = read(&format!("{first}\n{A}\n"));
            assert!(first == "{" || read.last().unwrap() == "2 a", "{first}: {read:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "[\\[\\]{}\",:\\\\a \n]{0,60}") {
            let _lines = read(&text);
            let _lines = read(&format!("[{text}"));
            let _lines = read(&format!("{{\"a\":[{{}}{text}"));
        }
    }
}
