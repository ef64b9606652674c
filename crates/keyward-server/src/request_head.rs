//! Request heads as they come off the wire, before hyper sees them.
//!
//! Two facts are lost in hyper. It drops `Content-Length` when a request also has
//! `Transfer-Encoding`, as RFC 9112 permits; but a proxy in front may have used the length, and
//! then the two see different requests. And it rejects a request head that it cannot read with an
//! empty response of its own. So each head is judged here first; [`wire`](crate::wire) acts on the
//! verdict.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Uri};

/// Most bytes of a request line and its header fields together.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most header fields of a request; hyper has the same bound.
const FIELDS_MAX: usize = 100;
/// The largest length; hyper keeps the two largest numbers for itself.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// Marks a request that states both the length of its body and that it comes in chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmbiguousLength;

/// Why a request head cannot be read. The connection closes after the response, since the next
/// request may not begin where it seems to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// It does not begin with a method, a target and a version of HTTP/1.
    Line,
    /// A header field is not `name: value`.
    Field,
    /// Its body has no length that two readers would agree on.
    Length,
    /// The request line alone is longer than a request head may be.
    LineTooLong,
    /// The whole request head is too long, or has too many fields.
    TooLarge,
}

/// The heads of the requests on one connection that hyper has not handed over yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadQueue(Arc<Mutex<VecDeque<Head>>>);

impl HeadQueue {
    /// The head of the next request, in the order in which they came.
    pub(crate) fn next(&self) -> Head {
        self.lock().pop_front().unwrap_or_default()
    }

    /// Locked for one read of the socket or one request of this connection, never while waiting.
    pub(crate) fn lock(&self) -> MutexGuard<'_, VecDeque<Head>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request head's statement about its body, or its fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// It states a length and chunked coding.
    pub(crate) ambiguous: bool,
    /// It states chunked coding. Only hyper knows where the chunks end, so the connection closes
    /// after them.
    pub(crate) chunked: bool,
    /// Its fault; hyper gets a placeholder for it.
    pub(crate) bad: Option<BadHead>,
}

/// The position in a connection: in a body, or at the beginning of a request head.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes of the current body that are still to come.
    body: u64,
    /// Set when the rest of the connection cannot be followed: it closes after the request that is
    /// under way.
    done: bool,
}

/// The result of scanning some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// How many bytes are whole request heads and their bodies. The rest is the beginning of a
    /// head.
    pub(crate) whole: usize,
    /// Why that rest cannot become a request head.
    pub(crate) bad: Option<BadHead>,
}

impl Scanner {
    /// Whether the next byte begins a request head, or goes on with one.
    pub(crate) fn is_at_head(&self) -> bool {
        self.body == 0 && !self.done
    }

    /// Goes through bytes that continue the earlier ones; the rest of the last scan comes again at
    /// their beginning. Each whole request head is added to `heads`.
    pub(crate) fn scan(&mut self, bytes: &[u8], heads: &mut VecDeque<Head>) -> Scanned {
        let mut whole = 0;
        loop {
            let rest = bytes.get(whole..).unwrap_or_default();
            if self.done || rest.is_empty() {
                return Scanned { whole: bytes.len(), bad: None };
            }
            if self.body != 0 {
                let skipped = usize::try_from(self.body).unwrap_or(usize::MAX).min(rest.len());
                self.body -= skipped as u64;
                whole += skipped;
                continue;
            }
            match read_head(rest) {
                Ok(Some((head, length, end))) => {
                    self.done = head.chunked;
                    self.body = length;
                    heads.push_back(head);
                    whole += end;
                }
                Ok(None) => return Scanned { whole, bad: None },
                Err(bad) => {
                    self.done = true;
                    return Scanned { whole, bad: Some(bad) };
                }
            }
        }
    }
}

/// Reads a request head: its statement, the length of its body, and its end; `None` if it goes on
/// after these bytes.
fn read_head(bytes: &[u8]) -> Result<Option<(Head, u64, usize)>, BadHead> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) if end <= HEAD_BYTES_MAX => {
            let (head, length) = judge(&request)?;
            Ok(Some((head, length, end)))
        }
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => Ok(None),
        Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => Err(too_large(bytes)),
        Err(httparse::Error::TooManyHeaders) => Err(BadHead::TooLarge),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => Err(BadHead::Field),
        Err(_) if request.version.is_some() => Err(BadHead::Field),
        Err(_) => Err(BadHead::Line),
    }
}

fn too_large(bytes: &[u8]) -> BadHead {
    let most = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes).trim_ascii_start();
    if most.contains(&b'\n') { BadHead::TooLarge } else { BadHead::LineTooLong }
}

/// Rejects each whole request head that hyper would reject.
fn judge(request: &httparse::Request<'_, '_>) -> Result<(Head, u64), BadHead> {
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    if Method::from_bytes(method.as_bytes()).is_err() || !is_target(target) {
        return Err(BadHead::Line);
    }
    let (mut length, mut coding) = (None, None);
    for field in &*request.headers {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            coding = Some(field.value);
        } else if field.name.eq_ignore_ascii_case("content-length") {
            let this = read_length(field.value).ok_or(BadHead::Length)?;
            if length.replace(this).is_some_and(|other| other != this) {
                return Err(BadHead::Length);
            }
        }
    }
    // Of several codings the last one is on the wire (RFC 9112, section 6.3).
    let last = coding.map(|value| value.rsplit(|byte| *byte == b',').next().unwrap_or_default());
    let is_chunked = last.map(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if is_chunked == Some(false) || (is_chunked.is_some() && request.version == Some(0)) {
        return Err(BadHead::Length);
    }
    let chunked = is_chunked.is_some();
    let head = Head { ambiguous: chunked && length.is_some(), chunked, bad: None };
    Ok((head, length.unwrap_or(0)))
}

fn read_length(value: &[u8]) -> Option<u64> {
    let is_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length: u64 = std::str::from_utf8(value).ok().filter(|_| is_digits)?.parse().ok()?;
    (length <= LENGTH_MAX).then_some(length)
}

/// Whether hyper takes this for a target. Nearly all are made of these bytes, of which every
/// sequence is one; others are parsed as hyper does.
fn is_target(target: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%?&=+,:;@!$'()*".contains(&b);
    (target.starts_with('/') && target.bytes().all(is_plain)) || target.parse::<Uri>().is_ok()
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;
