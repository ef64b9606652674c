//! Tests of the bodies of verdicts.

use keyward::time::SteadyNanos;
use keyward::{Now, UnixMillis};
use serde_json::json;

use super::*;
use crate::body::{Known, RequestBody};

fn read(body: &Value) -> Result<VerifyBody, u16> {
    let known = Known { tiers: &[], now: Now::new(UnixMillis(0), SteadyNanos(0)) };
    let body = body.to_string();
    let fast = VerifyBody::read_fast(body.as_bytes(), || known);
    let read = <VerifyBody as RequestBody>::read(body.as_bytes(), known);
    // Both ways read the same.
    let shown = |read: &Result<VerifyBody, Rejection>| match read {
        Ok(body) => {
            let address = body.address.map(|address| address.0);
            let id = body.request_id.as_ref().map(|id| id.as_str().to_owned());
            let resource = body.resource.as_ref().map(|resource| resource.0.clone());
            format!("{body:?} {} {address:?} {id:?} {resource:?}", body.key.0)
        }
        Err(rejection) => format!("{rejection:?}"),
    };
    assert_eq!(shown(&fast), shown(&read), "{body}");
    fast.map_err(|error| error.status().as_u16())
}

#[test]
fn only_the_key_is_required() {
    let body = read(&json!({ "key": "kw_a" })).unwrap();
    assert_eq!((body.cost.0, body.scopes.0.len()), (Cost::ONE, 0));
    assert!(body.address.is_none() && body.resource.is_none() && body.request_id.is_none());
    assert!(!format!("{body:?}").contains("kw_a"));
}

#[test]
fn both_ways_of_reading_take_the_same() {
    for field in ["address", "resource", "request_id"] {
        assert!(read(&json!({ "key": "ü".repeat(512), field: null })).is_ok(), "{field}");
    }
    let most =
        json!({ "key": "k", "scopes": vec!["a:b"; 8], "cost": 0, "resource": "r".repeat(128) });
    assert!(read(&most).is_ok());
    assert!(read(&json!({ "key": "k", "cost": 1e3 })).is_ok());
    assert!(read(&json!([])).is_err());
    assert!(read(&json!({ "key": "k", "scopes": null })).is_err());
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
        ("cost", Value::Null),
        ("cost", json!(-1)),
        ("cost", json!(1.5)),
        ("cost", json!("1")),
        ("cost", json!(1e30)),
        ("scopes", json!("a:b")),
        ("scopes", json!(["a"])),
        ("address", json!("example.org")),
        ("request_id", json!("")),
        ("more", json!(1)),
        ("scopes", json!(vec!["a:b"; 9])),
        ("resource", json!("")),
        ("resource", json!("r".repeat(129))),
        ("key", json!("k".repeat(513))),
        ("cost", json!(1_000_001)),
        ("cost", json!(4_294_967_296_u64)),
    ] {
        let body = json!({ "key": "kw_a", field: value });
        assert_eq!(read(&body).unwrap_err(), 422, "{body}");
    }
}
