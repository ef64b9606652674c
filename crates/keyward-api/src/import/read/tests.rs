//! Accepted keys, and the reasons of rejections.

use super::*;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn read(text: &str) -> Result<Unkept, String> {
    ImportKeyBody::read(&RawValue::from_string(text.to_owned()).unwrap(), NOW)
}

fn with_secrets(secrets: &str) -> Result<Unkept, String> {
    read(&format!(r#"{{"name":"a","secrets":[{secrets}]}}"#))
}

fn secret(digit: &str, rest: &str) -> String {
    format!(r#"{{"digest":"{}"{rest}}}"#, digit.repeat(64))
}

#[test]
fn a_name_and_a_digest_do() {
    let key = with_secrets(&secret("a", "")).unwrap();
    assert_eq!(key.tier.as_str(), "basic");
    assert_eq!((key.created_at, key.state), (NOW, KeyState::Active));
    assert_eq!(key.secret.digest.to_hex(), "a".repeat(64));
}

#[test]
fn a_digest_may_be_in_base64() {
    let check = |text: &str, expected: Option<&str>| {
        let key = with_secrets(&format!(r#"{{"digest":"{text}"}}"#));
        let digest = key.ok().map(|key| key.secret.digest.to_hex());
        assert_eq!(digest, expected.map(|byte| byte.repeat(32)), "{text}");
    };
    check(&format!("{}//8=", "////".repeat(10)), Some("ff"));
    check(&format!("{}//8", "////".repeat(10)), Some("ff"));
    check(&format!("{}__8", "____".repeat(10)), Some("ff"));
    check(&format!("{}AAA=", "AAAA".repeat(10)), Some("00"));
    check(&format!("{}AAAA", "AAAA".repeat(10)), None);
    check(&format!("{}AA", "AAAA".repeat(10)), None);
}

#[test]
fn a_hint_is_not_the_whole_secret() {
    let text = "imported-secret";
    let digest = Digest::of(Presented::parse(text).unwrap()).to_hex();
    let with = |hint: &str| with_secrets(&format!(r#"{{"digest":"{digest}","hint":"{hint}"}}"#));
    assert_eq!(with("imported-secre").unwrap().secret.hint, "imported-secre");
    let rejected = with(text).unwrap_err();
    assert!(rejected.contains("not all of it") && !rejected.contains(text), "{rejected}");
}

#[test]
fn no_limits_of_its_own_and_no_limit_are_two_things() {
    let with = |rest: &str| {
        let text = format!(r#"{{"name":"a","secrets":[{}]{rest}}}"#, secret("a", ""));
        read(&text).unwrap().limits.map(|limits| limits.list().len())
    };
    assert_eq!(with(""), None);
    assert_eq!(with(r#","limits":null"#), None);
    assert_eq!(with(r#","limits":[]"#), Some(0));
}

#[test]
fn the_present_secret_is_the_one_without_an_end() {
    let ended = secret("a", r#","ends_at":"2026-01-02T00:00:00Z""#);
    let key = with_secrets(&format!("{ended},{}", secret("b", ""))).unwrap();
    assert_eq!(key.secret.digest.to_hex(), "b".repeat(64));
    assert_eq!(key.former.len(), 1);
    assert!(with_secrets(&ended).unwrap_err().contains("the present one"));
    let two = format!("{},{}", secret("a", ""), secret("b", ""));
    assert!(with_secrets(&two).unwrap_err().contains("more than one"));
}

#[test]
fn a_reason_names_the_member() {
    let with = |rest: &str| {
        let text = format!(r#"{{"name":"a","secrets":[{}]{rest}}}"#, secret("a", ""));
        read(&text).unwrap_err()
    };
    let check = |rest: &str, begins: &str| {
        let reason = with(rest);
        assert!(reason.starts_with(begins), "{rest}: {reason}");
    };
    check(r#","tier":"Basic""#, "tier: ");
    check(r#","owner":"two words""#, "owner: ");
    check(r#","scopes":["x"]"#, "scopes: ");
    check(r#","networks":["10.0.0.1/8"]"#, "networks: ");
    check(r#","created_at":"yesterday""#, "created_at: ");
    check(r#","key_id":0"#, "key_id: ");
    check(r#","key_id":4503599627370496"#, "key_id: a whole number from 1 to 4503599627370495");
    check(r#","colour":"red""#, "unknown field `colour`");
    check(r#","limits":[{"name":"a","amount":0,"per":"1s","burst":1}]"#, "limits: ");
    check(r#","state":"gone""#, "unknown variant `gone`");
    check(r#","revoked_at":"2026-01-01T00:00:00Z""#, "revoked_at: it goes with");
    check(r#","state":"suspended","revoked_reason":"leaked""#, "revoked_reason: it goes with");
    assert!(read(r#"{"secrets":[]}"#).unwrap_err().starts_with("missing field `name`"));
    for list in ["[]", r#"["a","basic"]"#] {
        assert_eq!(read(list).unwrap_err(), "invalid type: sequence, expected an object");
    }
    check(r#","limits":[["a",1,"1s",1]]"#, "invalid type: sequence, expected an object");
    let listed = with_secrets(&format!(r#"["{}"]"#, "a".repeat(64))).unwrap_err();
    assert_eq!(listed, "invalid type: sequence, expected an object");
    assert!(with_secrets(r#"{"digest":"abc"}"#).unwrap_err().contains("SHA-256"));
}

#[test]
fn a_reason_repeats_no_key() {
    let key = keyward::Secret::generate(&keyward::key::Prefix::default()).unwrap();
    let text = format!(r#"{{"name":"a","state":"{}","secrets":[]}}"#, key.expose());
    let reason = read(&text).unwrap_err();
    assert!(reason.contains(&key.hint()) && !reason.contains(key.expose()));
    for member in ["name", "owner", "revoked_reason", "metadata"] {
        let value = match member {
            "metadata" => format!(r#"{{"a":["\nü {}"]}}"#, key.expose()),
            _ => format!(r#""{}""#, key.expose()),
        };
        let name = if member == "name" { String::new() } else { r#""name":"a","#.to_owned() };
        let secrets = secret("a", "");
        let text =
            format!(r#"{{{name}"state":"revoked","{member}":{value},"secrets":[{secrets}]}}"#);
        let expected = format!("{member}: {}", MISPLACED);
        assert_eq!(read(&text).unwrap_err(), expected);
    }
}
