//! Files as UTF-8, from UTF-8 or UTF-16.

use std::io::{self, BufReader, Chain, Cursor, Read};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE};

use super::ReadError;

/// Most bytes of a file that are looked at before it is read.
const SAMPLE_BYTES: u64 = 64 * 1024;
/// Bytes that identify the kind of a file; SQLite's are the longest.
const MAGIC_BYTES: u64 = 16;
/// Bytes that are decoded at one time.
const PIECE_BYTES: usize = 16 * 1024;

/// The beginnings of files that are not text, each with its remedy.
const FOREIGN: [(&[u8], &str); 7] = [
    (
        b"\x1f\x8b",
        "the file is compressed with gzip; decompress it, as in \
         `gzip -dc FILE | keyward import - --format csv`",
    ),
    (b"\x28\xb5\x2f\xfd", "the file is compressed with zstd; decompress it with `zstd -d`"),
    (b"BZh", "the file is compressed with bzip2; decompress it with `bzip2 -d`"),
    (b"\xfd7zXZ\0", "the file is compressed with xz; decompress it with `xz -d`"),
    (
        b"PK\x03\x04",
        "the file is a spreadsheet or a ZIP archive; save the sheet as “CSV UTF-8”, or unpack the \
         archive",
    ),
    (b"\xd0\xcf\x11\xe0", "the file is a spreadsheet; save the sheet as “CSV UTF-8”"),
    (b"SQLite format 3\0", "the file is a SQLite database; import it with --from sqlite:FILE"),
];

/// The bytes that were read ahead, and then the rest.
type After<R> = Chain<Cursor<Vec<u8>>, R>;

/// A file in UTF-8, without a byte order mark, and how it begins.
#[derive(Debug)]
pub struct Text<R> {
    /// The first 64 KiB, or all of it.
    pub(super) sample: Vec<u8>,
    /// All of it.
    pub(super) from: BufReader<After<Recoded<After<R>>>>,
}

impl<R: Read> Text<R> {
    /// Looks at the beginning of a file.
    ///
    /// # Errors
    ///
    /// Returns [`ReadError::Foreign`] with the remedy if the file is not text.
    pub fn open(mut from: R) -> Result<Self, ReadError> {
        let mut magic = Vec::new();
        from.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
        if let Some((_, problem)) = FOREIGN.iter().find(|(begin, _)| magic.starts_with(begin)) {
            return Err(ReadError::Foreign((*problem).to_owned()));
        }
        // A header and JSON begin with ASCII, which has a zero byte next to each letter in UTF-16.
        let decoder = match *magic.as_slice() {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
                let problem = "the file is UTF-32; save it as UTF-8";
                return Err(ReadError::Foreign(problem.to_owned()));
            }
            [0xff, 0xfe, ..] | [1..=127, 0, 1..=127, 0, ..] => Some(UTF_16LE),
            [0xfe, 0xff, ..] | [0, 1..=127, 0, 1..=127, ..] => Some(UTF_16BE),
            _ => None,
        };
        let decoder = decoder.map(|encoding| encoding.new_decoder_with_bom_removal());
        if decoder.is_none() && magic.starts_with(b"\xef\xbb\xbf") {
            magic.drain(..3);
        }
        let mut rest = Recoded {
            from: Cursor::new(magic).chain(from),
            decoder,
            piece: String::new(),
            read: 0,
            ended: false,
        };
        let mut sample = Vec::new();
        rest.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
        let from = BufReader::with_capacity(PIECE_BYTES, Cursor::new(sample.clone()).chain(rest));
        Ok(Self { sample, from })
    }
}

/// Bytes as they are, or out of another encoding into UTF-8, with one piece in memory.
pub(super) struct Recoded<R> {
    from: R,
    decoder: Option<Decoder>,
    piece: String,
    /// Bytes of the piece that were read.
    read: usize,
    ended: bool,
}

impl<R> std::fmt::Debug for Recoded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recoded").finish_non_exhaustive()
    }
}

impl<R: Read> Read for Recoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return self.from.read(to) };
        while self.read == self.piece.len() && !self.ended {
            let mut bytes = [0; PIECE_BYTES];
            let len = self.from.read(&mut bytes)?;
            self.ended = len == 0;
            self.piece.clear();
            self.read = 0;
            let most = decoder.max_utf8_buffer_length(len).unwrap_or(3 * PIECE_BYTES);
            self.piece.reserve(most);
            let bytes = bytes.get(..len).unwrap_or_default();
            let _all = decoder.decode_to_string(bytes, &mut self.piece, self.ended);
        }
        let mut left = self.piece.as_bytes().get(self.read..).unwrap_or_default();
        let len = left.read(to)?;
        self.read += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        Text::open(bytes).unwrap().from.read_to_string(&mut text).unwrap();
        text
    }

    /// Gives one byte at a time, as a slow pipe does.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let most = to.len().min(1);
            self.0.read(&mut to[..most])
        }
    }

    #[test]
    fn every_encoding_of_spreadsheets_becomes_utf_8() {
        let text = "name,digest\nZoë 名前 🔑,x\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(text.as_bytes()), text);
        assert_eq!(read(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), text);
        for (mark, bytes) in [(b"\xff\xfe", &little), (b"\xfe\xff", &big)] {
            let marked = [&mark[..], bytes].concat();
            assert_eq!(read(&marked), text);
            assert_eq!(read(bytes), text, "without a mark");
            let mut slow = String::new();
            Text::open(Slowly(&marked)).unwrap().from.read_to_string(&mut slow).unwrap();
            assert_eq!(slow, text);
        }
        let long = text.repeat(9_000);
        let bytes: Vec<u8> = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&bytes), long);
    }

    #[test]
    fn what_is_no_text_is_named_with_what_to_do() {
        for (begin, what) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"PK\x03\x04..", "CSV UTF-8"),
            (b"SQLite format 3\0", "--from"),
            (b"\xff\xfe\0\0n\0\0\0", "UTF-32"),
        ] {
            let problem = Text::open(begin).unwrap_err().to_string();
            assert!(problem.contains(what), "{problem}");
        }
        assert_eq!(read(b""), "");
    }
}
