//! Request heads are the same for any pieces in which they arrive.

use super::*;

const PLAIN: Head = Head { ambiguous: false, chunked: false, bad: None };
const CHUNKED: Head = Head { ambiguous: false, chunked: true, bad: None };
const BOTH: Head = Head { ambiguous: true, chunked: true, bad: None };

/// The request heads in these bytes when they arrive in pieces, and the fault at the end.
fn scan(bytes: &[u8], piece: usize) -> (Vec<Head>, Option<BadHead>) {
    let (mut scanner, mut heads, mut held) = (Scanner::default(), VecDeque::new(), Vec::new());
    for chunk in bytes.chunks(piece) {
        held.extend_from_slice(chunk);
        let Scanned { whole, bad } = scanner.scan(&held, &mut heads);
        held.drain(..whole);
        if bad.is_some() {
            return (heads.into(), bad);
        }
    }
    (heads.into(), None)
}

/// For any pieces in which the bytes arrive, the request heads are the same.
#[track_caller]
fn check(text: &str, heads: &[Head], bad: Option<BadHead>) {
    for piece in 1..=text.len() {
        assert_eq!(scan(text.as_bytes(), piece), (heads.to_vec(), bad), "in pieces of {piece}");
    }
}

#[test]
fn heads_are_found_after_bodies_and_in_pipelines() {
    check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", &[PLAIN], None);
    check("GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &[PLAIN, PLAIN], None);
    let post = "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nGET / HT\n";
    check(&format!("{post}{post}GET / HTTP/1.0\n\n"), &[PLAIN, PLAIN, PLAIN], None);
}

#[test]
fn a_length_in_addition_to_chunks_is_noticed_in_either_order() {
    check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[CHUNKED], None);
    let length = "Content-Length: 4\r\n";
    let chunks = "Transfer-Encoding: gzip, chunked\r\n";
    check(&format!("POST / HTTP/1.1\r\n{length}{chunks}\r\n"), &[BOTH], None);
    check(&format!("POST / HTTP/1.1\r\n{chunks}{length}\r\n"), &[BOTH], None);
}

#[test]
fn a_fault_of_a_head_is_named() {
    let bad = |text: &str, bad| check(text, &[], Some(bad));
    bad("zzz\r\n\r\nGET / HTTP/1.1\r\n\r\n", BadHead::Line);
    bad("GET /a b HTTP/1.1\r\n\r\n", BadHead::Line);
    bad("GET <> HTTP/1.1\r\n\r\n", BadHead::Line);
    bad("GET /`` HTTP/1.1\r\n\r\n", BadHead::Line);
    bad("GET / HTTP/2.0\r\n\r\n", BadHead::Line);
    bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BadHead::Line);
    bad("\x16\x03\x01\r\n", BadHead::Line);
    bad("GET / HTTP/1.1\r\na b: c\r\n\r\n", BadHead::Field);
    bad("GET / HTTP/1.1\r\na: b\0c\r\n\r\n", BadHead::Field);
    bad("GET / HTTP/1.1\r\na\r\n\r\n", BadHead::Field);
    bad("GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", BadHead::Field);
    check("GET / HTTP/1.1\r\n\r\nzzz\r\n\r\n", &[PLAIN], Some(BadHead::Line));
}

#[test]
fn a_body_has_one_length() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
    for fields in [
        "content-length: x",
        "content-length: -1",
        "content-length: +1",
        "content-length: 1, 1",
        "content-length:",
        "content-length: 18446744073709551615",
        "content-length: 1\r\ncontent-length: 2",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "content-length: x\r\ntransfer-encoding: chunked",
    ] {
        check(&post(fields), &[], Some(BadHead::Length));
    }
    let twice = post("content-length: 0\r\ncontent-length: 0");
    check(&format!("{twice}{twice}"), &[PLAIN, PLAIN], None);
    let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    check(old, &[], Some(BadHead::Length));
}

#[test]
fn a_head_is_bounded() {
    let head = |line: usize, field: usize| {
        let (line, field) = ("l".repeat(line), "f".repeat(field));
        format!("GET /{line} HTTP/1.1\r\na: {field}\r\n\r\n")
    };
    let frame = head(0, 0).len();
    let check = |text: String, heads: &[Head], bad| {
        for piece in [1_000, 16_384, 16_385, 50_000] {
            assert_eq!(scan(text.as_bytes(), piece), (heads.to_vec(), bad));
        }
    };
    check(head(0, HEAD_BYTES_MAX - frame), &[PLAIN], None);
    check(head(HEAD_BYTES_MAX - frame, 0), &[PLAIN], None);
    check(head(0, HEAD_BYTES_MAX - frame + 1), &[], Some(BadHead::TooLarge));
    check(head(HEAD_BYTES_MAX, 0), &[], Some(BadHead::LineTooLong));
    check(head(40_000, 0), &[], Some(BadHead::LineTooLong));
    check(head(0, 40_000), &[], Some(BadHead::TooLarge));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    check(fields(FIELDS_MAX), &[PLAIN], None);
    check(fields(FIELDS_MAX + 1), &[], Some(BadHead::TooLarge));
}

#[test]
fn targets_are_those_of_hyper() {
    for target in ["/", "/a%20b?c=d&e", "*", "http://a/b", "/a{b}|c", "/ä", "//a", "/?"] {
        assert_eq!(is_target(target), target.parse::<Uri>().is_ok(), "{target}");
        assert!(is_target(target), "{target}");
    }
    for target in ["", "/a<b", "/a`", "a b"] {
        assert!(!is_target(target), "{target}");
    }
}
