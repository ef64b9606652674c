//! `If-Match`: a change of a key only if it is as the client last saw it (RFC 9110, 13.1.1).

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, IF_MATCH};
use keyward::KeyId;
use keyward::details::Version;
use keyward_axum::{Guard, Refusal};

use super::existing;

/// The version that a change expects, as the request says; `None` if any will do.
///
/// # Errors
///
/// Returns 404 if there is no such key, 412 if it is in another version, and 400 if the header
/// cannot be read: taking it for none would overwrite what it was to protect.
pub(super) async fn expected(
    guard: &Guard,
    id: KeyId,
    headers: &HeaderMap,
) -> Result<Option<Version>, Refusal> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let malformed = || Refusal::new(StatusCode::BAD_REQUEST, "Malformed If-Match header");
    match IfMatch::read(lines).ok_or_else(malformed)? {
        IfMatch::Any => Ok(None),
        IfMatch::OneOf(tags) => {
            let version = existing(guard, id).await?.version;
            let matches = tags.contains(&version.get().to_string().into_bytes());
            if matches { Ok(Some(version)) } else { Err(stale()) }
        }
    }
}

pub(super) fn stale() -> Refusal {
    Refusal::new(StatusCode::PRECONDITION_FAILED, "The key has changed since; read it again")
}

/// Which versions the client expects.
#[derive(Debug, PartialEq, Eq)]
enum IfMatch {
    /// `*`: any, as long as the key is there.
    Any,
    /// One with one of these strong tags. Weak ones are left out, as they never match.
    OneOf(Vec<Vec<u8>>),
}

impl IfMatch {
    /// Reads all lines of the header as one list.
    fn read<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<Self> {
        let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
        let whole = lines.join(&b", "[..]);
        if whole.trim_ascii() == b"*" {
            return Some(Self::Any);
        }
        let (mut strong, mut found) = (Vec::new(), false);
        let mut rest = whole.trim_ascii();
        while !rest.is_empty() {
            // Empty items of a list are left out (RFC 9110, 5.6.1.2).
            if let Some(behind) = rest.strip_prefix(b",") {
                rest = behind.trim_ascii_start();
                continue;
            }
            let weak = rest.strip_prefix(b"W/");
            let quoted = weak.unwrap_or(rest).strip_prefix(b"\"")?;
            let end = quoted.iter().position(|byte| *byte == b'"')?;
            let (tag, behind) = quoted.split_at(end);
            if !tag.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
                return None;
            }
            strong.extend(weak.is_none().then(|| tag.to_vec()));
            found = true;
            rest = behind.strip_prefix(b"\"")?.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return None;
            }
        }
        found.then_some(Self::OneOf(strong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<IfMatch> {
        let lines: Vec<_> =
            lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap()).collect();
        IfMatch::read(lines.iter())
    }

    #[test]
    fn tags_are_a_list_over_all_lines() {
        let tags = |tags: &[&str]| {
            Some(IfMatch::OneOf(tags.iter().map(|tag| tag.as_bytes().to_vec()).collect()))
        };
        assert_eq!(read(&["*"]), Some(IfMatch::Any));
        assert_eq!(read(&[" * "]), Some(IfMatch::Any));
        assert_eq!(read(&["\"3\""]), tags(&["3"]));
        assert_eq!(read(&["\"3\", \"4\"", "\"5\""]), tags(&["3", "4", "5"]));
        assert_eq!(read(&[", ,\"3\",,"]), tags(&["3"]));
        assert_eq!(read(&["\"a,b\""]), tags(&["a,b"]));
        assert_eq!(read(&["\"\""]), tags(&[""]));
        assert_eq!(read(&["\"ü\""]), tags(&["ü"]));
    }

    #[test]
    fn weak_tags_never_match() {
        assert_eq!(read(&["W/\"3\""]), Some(IfMatch::OneOf(Vec::new())));
        assert_eq!(read(&["W/\"3\", \"4\""]), Some(IfMatch::OneOf(vec![b"4".to_vec()])));
    }

    #[test]
    fn what_is_no_list_of_tags_is_nothing() {
        for line in
            ["", ",", "3", "\"3", "3\"", "\"3\" \"4\"", "w/\"3\"", "*, \"3\"", "\"a b\"", "\"3\"x"]
        {
            assert_eq!(read(&[line]), None, "{line}");
        }
    }
}
