//! Cells about a verifier that cannot say anything, and about an API that fails by itself.

use anyhow::Result;

use super::{Step, one};
use crate::doors::facts::Facts;
use crate::doors::lane::{self, Lane, rejected};
use crate::http::Request;

/// The statuses of the API that have to pass as they are.
const STATUSES: [u16; 7] = [400, 401, 403, 404, 429, 500, 503];

pub(super) fn dead(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    one(lane.send_to(lane.dead, &request, Some(&key))?, unavailable())
}

pub(super) fn silent(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    one(lane.send_to(lane.silent, &request, Some(&key))?, unavailable())
}

fn unavailable() -> Facts {
    rejected(503, "Keyward cannot be reached").with("retry-after", "*")
}

/// The door's path names no scope, which is nothing that the client could mend.
pub(super) fn mistaken(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let request = Request::get(&lane.path()).bearer(&key.text);
    let detail = "The path of the door names no scope, or one that is not resource:action";
    let expected = rejected(503, detail).with("retry-after", "*");
    one(lane.send_to(lane.mistaken, &request, Some(&key))?, expected)
}

pub(super) fn of_the_api(lane: &Lane<'_>) -> Result<Vec<Step>> {
    let key = lane.usual_key()?;
    let mut left = 100;
    let mut ask = |status: u16| -> Result<Step> {
        let request = Request::get(&format!("{}status/{status}", lane.path())).bearer(&key.text);
        let seen = lane.send(&request, Some(&key))?;
        left -= 1;
        let expected = lane::allowed(&key, left).with("status", status.to_string());
        Ok(Step::new(seen, expected))
    };
    STATUSES.into_iter().map(&mut ask).collect()
}
