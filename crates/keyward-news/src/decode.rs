//! From the bytes of a feed to its text: decompressing, and finding out how characters are written.

use std::io::{self, Read};

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// Most times that a feed is decompressed: a compressed file may be compressed once more on its
/// way here.
const LAYERS_MAX: usize = 3;

/// Bytes in which a declaration is looked for; a long comment may precede it.
const DECLARATION_WITHIN: usize = 4 * 1_024;

/// What cannot be decompressed here, by its first bytes.
const OTHER_FORMATS: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"%PDF-", "PDF"),
];

/// Why bytes are not decompressed.
#[derive(Debug)]
pub(crate) enum Undecoded {
    /// There are more than are read.
    TooLong,
    /// They are of this format, which is none of a feed.
    Foreign(&'static str),
    /// They are damaged.
    Broken(io::Error),
}

/// The bytes of a feed, decompressed as often as they were compressed.
///
/// # Errors
///
/// Returns [`Undecoded`] if there are more than `len_max`, or they are damaged.
pub(crate) fn decompress(bytes: &[u8], len_max: usize) -> Result<Vec<u8>, Undecoded> {
    let mut bytes = bytes.to_owned();
    for _ in 0..LAYERS_MAX {
        if len_max < bytes.len() {
            return Err(Undecoded::TooLong);
        }
        let layer: Box<dyn Read + '_> = match bytes.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(bytes.as_slice())),
            // RFC 1950, section 2.2: the meaning of `Content-Encoding: deflate`.
            [0x78, flags, ..] if u16::from_be_bytes([0x78, *flags]).is_multiple_of(31) => {
                Box::new(ZlibDecoder::new(bytes.as_slice()))
            }
            _ => break,
        };
        let mut decompressed = Vec::new();
        let most = u64::try_from(len_max).unwrap_or(u64::MAX).saturating_add(1);
        layer.take(most).read_to_end(&mut decompressed).map_err(Undecoded::Broken)?;
        bytes = decompressed;
    }
    if len_max < bytes.len() {
        return Err(Undecoded::TooLong);
    }
    let foreign = OTHER_FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic));
    foreign.map_or(Ok(bytes), |(_, name)| Err(Undecoded::Foreign(name)))
}

/// The text of a feed. Bytes of no character become U+FFFD.
///
/// A byte order mark says how it is written. Without one, bytes that are all valid UTF-8 are UTF-8,
/// since hardly any other text is that by accident; then the encoding in HTTP counts, and then the
/// one in the declaration of the XML. Names are understood as browsers do: `latin1` is
/// windows-1252.
pub(crate) fn text(bytes: &[u8], charset: Option<&str>) -> String {
    if let Some((encoding, mark_len)) = Encoding::for_bom(bytes) {
        let (_, rest) = bytes.split_at(mark_len.min(bytes.len()));
        return decode(encoding, rest);
    }
    if let Some(encoding) = unmarked_utf16(bytes) {
        return decode(encoding, bytes);
    }
    let named = charset.and_then(|name| Encoding::for_label(name.trim().as_bytes()));
    // UTF-16 would have been seen: it is not what these bytes are.
    let is_likely = |encoding: &&Encoding| ![UTF_16BE, UTF_16LE].contains(encoding);
    let named = named.or_else(|| declared(bytes)).filter(is_likely);
    // Written in seven bits, and so valid UTF-8 that says nothing.
    if named == Some(ISO_2022_JP) && bytes.contains(&0x1b) {
        return decode(ISO_2022_JP, bytes);
    }
    match (std::str::from_utf8(bytes), named.filter(|it| *it != UTF_8)) {
        (Ok(text), _) => text.to_owned(),
        (Err(_), Some(named)) if !is_mostly_utf8(bytes, 4) => decode(named, bytes),
        (Err(_), None) if !is_mostly_utf8(bytes, 1) => decode(WINDOWS_1252, bytes),
        (Err(_), _) => decode(UTF_8, bytes),
    }
}

fn decode(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// XML begins with `<` and goes on in ASCII, so every other byte is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// The encoding in the declaration of the XML, which is near the beginning.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..DECLARATION_WITHIN).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head);
    let (_, declaration) = head.split_once("<?xml")?;
    let (declaration, _) = declaration.split_once('>')?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let name = value.trim_start_matches(['"', '\'']);
    let end = name.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '?'));
    Encoding::for_label(name.get(..end.unwrap_or(name.len()))?.as_bytes())
}

