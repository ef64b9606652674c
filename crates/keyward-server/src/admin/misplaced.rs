//! Keys in the wrong place: a name, a note or a reason is kept, listed, exported and audited as it
//! is, so a secret in it would be in the open for good.

use keyward_axum::Refusal;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use serde_json::Value;

use super::members::Place;

pub(super) use keyward::scan::holds_key;

/// What is told of a text with a key in it.
pub(super) const RULE: &str = "a whole key is in it, which everyone could read here; leave it out";

/// The fault of a text with a key in it, without the text.
pub(super) fn fault(place: Place) -> Fault {
    Fault::value_error(place, Value::Null, RULE)
}

/// Begins to read a body that is an object. Each member with a key in it, or in its name, is a
/// fault, whatever it is about.
pub(super) fn members_of(body: &[u8]) -> Result<Members, Refusal> {
    let object = input::json_object(body)?;
    // Its digits stand in JSON as they are, and nothing that is escaped joins them.
    let is_misplaced =
        |(name, value): &(&String, &Value)| holds_key(name) || holds_key(&value.to_string());
    let misplaced: Vec<_> =
        object.iter().filter(is_misplaced).map(|(name, _)| name.clone()).collect();
    let mut members = Members::new(vec!["body".into()], object);
    for name in misplaced {
        members.fault(fault(members.place(&name)));
    }
    Ok(members)
}
