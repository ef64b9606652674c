//! Cells about the form of a request, and about connections.

use anyhow::Result;

use super::credentials::{invalid, missing};
use super::{Step, one};
use crate::doors::facts::{Facts, IDENTITY};
use crate::doors::lane::{self, CLIENT, Lane};
use crate::http::{Connection, Request};

/// How many requests have to share connections to Keyward, and how many it may take.
const ASKED: u32 = 10;
const BODY: &str = "a title, a text, and an end";
const CONNECTIONS_MAX: usize = 2;

pub(super) fn head(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::new("HEAD", &lane.path()).bearer(&key.text);
    let expected = lane::allowed(&key, 99).with("body", "").with("api.method", "HEAD");
    one(lane.send(&request, Some(&key))?, expected)
}

pub(super) fn head_without_a_key(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let request = Request::new("HEAD", &lane.path());
    one(lane.send(&request, None)?, missing().with("body", ""))
}

/// A preflight carries no key, and reaches the API, which says what pages may do.
pub(super) fn preflight(lane: &Lane<'_>) -> Result<Vec<Step>> {
    one(lane.send(&preflight_request(lane), None)?, preflight_passes())
}

pub(super) fn preflight_request(lane: &Lane<'_>) -> Request {
    let request = Request::new("OPTIONS", &lane.path()).header("Origin", "https://app.example");
    let request = request.header("Access-Control-Request-Method", "PUT");
    request.header("Access-Control-Request-Headers", "authorization")
}

pub(super) fn preflight_passes() -> Facts {
    let facts = Facts::default().with("status", "200").with("body", "the API's");
    let facts = lane::reaching_the_api(facts).with("content-type", "application/json");
    let facts = facts.with("api.method", "OPTIONS").with("api.body", "0");
    IDENTITY.into_iter().fold(facts, |facts, name| facts.with(&format!("api.{name}"), ""))
}

/// The body reaches the API whole, and Keyward not at all: it would read it as a further request.
pub(super) fn chunked(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::new("PUT", &lane.path()).bearer(&key.text);
    let request = request.chunked(&["a title, ", "a text, ", "and an end"]);
    let expected = lane::allowed(&key, 99).with("api.method", "PUT").with("api.body", "27");
    one(lane.send(&request, Some(&key))?, expected)
}

/// No proxy lets a client say what its own request costs, or which scope it needs.
pub(super) fn query(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let target = format!("{}?cost=0&scope=b:c&cost=50", lane.path());
    let request = Request::get(&target).bearer(&key.text);
    one(lane.send(&request, Some(&key))?, lane::allowed(&key, 99))
}

pub(super) fn with_length(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::new("PUT", &lane.path()).bearer(&key.text).body(BODY);
    let expected = lane::allowed(&key, 99).with("api.method", "PUT");
    let expected = expected.with("api.body", BODY.len().to_string());
    one(lane.send(&request, Some(&key))?, expected)
}

/// Whatever the host is, Keyward is asked, and the API learns it.
pub(super) fn other_host(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = || Request::get(&lane.path()).header("Host", "other.example");
    let without = Step::new(lane.send(&request(), None)?, missing());
    let with = lane.send(&request().bearer(&key.text), Some(&key))?;
    Ok(vec![without, Step::new(with, lane::allowed(&key, 99).with("api.host", "other.example"))])
}

/// Requests of several callers on one connection, each judged by itself.
pub(super) fn keep_alive(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let mut connection = Connection::open(CLIENT, lane.port)?;
    let mut ask = |text: &str, expected: Facts| -> Result<Step> {
        let request = Request::get(&lane.path()).bearer(text);
        let response = connection.send(&request)?;
        let kept = if response.is_kept() { "kept" } else { "closed" };
        let seen = lane.facts(&request, &response, Some(&key)).with("connection", kept);
        Ok(Step::new(seen, expected.with("connection", "kept")))
    };
    let first = ask(&key.text, lane::allowed(&key, 99))?;
    let second = ask("kw_wrong", invalid())?;
    Ok(vec![first, second, ask(&key.text, lane::allowed(&key, 98))?])
}

pub(super) fn keep_alive_to_keyward(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let before = lane.relay.connections();
    for _ in 0..ASKED {
        lane.send(&Request::get(&lane.path()).bearer(&key.text), Some(&key))?;
    }
    let opened = lane.relay.connections() - before;
    let kept = if opened <= CONNECTIONS_MAX { "kept" } else { "not kept" };
    let facts = |kept: &str| Facts::default().with("connections to Keyward", kept);
    one(facts(kept), facts("kept"))
}
