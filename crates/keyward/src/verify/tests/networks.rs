//! Keys that may be used from some networks alone.

use super::*;

#[test]
fn a_key_works_in_its_networks_and_nowhere_else() {
    let check = |address: &str, expected: Option<&str>| {
        assert_eq!(OneKey::changed(at_home).from(address).err(), expected, "{address}");
    };
    check("192.0.2.0", None);
    check("192.0.2.255", None);
    check("::ffff:192.0.2.7", None);
    check("2001:db8::1", None);
    check("192.0.1.255", Some("out_of_network"));
    check("192.0.3.0", Some("out_of_network"));
    check("::ffff:192.0.3.0", Some("out_of_network"));
    check("2001:db9::1", Some("out_of_network"));
    assert!(OneKey::new().from("198.51.100.1").is_ok(), "no networks are every network");
}

#[test]
fn an_unknown_address_is_in_no_network() {
    assert_eq!(OneKey::changed(at_home).denied(None, NOW), "out_of_network");
    assert!(OneKey::new().verify(None, NOW).is_ok());
}

#[test]
fn a_request_from_a_foreign_network_is_counted_and_consumes_nothing() {
    let key = OneKey::changed(at_home);
    for _ in 0..100 {
        assert_eq!(key.from("198.51.100.1").unwrap_err(), "out_of_network");
    }
    assert_eq!(key.from("192.0.2.7").unwrap().standing().unwrap().remaining, 1);
    let counts = Counts::from([(Outcome::Allowed, 1), (Outcome::OutOfNetwork, 100)]);
    assert_eq!(key.counted(), counts);
}

#[test]
fn the_network_is_checked_behind_the_state_and_before_the_scope() {
    for (change, denied) in
        [(suspended as fn(&mut Key), "suspended"), (revoked, "revoked"), (expired, "expired")]
    {
        let key = OneKey::changed(|record| {
            at_home(record);
            change(record);
        });
        assert_eq!(key.from("198.51.100.1").unwrap_err(), denied);
    }
    let key = OneKey::changed(at_home);
    assert_eq!(key.denied(Some("articles:write"), NOW), "out_of_network");
}
