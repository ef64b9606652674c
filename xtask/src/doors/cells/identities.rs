//! Cells about an identity that a client makes up.

use anyhow::Result;
use serde_json::json;

use super::{Step, messages, one};
use crate::doors::lane::{self, Lane};
use crate::http::Request;

/// The names under which Keyward tells the API who is asking.
const NAMES: [&str; 5] =
    ["X-Keyward-Key-Id", "X-Keyward-Name", "X-Keyward-Tier", "X-Keyward-Owner", "X-Keyward-Scopes"];

pub(super) fn by_name(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let names = NAMES.map(str::to_owned);
    false_identity(lane, &names)
}

/// With each dash, and with each dash but one, as an underscore.
pub(super) fn with_underscores(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let all = NAMES.map(|name| name.replace('-', "_"));
    let first = NAMES.map(|name| name.replacen('-', "_", 1));
    let later = NAMES.map(|name| name.replace('-', "_").replacen('_', "-", 1));
    let lower = NAMES.map(|name| name.replace('-', "_").to_ascii_lowercase());
    false_identity(lane, &[all, first, later, lower].concat())
}

/// With other characters that a program of CGI, WSGI or PHP takes for a dash.
pub(super) fn with_dots(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let dots = NAMES.map(|name| name.replace('-', "."));
    let tildes = NAMES.map(|name| name.replace('-', "~"));
    let signs = NAMES.map(|name| name.replacen('-', "!", 1));
    false_identity(lane, &[dots, tildes, signs].concat())
}

/// Sends header fields with a key that has no owner, which is where a proxy might keep theirs.
fn false_identity(lane: &Lane<'_>, names: &[String]) -> Result<Vec<Step>> {
    let key = lane.key(&json!({ "owner": null }))?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    let request = names.iter().fold(request, |request, name| request.header(name, "false"));
    let expected = lane::allowed(&key, 99).with("api.x-keyward-owner", "");
    one(lane.send(&request, Some(&key))?, expected)
}

pub(super) fn in_a_preflight(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let request = messages::preflight_request(lane);
    let request = NAMES.into_iter().fold(request, |request, name| request.header(name, "false"));
    one(lane.send(&request, None)?, messages::preflight_passes())
}
