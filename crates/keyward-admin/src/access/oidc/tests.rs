//! The keys of an issuer over time.

#[path = "../../../tests/support/issuer.rs"]
mod fake;
#[path = "../../../tests/support/tls.rs"]
mod tls;

use std::time::Duration;

use jiff::Timestamp;
use keyward::UnixMillis;
use keyward::time::SteadyNanos;
use keyward_tls::{Authorities, Trust};
use serde_json::{Value, json};

use self::fake::{FakeIssuer, SigningKey, unsigned};
use self::tls::Authority;
use super::verdict::Invalid;
use super::*;
use crate::people::{IssuerUrl, RoleNames};

const UNKNOWN_KEY: Result<(), TokenError> = Err(TokenError::Invalid(Invalid::Key));

fn judge(issuer: &FakeIssuer) -> Oidc {
    judge_with(issuer, Trust::System)
}

fn judge_with(issuer: &FakeIssuer, trust: Trust) -> Oidc {
    let people = People {
        issuer: IssuerUrl::parse(&issuer.url()).unwrap(),
        audience: "keyward".to_owned(),
        role_claim: "roles".to_owned(),
        roles: RoleNames::parse("viewer=viewer,issuer=issuer,admin=admin").unwrap(),
        trust,
    };
    Oidc::new(people, &Results::default())
}

/// The verdict on an otherwise valid token, so many seconds after the verifier was made.
async fn verdict(oidc: &Oidc, token: &str, after_secs: u64) -> Result<(), TokenError> {
    let unix = UnixMillis(u64::try_from(Timestamp::now().as_millisecond()).unwrap());
    let start = Now::new(unix, SteadyNanos(0));
    let steady = start.later_by(Duration::from_secs(after_secs)).steady;
    oidc.identify(token, Now::new(unix, steady)).await.map(|_| ())
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_token_good_again() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let (oidc, token) = (judge(&issuer), issuer.token(&key, &json!({})));
    let unix = UnixMillis(u64::try_from(Timestamp::now().as_millisecond()).unwrap());
    let now = Now::new(unix, SteadyNanos(0));
    let verdict = async |now| oidc.identify(&token, now).await.map(drop);
    let hour = Duration::from_secs(3_600);
    // Good by both, by one, by the other, by neither.
    let soon = now.or_as_late_as(unix.later_by(Duration::from_secs(1)));
    assert_eq!(verdict(soon).await, Ok(()));
    let later = UnixMillis(unix.0 * 2);
    assert_eq!(verdict(now.or_as_late_as(later)).await, Err(TokenError::Unknown));
    let before = Now::new(UnixMillis(unix.0 / 2), SteadyNanos(0));
    assert_eq!(verdict(before.or_as_late_as(unix)).await, Err(TokenError::Unknown));
    let after = Now::new(later, SteadyNanos(0)).or_as_late_as(later.later_by(hour));
    assert_eq!(verdict(after).await, Err(TokenError::Invalid(Invalid::Expired)));
}

#[tokio::test]
async fn keys_are_read_once_and_then_each_hour() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let (oidc, token) = (judge(&issuer), issuer.token(&key, &json!({})));
    assert_eq!(issuer.asked(), 0);
    for (after_secs, asked) in [(0, 1), (1, 1), (3_599, 1), (3_600, 2), (7_199, 2), (7_200, 3)] {
        assert_eq!(verdict(&oidc, &token, after_secs).await, Ok(()));
        assert_eq!(issuer.asked(), asked, "after {after_secs} s");
    }
}

