//! Properties that hold for any bytes from the network; for the fuzzer alone.

use super::{BadHead, HEAD_BYTES_MAX, Head, Scanned, Scanner, VecDeque};

/// Tries the bytes of a connection.
///
/// # Panics
///
/// Panics if a property does not hold.
#[must_use]
pub fn heads(bytes: &[u8]) -> String {
    let (heads, bad) = scan(bytes, bytes.len().max(1));
    assert!(heads.len() <= bytes.len() / "A / HTTP/1.1\n\n".len(), "no head comes of nothing");
    for piece in [1, 2, 7, 1_460].into_iter().filter(|piece| bytes.len() < piece * 4_096) {
        let (again, bad_again) = scan(bytes, piece);
        assert_eq!(again, heads, "heads in pieces of {piece} are the same");
        // Which fault of a large request head is seen first depends on the pieces.
        assert_eq!(bad_again.is_some(), bad.is_some(), "in pieces of {piece}: {bad_again:?}");
    }
    for head in &heads {
        assert!(head.bad.is_none(), "a head that was read is whole");
        assert!(head.chunked || !head.ambiguous, "two lengths are one of them and chunks");
    }
    let chunked = heads.iter().rev().skip(1).filter(|head| head.chunked).count();
    assert_eq!(chunked, 0, "after chunks the connection closes");
    format!("{} heads, {:?}, {bad:?}", heads.len().min(4), heads.last())
}

/// The request heads in bytes that arrive in pieces, and the fault of the rest.
fn scan(bytes: &[u8], piece: usize) -> (Vec<Head>, Option<BadHead>) {
    let (mut scanner, mut heads, mut held) = (Scanner::default(), VecDeque::new(), Vec::new());
    for came in bytes.chunks(piece) {
        held.extend_from_slice(came);
        let Scanned { whole, bad } = scanner.scan(&held, &mut heads);
        assert!(whole <= held.len(), "no more is whole than there is");
        held.drain(..whole);
        if bad.is_some() {
            return (heads.into(), bad);
        }
        assert!(held.len() <= HEAD_BYTES_MAX, "the held bytes are bounded");
    }
    (heads.into(), None)
}
