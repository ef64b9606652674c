//! Cells about the client's address.

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::json;

use super::{Step, one};
use crate::doors::keyward::OPERATOR;
use crate::doors::lane::{self, CLIENT, Lane, rejected};
use crate::http::{Connection, Request};

/// An address that a client pretends to have.
const FORGED: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
const NOT_ALLOWED: &str = "Address not allowed";

/// A key that may be used from the client's own address alone works, whatever it says of others,
/// and the API does not learn the others.
pub(super) fn own(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let address = lane.address_of_client()?;
    let key = lane.key(&json!({ "networks": [address] }))?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    let request = request.header("X-Forwarded-For", &FORGED.to_string());
    let request = request.header("X-Real-IP", &FORGED.to_string());
    let expected = lane::allowed(&key, 99).with("address", CLIENT.to_string());
    one(lane.send(&request, Some(&key))?.with("address", address), expected)
}

/// A key of another network does not, by each field that some proxy reads an address from.
pub(super) fn forged(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.key(&json!({ "networks": [FORGED.to_string()] }))?;
    let address = FORGED.to_string();
    let request = Request::get(&lane.path()).bearer(&key.text);
    let request = request.header("X-Forwarded-For", &address).header("X-Real-IP", &address);
    let request = request.header("Forwarded", &format!("for={address}"));
    let request = request.header("X-Original-Addr", &address);
    one(lane.send(&request, Some(&key))?, rejected(403, NOT_ALLOWED))
}

/// Neither does it where the connection comes from an address that Keyward knows as a proxy's.
pub(super) fn forged_behind_a_proxy(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.key(&json!({ "networks": [FORGED.to_string()] }))?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    let request = request.header("X-Forwarded-For", &FORGED.to_string());
    let response = Connection::open(OPERATOR, lane.port)?.send(&request)?;
    one(lane.facts(&request, &response, Some(&key)), rejected(403, NOT_ALLOWED))
}
