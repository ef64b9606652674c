//! A client of HTTP/2 that sends any frames, which a well-behaved one would not.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most bytes in a frame unless the other side takes more.
const FRAME_LEN_MAX: usize = 16_384;
/// How long a test waits for a frame before it fails rather than hangs.
const FRAME_WITHIN: Duration = Duration::from_secs(60);

/// A field of a request head.
pub(crate) type Field<'a> = (&'a str, &'a str);

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
}

/// A frame of the server.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) content: Vec<u8>,
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = len[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A request head in HPACK (RFC 7541), each field as a literal that no table keeps.
pub(crate) fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            let mut len = text.len();
            if len < 127 {
                bytes.push(u8::try_from(len).unwrap());
            } else {
                bytes.push(127);
                len -= 127;
                while 128 <= len {
                    bytes.push(u8::try_from(len % 128).unwrap() | 128);
                    len /= 128;
                }
                bytes.push(u8::try_from(len).unwrap());
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

impl Raw {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut raw = Self::silent(address);
        raw.send(PREFACE);
        raw.send(&frame(SETTINGS, 0, 0, &[]));
        raw
    }

    /// A connection that has sent nothing.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(FRAME_WITHIN)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// The same connection, so that one thread reads while another one writes.
    pub(crate) fn again(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap() }
    }

    /// Shuts down the sending side.
    pub(crate) fn half_close(&mut self) {
        // The server may have ended it.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Sends bytes as they are. A connection that the server has ended takes none.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a whole request head.
    pub(crate) fn head(&mut self, flags: u8, stream: u32, fields: &[Field<'_>]) -> bool {
        let block = block(fields);
        let (first, rest) = block.split_at(block.len().min(FRAME_LEN_MAX));
        if rest.is_empty() {
            return self.send(&frame(HEADERS, flags | END_HEADERS, stream, first));
        }
        let begun = frame(HEADERS, flags, stream, first);
        self.send(&[begun, frame(CONTINUATION, END_HEADERS, stream, rest)].concat())
    }

    /// Whether the server has ended the connection. What it sent before is left out.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let end = loop {
            match self.stream.read(&mut [0; 1_024]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).unwrap();
        end
    }

    /// Fills the buffer; `None` at the end of the connection.
    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        self.stream
            .read_exact(buffer)
            .map_err(|error| {
                let is_late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!is_late, "neither a frame nor the end came");
            })
            .ok()
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut content = vec![0; len as usize];
        self.fill(&mut content)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, content })
    }

    /// What becomes of a request: its status, or how its stream or the connection ended.
    pub(crate) fn outcome(&mut self, stream: u32) -> String {
        while let Some(frame) = self.read() {
            match frame.kind {
                HEADERS if frame.stream == stream => return status(&frame.content).to_string(),
                RST_STREAM if frame.stream == stream => {
                    return format!("reset {}", number(&frame.content[..4]));
                }
                GOAWAY if number(&frame.content[4..8]) != 0 => {
                    return format!("goaway {}", number(&frame.content[4..8]));
                }
                _ => {}
            }
        }
        "closed".to_owned()
    }

    /// Reads to the end of the connection, and returns the frames of these kinds.
    pub(crate) fn rest(&mut self, kinds: &[u8]) -> Vec<Frame> {
        let frames = std::iter::from_fn(|| self.read());
        frames.filter(|frame| kinds.contains(&frame.kind)).collect()
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// The status that a response begins with.
fn status(block: &[u8]) -> u16 {
    // Changes of the table's size come first.
    let begin = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match block[begin] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        // A literal with a name of the table; its value is in Huffman's code.
        0x48..=0x4e | 0x08..=0x0e => digits(&block[begin + 2..]),
        other => panic!("no status: {other:#x}"),
    }
}

/// Three digits: 5 bits each up to `2`, else 6 bits (RFC 7541, appendix B).
fn digits(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut take =
        |count: usize| bits.by_ref().take(count).fold(0, |all, bit| all << 1 | u16::from(bit));
    (0..3).fold(0, |number, _| {
        let short = take(5);
        let digit = if short <= 2 { short } else { (short << 1 | take(1)) - 0b011001 + 3 };
        number * 10 + digit
    })
}
