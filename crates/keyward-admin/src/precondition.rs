//! `If-Match` and `If-None-Match`: a change only of a resource that is as the client last saw it,
//! and a response without a body to a client that has the current version (RFC 9110, section 13).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use keyward_axum::Rejection;
use sha2::{Digest as _, Sha256};

/// What a request wants to be true of the thing that it names.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Preconditions {
    /// The `ETag` under which it was seen, or several. With `*` it has only to be there; without
    /// the header it is changed whatever it is.
    #[param(rename = "If-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#)]
    #[param(example = "\"3\"", value_type = String, required = false)]
    matches: Option<Tags>,
    /// The `ETag` under which it was seen, or several: in one of these versions it is not sent
    /// again, and not changed. With `*`, that holds for every version.
    #[param(rename = "If-None-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#)]
    #[param(example = "\"3\"", value_type = String, required = false)]
    none_match: Option<Tags>,
}

/// The thing that a request names, as the headers speak of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'a> {
    /// It is not there.
    Missing,
    /// It is there, and has no `ETag`.
    Untagged,
    /// It is there with this `ETag`, which is strong; without its quotation marks.
    Tagged(&'a str),
}

impl Preconditions {
    /// Reads both headers.
    ///
    /// # Errors
    ///
    /// Returns 400 if one cannot be read: taking it for none would overwrite what it was to
    /// protect.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Rejection> {
        let none_match = Tags::of(headers, &IF_NONE_MATCH, "Malformed If-None-Match header")?;
        let matches = Tags::of(headers, &IF_MATCH, "Malformed If-Match header")?;
        Ok(Self { matches, none_match })
    }

    /// Whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        self.matches.is_none() && self.none_match.is_none()
    }

    /// Whether they ask for no more than that the thing is there.
    pub(crate) fn take_any_version(&self) -> bool {
        self.none_match.is_none() && self.matches.as_ref().is_none_or(|tags| *tags == Tags::Any)
    }

    /// Whether a change may be made of it.
    ///
    /// # Errors
    ///
    /// Returns the 412 if not; `what` is the word for the resource.
    pub(crate) fn check_change(&self, what: &str, named: Named<'_>) -> Result<(), Rejection> {
        self.check_match(what, named)?;
        match &self.none_match {
            Some(tags) if tags.weakly_have(named) => Err(failed(match tags {
                Tags::Any => format!("The {what} is there already"),
                Tags::OneOf(_) => format!("The {what} has not changed"),
            })),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the client has the current version already.
    ///
    /// # Errors
    ///
    /// Returns 412 if `If-Match` does not match.
    pub(crate) fn is_known(&self, what: &str, named: Named<'_>) -> Result<bool, Rejection> {
        self.check_match(what, named)?;
        Ok(self.none_match.as_ref().is_some_and(|tags| tags.weakly_have(named)))
    }

    fn check_match(&self, what: &str, named: Named<'_>) -> Result<(), Rejection> {
        match &self.matches {
            Some(tags) if !tags.strongly_have(named) => Err(stale(what)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The response to a read: the resource, or 304 if it has not changed, with its `ETag` in either
/// case.
///
/// # Errors
///
/// Returns the 400 or 412 of the request's preconditions.
pub(crate) fn shown(
    headers: &HeaderMap,
    what: &str,
    tag: &str,
    thing: impl IntoResponse,
) -> Result<Response, Rejection> {
    let is_known = Preconditions::read(headers)?.is_known(what, Named::Tagged(tag))?;
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { thing.into_response() };
    response.headers_mut().extend(etag(tag));
    Ok(response)
}

/// The `ETag` header with this tag, which holds visible characters alone.
pub(crate) fn etag(tag: &str) -> HeaderMap {
    let tag = HeaderValue::try_from(format!("\"{tag}\""));
    HeaderMap::from_iter(tag.map(|tag| (ETAG, tag)))
}

/// The 412 of a change of a resource whose current version the client does not know.
pub(crate) fn stale(what: &str) -> Rejection {
    failed(format!("The {what} has changed since; read it again"))
}

fn failed(detail: String) -> Rejection {
    Rejection::new(StatusCode::PRECONDITION_FAILED, detail)
}

/// The `ETag` of a resource without a version: 16 digits of the SHA-256 of its view.
pub(crate) fn tag_of(shown: &impl serde::Serialize) -> Option<String> {
    let text = serde_json::to_vec(shown).ok()?;
    let digest = Sha256::digest(&text);
    Some(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// The tags that a header names.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: any, as long as the thing is there.
    Any,
    /// One of these.
    OneOf(Vec<Tag>),
}

/// An entity tag, without its quotation marks.
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    text: Vec<u8>,
}

impl Tags {
    fn of(
        headers: &HeaderMap,
        name: &HeaderName,
        malformed: &'static str,
    ) -> Result<Option<Self>, Rejection> {
        let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        let tags = Self::read(&lines);
        tags.map(Some).ok_or_else(|| Rejection::new(StatusCode::BAD_REQUEST, malformed))
    }

    /// Weak tags never match here, since the resource may have changed.
    fn strongly_have(&self, named: Named<'_>) -> bool {
        self.have(named, |tag| !tag.is_weak)
    }

    fn weakly_have(&self, named: Named<'_>) -> bool {
        self.have(named, |_| true)
    }

    fn have(&self, named: Named<'_>, counts: impl Fn(&Tag) -> bool) -> bool {
        match (self, named) {
            (_, Named::Missing) | (Self::OneOf(_), Named::Untagged) => false,
            (Self::Any, Named::Untagged | Named::Tagged(_)) => true,
            (Self::OneOf(tags), Named::Tagged(own)) => {
                tags.iter().any(|tag| counts(tag) && tag.text == own.as_bytes())
            }
        }
    }

    /// Reads all lines of a header as one list.
    fn read(lines: &[&[u8]]) -> Option<Self> {
        let whole = lines.join(&b", "[..]);
        if whole.trim_ascii() == b"*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
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
            tags.push(Tag { is_weak: weak.is_some(), text: tag.to_vec() });
            rest = behind.strip_prefix(b"\"")?.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Self::OneOf(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<Tags> {
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        Tags::read(&lines)
    }

    #[test]
    fn tags_are_a_list_over_all_lines() {
        let tags = |tags: &[&str]| {
            let tag = |tag: &&str| Tag { is_weak: false, text: tag.as_bytes().to_vec() };
            Some(Tags::OneOf(tags.iter().map(tag).collect()))
        };
        assert_eq!(read(&["*"]), Some(Tags::Any));
        assert_eq!(read(&[" * "]), Some(Tags::Any));
        assert_eq!(read(&["\"3\""]), tags(&["3"]));
        assert_eq!(read(&["\"3\", \"4\"", "\"5\""]), tags(&["3", "4", "5"]));
        assert_eq!(read(&[", ,\"3\",,"]), tags(&["3"]));
        assert_eq!(read(&["\"a,b\""]), tags(&["a,b"]));
        assert_eq!(read(&["\"\""]), tags(&[""]));
        assert_eq!(read(&["\"ü\""]), tags(&["ü"]));
    }

    #[test]
    fn an_invalid_list_of_tags_has_none() {
        for line in
            ["", ",", "3", "\"3", "3\"", "\"3\" \"4\"", "w/\"3\"", "*, \"3\"", "\"a b\"", "\"3\"x"]
        {
            assert_eq!(read(&[line]), None, "{line}");
        }
    }

    fn preconditions(lines: &[(&'static str, &str)]) -> Preconditions {
        let lines =
            lines.iter().map(|(name, line)| (HeaderName::from_static(name), line.parse().unwrap()));
        Preconditions::read(&lines.collect()).unwrap()
    }

    #[test]
    fn a_change_is_made_only_of_the_version_that_was_read() {
        let check = |lines: &[(&'static str, &str)], named, fits| {
            let fit = preconditions(lines).check_change("key", named).is_ok();
            assert_eq!(fit, fits, "{lines:?} {named:?}");
        };
        let (here, absent) = (Named::Tagged("3"), Named::Missing);
        check(&[], here, true);
        check(&[], absent, true);
        check(&[("if-match", "*")], here, true);
        check(&[("if-match", "*")], Named::Untagged, true);
        check(&[("if-match", "*")], absent, false);
        check(&[("if-match", "\"2\", \"3\"")], here, true);
        check(&[("if-match", "\"2\"")], here, false);
        check(&[("if-match", "W/\"3\"")], here, false);
        check(&[("if-match", "\"3\"")], Named::Untagged, false);
        check(&[("if-none-match", "*")], here, false);
        check(&[("if-none-match", "*")], Named::Untagged, false);
        check(&[("if-none-match", "*")], absent, true);
        check(&[("if-none-match", "\"3\"")], here, false);
        check(&[("if-none-match", "W/\"3\"")], here, false);
        check(&[("if-none-match", "\"2\"")], here, true);
        check(&[("if-match", "\"3\""), ("if-none-match", "\"3\"")], here, false);
    }

    #[test]
    fn a_client_that_has_the_version_gets_304() {
        let known = |lines: &[(&'static str, &str)]| {
            preconditions(lines).is_known("key", Named::Tagged("3")).ok()
        };
        assert_eq!(known(&[]), Some(false));
        assert_eq!(known(&[("if-none-match", "\"2\", W/\"3\"")]), Some(true));
        assert_eq!(known(&[("if-none-match", "*")]), Some(true));
        assert_eq!(known(&[("if-none-match", "\"2\"")]), Some(false));
        assert_eq!(known(&[("if-match", "\"2\"")]), None);
    }
}
