//! The texts of the audit trail, to the byte: chains of earlier versions hold these texts.

use super::*;
use crate::details::Metadata;

#[test]
fn an_entry_of_a_new_key_has_all_fields_in_their_order() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    let plain = concat!(
        r#"{"before":null,"after":{"name":"a","tier":"basic","owner":null,"scopes":[],"#,
        r#""networks":[],"limits":null,"metadata":{},"expires_at":null,"state":"active","#,
        r#""revoked_reason":null,"hint":"kw_1","grace_until":null}}"#
    );
    assert_eq!(rows.told(), ("issue", plain));
    let full = Unkept {
        owner: Some(owner("org")),
        scopes: crate::record::Scopes::new(vec!["a:b".parse().unwrap(), "*".parse().unwrap()])
            .unwrap(),
        networks: crate::network::Networks::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap(),
        limits: Some(limits(7)),
        notes: r#"{"z":1,"a":[1.5,"\"é"]}"#.parse::<Metadata>().unwrap().into(),
        expires_at: Some(UnixMillis(77)),
        revoked_reason: Some("left".parse().unwrap()),
        former: vec![FormerSecret { secret: secret(3, 1), ends_at: UnixMillis(6) }],
        ..revoked(2)
    };
    rows.done(import(vec![full]), &audit(2));
    let full = concat!(
        r#"{"before":null,"after":{"name":"a","tier":"basic","owner":"org","scopes":["a:b","*"],"#,
        r#""networks":["10.0.0.0/8"],"limits":[{"name":"requests","amount":7,"per_secs":60,"#,
        r#""burst":7}],"metadata":{"z":1,"a":[1.5,"\"é"]},"expires_at":77,"state":"revoked","#,
        r#""revoked_reason":"left","hint":"kw_2","grace_until":6}}"#
    );
    assert_eq!(rows.told(), ("import", full));
}

#[test]
fn an_entry_of_a_change_has_what_differs() {
    let mut rows = Rows::new_with(&["basic", "pro"]);
    rows.done(issue(key(1)), &audit(1));
    let mut check = |change, verb, told: &str| {
        rows.done(change, &audit(5));
        assert_eq!(rows.told(), (verb, told));
    };
    let wanted = edit(1, |edit| {
        edit.owner = Some(Some(owner("org")));
        edit.tier = Some(tier("pro"));
        edit.name = Some("b".parse().unwrap());
    });
    let told = r#"{"before":{"name":"a","tier":"basic","owner":null},"after":{"name":"b","tier":"pro","owner":"org"}}"#;
    check(wanted, "edit", told);
    let told = r#"{"before":{"state":"active"},"after":{"state":"suspended"}}"#;
    check(change(1, KeyChange::Suspend), "suspend", told);
    let told = r#"{"before":{"state":"suspended"},"after":{"state":"active"}}"#;
    check(change(1, KeyChange::Resume), "resume", told);
    let told =
        r#"{"before":{"hint":"kw_1","grace_until":null},"after":{"hint":"kw_2","grace_until":7}}"#;
    check(rotate(1, 2, 2), "rotate", told);
    let reason = Some("left".parse().unwrap());
    let told = r#"{"before":{"state":"active","revoked_reason":null},"after":{"state":"revoked","revoked_reason":"left"}}"#;
    check(change(1, KeyChange::Revoke { reason }), "revoke", told);
}

#[test]
fn an_entry_says_who_when_and_from_where() {
    let mut rows = Rows::new_with(&["basic"]);
    let person = Audit {
        actor: Actor::Person("ada@example.com".to_owned()),
        address: Some("2001:db8::7".parse().unwrap()),
        request_id: Some("request 'one'".to_owned()),
        ..audit(7)
    };
    rows.done(issue(key(1)), &person);
    rows.done(suspend("org"), &audit(8));
    rows.done(put_tier("gold", 1), &audit(9));
    rows.done(Change::AcceptClock, &audit(10));
    let [key, owned, tiered, clock] = rows.entries.as_slice() else { panic!() };
    assert_eq!((key.id, key.at), (ChangeId(1), UnixMillis(7)));
    assert_eq!(key.actor, "oidc:ada@example.com");
    assert_eq!(key.address.as_deref(), Some("2001:db8::7"));
    assert_eq!(key.request_id.as_deref(), Some("request 'one'"));
    let subject =
        |entry: &crate::audit::AuditEntry| (entry.key_id, entry.tier.clone(), entry.owner.clone());
    assert_eq!(subject(key), (Some(1), None, None));
    assert_eq!(subject(owned), (None, None, Some("org".to_owned())));
    assert_eq!(subject(tiered), (None, Some("gold".to_owned()), None));
    assert_eq!(subject(clock), (None, None, None));
    assert_eq!(
        (owned.actor.as_str(), &owned.address, &owned.request_id),
        ("admin-key", &None, &None)
    );
    assert_eq!(Verb::of(&owned.verb), Some(Verb::SuspendOwner));
}
