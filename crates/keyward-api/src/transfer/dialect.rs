//! The dialect of a CSV file, detected by its beginning.

/// The separators that may be between two cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How a CSV file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Bytes at the beginning that are no record: Excel's line `sep=;`.
    pub skipped: usize,
    /// The separator between two cells.
    pub delimiter: u8,
    /// Within quotation marks, a quotation mark of the text is escaped by a backslash, as `MySQL`
    /// writes it, instead of being doubled.
    pub has_escapes: bool,
}

impl Dialect {
    /// Detects the dialect by the first bytes of a file. No name of a column contains a delimiter,
    /// so the header shows which one the file has.
    pub(super) fn of(sample: &[u8]) -> Self {
        let (skipped, said) = separator_line(sample);
        let text = sample.get(skipped..).unwrap_or_default();
        let delimiter = said.unwrap_or_else(|| delimiter_of(text));
        Self { skipped, delimiter, has_escapes: has_escapes(text, delimiter) }
    }
}

/// The length of the line `sep=;`, with its end, and its separator.
fn separator_line(sample: &[u8]) -> (usize, Option<u8>) {
    let len = sample.iter().position(|byte| *byte == b'\n').map_or(sample.len(), |at| at + 1);
    let line = sample.get(..len).unwrap_or_default();
    let ends = line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let line = line.get(..line.len() - ends).unwrap_or_default();
    let bare = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    match bare.unwrap_or(line) {
        [s, e, p, b'=', said @ ..] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => {
            (len, said.first().copied())
        }
        _ => (0, None),
    }
}

fn delimiter_of(text: &[u8]) -> u8 {
    let begin = text.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or_default();
    let header = text.get(begin..).unwrap_or_default().split(|byte| matches!(byte, b'\r' | b'\n'));
    let header = header.into_iter().next().unwrap_or_default();
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    // If counts are equal, the first of them.
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

fn has_escapes(text: &[u8], delimiter: u8) -> bool {
    Quotes::new(delimiter).see(text)
}

/// Looks for a quotation mark after a backslash at a position where RFC 4180 has no quotation mark,
/// so that the backslash must be its escape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotes {
    delimiter: u8,
    at: At,
    /// The previous byte, and the byte before a quotation mark that may close a cell.
    last: u8,
    before: u8,
}

/// The position of the next byte in a record.
#[derive(Clone, Copy, Debug)]
enum At {
    Begin,
    Bare,
    Quoted,
    /// After a quotation mark within quotation marks.
    Closing,
}

impl Quotes {
    /// Begins with a record.
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, at: At::Begin, last: 0, before: 0 }
    }

    /// Begins again with a record, without the state of the bytes before it.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.delimiter);
    }

    /// Reads the next bytes, and returns whether they have such a quotation mark.
    pub(super) fn see(&mut self, bytes: &[u8]) -> bool {
        let mut seen = false;
        for byte in bytes.iter().copied() {
            let ends = byte == self.delimiter || matches!(byte, b'\r' | b'\n');
            self.at = match (self.at, byte) {
                (At::Begin, b'"') => At::Quoted,
                (At::Begin | At::Bare | At::Closing, _) if ends => At::Begin,
                (At::Begin | At::Bare, _) => {
                    seen |= byte == b'"' && self.last == b'\\';
                    At::Bare
                }
                (At::Quoted, b'"') => {
                    self.before = self.last;
                    At::Closing
                }
                (At::Quoted, _) | (At::Closing, b'"') => At::Quoted,
                (At::Closing, _) => {
                    seen |= self.before == b'\\';
                    At::Bare
                }
            };
            self.last = byte;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, skipped: usize, delimiter: u8, has_escapes: bool) {
        let expected = Dialect { skipped, delimiter, has_escapes };
        assert_eq!(Dialect::of(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn the_header_tells_the_delimiter() {
        check("", 0, b',', false);
        check("name,digest\na;b;c;d,x\n", 0, b',', false);
        check("\r\nname;digest\r\n", 0, b';', false);
        check("\"name\"\t\"digest\"\t\"tier\"", 0, b'\t', false);
        check("name|digest", 0, b'|', false);
        check("sep=;\r\nname;digest\n", 7, b';', false);
        check("\"SEP=\t\"\nname\tdigest\n", 8, b'\t', false);
        check("sep=", 4, b',', false);
    }

    #[test]
    fn a_backslash_before_a_quote_tells_mysql_from_rfc_4180() {
        check("name,digest\n\"say \\\"hi\\\"\",x\n", 0, b',', true);
        check("name;metadata\n\"a\";\"{\\\"plan\\\":\\\"a;b\\\"}\"\n", 0, b';', true);
        check("name,metadata\n\"a\",\"{\"\"plan\"\":\"\"a\\\\b\"\"}\"\n", 0, b',', false);
        check("name,digest\n\"ends with a backslash\\\",x\n", 0, b',', false);
        check("name,digest\n\"say \"\"hi\\\"\"\",x\n", 0, b',', false);
    }
}