#[tokio::test]
async fn a_key_that_was_withdrawn_works_an_hour_at_most() {
    let (old, new) = (SigningKey::ed25519("old"), SigningKey::ed25519("new"));
    let issuer = FakeIssuer::start(&[&old]);
    let (oidc, token) = (judge(&issuer), issuer.token(&old, &json!({})));
    assert_eq!(verdict(&oidc, &token, 0).await, Ok(()));
    issuer.publish(&[&new]);
    assert_eq!(verdict(&oidc, &token, 3_599).await, Ok(()));
    assert_eq!(verdict(&oidc, &token, 3_600).await, UNKNOWN_KEY);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_made_up_ones_do_not_wear_the_issuer_out() {
    let (old, new, foreign) =
        (SigningKey::rsa("old"), SigningKey::p256("new"), SigningKey::ed25519("foreign"));
    let issuer = FakeIssuer::start(&[&old]);
    let oidc = judge(&issuer);
    assert_eq!(verdict(&oidc, &issuer.token(&old, &json!({})), 0).await, Ok(()));
    issuer.publish(&[&old, &new]);
    assert_eq!(verdict(&oidc, &issuer.token(&new, &json!({})), 0).await, Ok(()));
    assert_eq!(issuer.asked(), 2);
    let made_up = issuer.token(&foreign, &json!({}));
    for _ in 0..4 {
        assert_eq!(verdict(&oidc, &made_up, 1).await, UNKNOWN_KEY);
    }
    // It may be a new key from now on: that is unknown.
    for _ in 0..16 {
        assert_eq!(verdict(&oidc, &made_up, 1).await, Err(TokenError::Unknown));
    }
    assert_eq!(issuer.asked(), 6, "six times a minute");
    issuer.publish(&[&foreign]);
    assert_eq!(verdict(&oidc, &made_up, 59).await, Err(TokenError::Unknown));
    assert_eq!(verdict(&oidc, &issuer.token(&old, &json!({})), 59).await, Ok(()));
    assert_eq!(verdict(&oidc, &made_up, 60).await, Ok(()));
    assert_eq!(issuer.asked(), 7);
}

#[tokio::test]
async fn tokens_of_known_keys_do_not_wait_again_for_an_issuer_that_is_down() {
    let (key, new) = (SigningKey::ed25519("a"), SigningKey::ed25519("new"));
    let issuer = FakeIssuer::start(&[&key]);
    let (oidc, token) = (judge(&issuer), issuer.token(&key, &json!({})));
    let requests = || issuer.state.lock().unwrap().requests;
    assert_eq!(verdict(&oidc, &token, 0).await, Ok(()));
    issuer.set_down(true);
    for (after_secs, expected) in [(3_600, 3), (3_601, 3), (3_659, 3), (3_660, 4), (3_719, 4)] {
        assert_eq!(verdict(&oidc, &token, after_secs).await, Ok(()));
        assert_eq!(requests(), expected, "after {after_secs} s");
    }
    let unknown = issuer.token(&new, &json!({}));
    assert_eq!(verdict(&oidc, &unknown, 3_719).await, Err(TokenError::Unknown));
    assert_eq!(requests(), 5, "a new key is asked for all the same");
    issuer.set_down(false);
    issuer.publish(&[&new]);
    assert_eq!(verdict(&oidc, &unknown, 3_719).await, Ok(()));
    assert_eq!(verdict(&oidc, &token, 3_719).await, UNKNOWN_KEY);
}

#[tokio::test]
async fn all_waiting_requests_share_one_response() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    issuer.set_down(true);
    let (oidc, token) = (judge(&issuer), issuer.token(&key, &json!({})));
    let held = issuer.state.lock().unwrap();
    // They are polled in this order: both wait when the issuer begins to respond.
    let verdicts =
        tokio::join!(verdict(&oidc, &token, 0), verdict(&oidc, &token, 0), async { drop(held) });
    assert_eq!(verdicts, (Err(TokenError::Unknown), Err(TokenError::Unknown), ()));
    assert_eq!(issuer.state.lock().unwrap().requests, 1);
}

#[tokio::test]
async fn keys_are_read_at_the_location_of_the_issuer_only() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let token = issuer.token(&key, &json!({}));
    for moved in ["/realms/test/.well-known/openid-configuration", "/keys"] {
        issuer.state.lock().unwrap().moved = Some(moved);
        assert_eq!(verdict(&judge(&issuer), &token, 0).await, Err(TokenError::Unknown), "{moved}");
    }
    assert_eq!(issuer.asked(), 0);
    issuer.state.lock().unwrap().moved = None;
    let uri = issuer.state.lock().unwrap().jwks_uri.clone();
    // It leads to the same server, but is no loopback address: an attacker could respond there.
    let elsewhere = uri.replace("127.0.0.1", "0.0.0.0");
    assert_ne!(elsewhere, uri);
    for (uri, expected) in [(elsewhere, Err(TokenError::Unknown)), (uri, Ok(()))] {
        issuer.state.lock().unwrap().jwks_uri = uri;
        assert_eq!(verdict(&judge(&issuer), &token, 0).await, expected);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_response_has_at_most_256_kib() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let token = issuer.token(&key, &json!({}));
    for (len, expected) in [(256 * 1_024, Ok(())), (256 * 1_024 + 1, Err(TokenError::Unknown))] {
        issuer.state.lock().unwrap().keys_len_min = len;
        assert_eq!(verdict(&judge(&issuer), &token, 0).await, expected, "{len} bytes");
    }
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn while_the_issuer_is_down_its_keys_are_kept_a_day() {
    let (key, new) = (SigningKey::ed25519("a"), SigningKey::ed25519("new"));
    let issuer = FakeIssuer::start(&[&key, &new]);
    let (oidc, token) = (judge(&issuer), issuer.token(&key, &json!({})));
    issuer.publish(&[&key]);
    assert_eq!(verdict(&oidc, &token, 0).await, Ok(()));
    issuer.set_down(true);
    assert_eq!(verdict(&oidc, &token, 86_399).await, Ok(()));
    let unknown = issuer.token(&new, &json!({}));
    assert_eq!(verdict(&oidc, &unknown, 86_399).await, Err(TokenError::Unknown));
    assert_eq!(verdict(&oidc, &token, 86_400).await, Err(TokenError::Unknown));
    issuer.set_down(false);
    assert_eq!(verdict(&oidc, &token, 90_000).await, Ok(()));
}

#[tokio::test]
async fn an_issuer_that_calls_itself_otherwise_is_not_the_one() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start_as(Some("https://elsewhere.example.com"), &[&key]);
    let token = issuer.token(&key, &json!({}));
    assert_eq!(verdict(&judge(&issuer), &token, 0).await, Err(TokenError::Unknown));
    assert_eq!(issuer.asked(), 0, "its keys are of no interest");
}

