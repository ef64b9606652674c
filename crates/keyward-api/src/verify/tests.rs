//! Tests of the bodies of verdicts.

use keyward::time::SteadyNanos;
use keyward::{Now, UnixMillis};
use serde_json::json;

use super::*;
use crate::body::{Known, RequestBody};

fn read(body: &Value) -> Result<VerifyBody, u16> {
    let known = Known { tiers: &[], now: Now::new(UnixMillis(0), SteadyNanos(0)) };
    <VerifyBody as RequestBody>::read(body.to_string().as_bytes(), known)
        .map_err(|error| error.status().as_u16())
}

#[test]
fn only_the_key_is_required() {
    let body = read(&json!({ "key": "kw_a" })).unwrap();
    assert_eq!((body.cost.0, body.scopes.0.len()), (Cost::ONE, 0));
    assert!(body.address.is_none() && body.resource.is_none() && body.request_id.is_none());
    assert!(!format!("{body:?}").contains("kw_a"));
}

#[test]
fn every_field_is_read_by_its_type() {
    let body = read(&json!({
        "key": "kw_a", "scopes": ["a:b", "c:d"], "cost": 5.0, "address": "::ffff:192.0.2.7",
        "resource": "GET /v1/{id}", "request_id": "a.B_9-",
    }));
    let body = body.unwrap();
    assert_eq!((body.cost.0.get(), body.scopes.0.len()), (5, 2));
    assert_eq!(body.address.unwrap().0, IpAddr::from([192, 0, 2, 7]));
    assert_eq!(body.request_id.unwrap().as_str(), "a.B_9-");
    for (field, value) in [
        ("cost", json!(-1)),
        ("cost", json!(1.5)),
        ("cost", json!("1")),
        ("cost", json!(1e30)),
        ("scopes", json!("a:b")),
        ("scopes", json!(["a"])),
        ("address", json!("example.org")),
        ("request_id", json!("")),
        ("more", json!(1)),
    ] {
        let body = json!({ "key": "kw_a", field: value });
        assert_eq!(read(&body).unwrap_err(), 422, "{body}");
    }
}