/// Says whether this is UTF-8 with some damage: there are more than `times` as many characters
/// outside ASCII as there are faults. Without any, it is the encoding that most programs of the
/// West used before.
fn is_mostly_utf8(bytes: &[u8], times: usize) -> bool {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    invalid * times < valid
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], charset: Option<&str>, expected: &str) {
        assert_eq!(text(bytes, charset), expected);
    }

    fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    #[test]
    fn a_byte_order_mark_says_how_text_is_written() {
        check(b"\xef\xbb\xbf<a>\xc3\xa9</a>", Some("koi8-r"), "<a>é</a>");
        check(&utf16("\u{feff}<a>é🐈", u16::to_be_bytes), None, "<a>é🐈");
        check(&utf16("\u{feff}<a>é🐈", u16::to_le_bytes), Some("utf-8"), "<a>é🐈");
    }

    #[test]
    fn utf_16_is_known_without_a_mark() {
        let xml = r#"<?xml version="1.0" encoding="utf-16"?><a>é"#;
        check(&utf16(xml, u16::to_be_bytes), None, xml);
        check(&utf16(xml, u16::to_le_bytes), Some("iso-8859-1"), xml);
        check(xml.as_bytes(), Some("utf-16"), xml);
    }

    #[test]
    fn valid_utf_8_wins_and_http_comes_before_the_declaration() {
        let declared = |name: &str, byte: &[u8]| {
            [format!("<?xml version='1.0' encoding='{name}'?>").as_bytes(), byte].concat()
        };
        let ends = |bytes: &[u8], charset, end: &str| {
            assert!(text(bytes, charset).ends_with(end), "{}", text(bytes, charset));
        };
        ends(&declared("iso-8859-1", "é".as_bytes()), Some("koi8-r"), ">é");
        ends(&declared("iso-8859-1", b"\xe9\x93"), None, ">é“");
        ends(&declared("koi8-r", b"\xc1"), None, ">а");
        ends(&declared("koi8-r", b"\xc1"), Some("iso-8859-1"), ">Á");
        ends(&declared("koi8-r", b"\xc1"), Some("no-such"), ">а");
        let late = [b"<!-- ".as_slice(), &[b'x'; 500], b"-->", &declared("koi8-r", b"\xc1")];
        ends(&late.concat(), None, ">а");
        ends(&declared("iso-2022-jp", b"\x1b$B$\"\x1b(B"), None, ">あ");
    }

    #[test]
    fn damage_is_kept_to_the_bytes_that_it_hit() {
        check(b"Caf\xe9", None, "Café");
        check(b"<?xml encoding='utf-8'?>Caf\xe9", None, "<?xml encoding='utf-8'?>Café");
        check("Café für \u{1f408}".as_bytes().get(..13).unwrap(), None, "Café für \u{fffd}");
        check(b"\xc3\xa9\xc3\xa9\xff", Some("utf-8"), "éé\u{fffd}");
        let mostly = ["é".repeat(5).as_bytes(), b"\xe9"].concat();
        check(&mostly, Some("latin1"), "ééééé\u{fffd}");
        check(b"\xc3\xa9\xe9", Some("latin1"), "Ã©é");
        check(b"", None, "");
    }

    #[test]
    fn what_is_compressed_is_decompressed_within_a_bound() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&[b'x'; 1_000]).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut both = ZlibEncoder::new(Vec::new(), Compression::best());
        both.write_all(&gzip).unwrap();
        let both = both.finish().unwrap();
        for bytes in [&gzip, &both, &vec![b'x'; 1_000]] {
            assert_eq!(decompress(bytes, 1_000).unwrap(), [b'x'; 1_000]);
            assert!(matches!(decompress(bytes, 999), Err(Undecoded::TooLong)));
        }
        let cut = gzip.get(..gzip.len() - 5).unwrap();
        assert!(matches!(decompress(cut, 1_000), Err(Undecoded::Broken(_))));
        assert!(matches!(decompress(b"PK\x03\x04", 1_000), Err(Undecoded::Foreign("zip"))));
    }
}
