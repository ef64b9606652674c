//! Cells about the key that a request carries.

use anyhow::Result;
use serde_json::json;

use super::{Step, one};
use crate::doors::facts::Facts;
use crate::doors::keyward::limit;
use crate::doors::lane::{self, Lane, limited_by, rejected};
use crate::http::Request;

const MISSING: &str = "Missing Authorization header";
const MALFORMED: &str = "Invalid Authorization format. Use: Bearer YOUR_API_KEY";
const INVALID: &str = "Invalid or inactive API key";
const SEVERAL: &str = "More than one API key in the request";

/// 401 to a request without a key.
pub(super) fn missing() -> Facts {
    rejected(401, MISSING).with("www-authenticate", "Bearer")
}

/// 401 to a request whose key does not work, for whatever reason.
pub(super) fn invalid() -> Facts {
    rejected(401, INVALID).with("www-authenticate", r#"Bearer error="invalid_token""#)
}

pub(super) fn allowed(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    one(lane.send(&request, Some(&key))?, lane::allowed(&key, 99))
}

pub(super) fn by_x_api_key(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).header("X-API-Key", &key.text);
    one(lane.send(&request, Some(&key))?, lane::allowed(&key, 99))
}

pub(super) fn none(lane: &Lane<'_>) -> Result<Vec<Step>> {
    one(lane.send(&Request::get(&lane.path()), None)?, missing())
}

pub(super) fn wrong(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let request = Request::get(&lane.path()).bearer("kw_wrong");
    one(lane.send(&request, None)?, invalid())
}

pub(super) fn malformed(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let request = Request::get(&lane.path()).header("Authorization", "Basic YTpi");
    let expected = rejected(401, MALFORMED);
    let expected = expected.with("www-authenticate", r#"Bearer error="invalid_request""#);
    one(lane.send(&request, None)?, expected)
}

pub(super) fn two(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text).header("X-API-Key", &key.text);
    Ok(vec![Step::new(lane.send(&request, Some(&key))?, several()).with_key(&key)])
}

pub(super) fn two_lines(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).header("X-API-Key", &key.text);
    let request = request.header("X-API-Key", &key.text);
    one(lane.send(&request, Some(&key))?, several())
}

pub(super) fn two_authorizations(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text).bearer(&key.text);
    one(lane.send(&request, Some(&key))?, several())
}

fn several() -> Facts {
    rejected(400, SEVERAL).with("www-authenticate", r#"Bearer error="invalid_request""#)
}

pub(super) fn out_of_scope(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.key(&json!({ "scopes": ["b:c"] }))?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    let challenge = r#"Bearer error="insufficient_scope", scope="articles:read""#;
    let expected = rejected(403, "Insufficient scope").with("www-authenticate", challenge);
    one(lane.send(&request, Some(&key))?, expected)
}

pub(super) fn limited(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.key(&json!({ "limits": [limit(1)] }))?;
    let ask = || {
        let request = Request::get(&lane.path()).bearer(&key.text);
        lane.send(&request, Some(&key))
    };
    let first = Step::new(ask()?, limited_by(lane::allowed(&key, 0), 1, 0));
    let expected = limited_by(rejected(429, "Rate limit exceeded"), 1, 0).with("retry-after", "*");
    Ok(vec![first, Step::new(ask()?, expected).with_key(&key)])
}

pub(super) fn suspended(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    lane.keyward.suspend(&key)?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    one(lane.send(&request, Some(&key))?, invalid())
}

/// A key that has just worked is dead when the response to DELETE has arrived.
pub(super) fn revoked(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let ask = || {
        let request = Request::get(&lane.path()).bearer(&key.text);
        lane.send(&request, Some(&key))
    };
    let first = Step::new(ask()?, lane::allowed(&key, 99));
    lane.keyward.revoke(&key)?;
    Ok(vec![first, Step::new(ask()?, invalid())])
}