#[tokio::test]
async fn an_issuer_has_a_certificate_of_an_authority_that_is_trusted_and_its_own_name() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let trusted = |authority: &Authority| {
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, &authority.pem).unwrap();
        Trust::File(Authorities::read(&path).unwrap())
    };
    let key = SigningKey::ed25519("a");
    for (name, trust, expected) in [
        ("localhost", Trust::System, Err(TokenError::Unknown)),
        ("localhost", trusted(&Authority::new()), Err(TokenError::Unknown)),
        ("login.example.com", trusted(&authority), Err(TokenError::Unknown)),
        ("localhost", trusted(&authority), Ok(())),
    ] {
        let issuer = FakeIssuer::start(&[&key]);
        let front = authority.front(name, issuer.address);
        let issuer = issuer.at(front);
        let token = issuer.token(&key, &json!({}));
        assert_eq!(verdict(&judge_with(&issuer, trust), &token, 0).await, expected, "{name}");
    }
}

#[tokio::test]
async fn each_algorithm_is_taken_with_its_own_kind_of_key() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("p"), SigningKey::ed25519("e")];
    let issuer = FakeIssuer::start(&keys.each_ref());
    let oidc = judge(&issuer);
    // Each at a minute of its own, in which the issuer may be asked about the key.
    let mut after_secs = 0;
    for key in &keys {
        assert_eq!(verdict(&oidc, &issuer.token(key, &json!({})), after_secs).await, Ok(()));
        for other in &keys {
            let (mut header, own) = (other.header(), key.header());
            // Another's algorithm under the key's own id, and its own under another's id.
            header["kid"] = own["kid"].clone();
            let mixed = key.sign(&header, &issuer.claims(&json!({})));
            let expected = if own == header { Ok(()) } else { UNKNOWN_KEY };
            assert_eq!(verdict(&oidc, &mixed, after_secs).await, expected, "{header}");
            after_secs += 60;
        }
    }
}

#[tokio::test]
async fn a_changed_token_is_rejected() {
    let key = SigningKey::rsa("a");
    let issuer = FakeIssuer::start(&[&key]);
    let oidc = judge(&issuer);
    let token = issuer.token(&key, &json!({ "roles": ["viewer"] }));
    let (_, signature) = token.rsplit_once('.').unwrap();
    let raised = unsigned(&key.header(), &issuer.claims(&json!({ "roles": ["admin"] })));
    let wrong = Err(TokenError::Invalid(Invalid::Signature));
    assert_eq!(verdict(&oidc, &format!("{raised}.{signature}"), 0).await, wrong);
    let foreign = issuer.token(&SigningKey::another_rsa("a"), &json!({}));
    assert_eq!(verdict(&oidc, &foreign, 0).await, wrong);
    assert_eq!(verdict(&oidc, &format!("{raised}."), 0).await, wrong);
    let none = unsigned(&json!({ "alg": "none" }), &issuer.claims(&json!({})));
    let rejected: Result<(), _> = Err(TokenError::Invalid(Invalid::Algorithm));
    assert_eq!(verdict(&oidc, &format!("{none}."), 0).await, rejected);
    for forged in key.hs256_forgeries(&issuer.claims(&json!({}))) {
        assert_eq!(verdict(&oidc, &forged, 0).await, rejected);
    }
    let claims: Value = json!([issuer.claims(&json!({}))]);
    let list = key.sign(&key.header(), &claims);
    assert_eq!(verdict(&oidc, &list, 0).await, Err(TokenError::Invalid(Invalid::Form)));
}
