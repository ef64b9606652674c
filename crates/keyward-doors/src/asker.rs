//! The client of a door: from where it may ask, and with which door key.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use keyward_axum::keyward_http::Authenticated;
use keyward_axum::{DecisionSlot, Rejection, peer_address};

use crate::state::{Access, State};

/// The header field of a door key.
pub(crate) const X_KEYWARD_DOOR: HeaderName = HeaderName::from_static("x-keyward-door");

/// A client that may ask. There is no other way to one than from a request that was looked at.
#[derive(Debug)]
pub(crate) struct Asker {
    /// The name of its door key, if one is asked for.
    pub(crate) name: Option<Arc<str>>,
    /// The place where the decision is noted, for a log.
    slot: Option<DecisionSlot>,
}

impl Asker {
    /// The client of a request with these headers, from this peer.
    pub(crate) fn admit(state: &State, parts: &mut Parts) -> Result<Self, Rejection> {
        let access = state.access();
        let key = take_key(&mut parts.headers);
        admit_from(state, &access, peer_address(&parts.extensions))?;
        let slot = DecisionSlot::of(&parts.extensions);
        if access.keys.is_empty() {
            return Ok(Self { name: None, slot });
        }
        let name = key.and_then(|key| access.keys.find(key.as_bytes()));
        name.map(|name| Self { name: Some(name), slot }).ok_or_else(|| invalid_door_key(state))
    }

    /// Notes the decision about its request.
    pub(crate) fn note(&self, judged: &Result<Authenticated, Rejection>) {
        note(self.slot.as_ref(), judged);
    }
}

/// Notes a decision in the place of its request, if it has one.
pub(crate) fn note(slot: Option<&DecisionSlot>, judged: &Result<Authenticated, Rejection>) {
    let decision = match judged {
        Ok(allowed) => Some(allowed.decision),
        Err(rejection) => rejection.decision(),
    };
    if let Some((slot, decision)) = slot.zip(decision) {
        slot.note(decision);
    }
}

/// Whether doors may be asked from here.
pub(crate) fn admit_from(
    state: &State,
    access: &Access,
    peer: Option<IpAddr>,
) -> Result<(), Rejection> {
    if access.admits(peer) {
        return Ok(());
    }
    let peer = peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
    state.log_mistake(&format!("{peer} is not in `door_networks`"));
    Err(Rejection::new(StatusCode::FORBIDDEN, "Address not allowed"))
}

/// 401: the door key is missing or wrong.
pub(crate) fn invalid_door_key(state: &State) -> Rejection {
    state.log_mistake("a door key is missing, or is not in the file of `door_keys_file`");
    Rejection::new(StatusCode::UNAUTHORIZED, "Invalid door key")
}

/// Takes the door key out of a request, so that nothing prints it or hands it on. Several are none.
fn take_key(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let several = headers.get_all(X_KEYWARD_DOOR).iter().nth(1).is_some();
    let key = headers.remove(X_KEYWARD_DOOR);
    key.filter(|_| !several)
}

impl FromRequestParts<State> for Asker {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Rejection> {
        Self::admit(state, parts)
    }
}

/// The door key of a client of RFC 7662, which sends it as its own secret: in `Authorization` as
/// Basic (RFC 6749, section 2.3.1) or Bearer, or as `client_secret` in the form.
pub(crate) fn client_secret(headers: &HeaderMap, form: Option<&str>) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (lines.next(), lines.next());
    match (first, second, form) {
        (None, _, Some(secret)) => Some(secret.as_bytes().to_vec()),
        (Some(line), None, None) => secret_of(line.to_str().ok()?),
        // A client has to choose one way (RFC 6749, section 2.3).
        _ => None,
    }
}

fn secret_of(line: &str) -> Option<Vec<u8>> {
    let (scheme, value) = line.split_once(' ')?;
    let value = value.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(value).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    // A door key has no character that this encodes.
    Some(percent_encoding::percent_decode(decoded.get(colon + 1..)?).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_introspection_has_one_secret() {
        let check = |lines: &[&str], form, secret: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
            }
            let found = client_secret(&headers, form);
            assert_eq!(found.as_deref(), secret.map(str::as_bytes), "{lines:?} {form:?}");
        };
        check(&["Basic YXBpOnMzY3JldA=="], None, Some("s3cret"));
        check(&["basic YXBpOnMzJTYzcmV0"], None, Some("s3cret"));
        check(&["Bearer s3cret"], None, Some("s3cret"));
        check(&[], Some("s3cret"), Some("s3cret"));
        check(&[], None, None);
        check(&["Bearer s3cret"], Some("s3cret"), None);
        check(&["Bearer s3cret", "Bearer s3cret"], None, None);
        check(&["Basic !"], None, None);
        check(&["Basic YXBp"], None, None);
        check(&["Digest s3cret"], None, None);
    }
}
