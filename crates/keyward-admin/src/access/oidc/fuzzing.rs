//! Properties that hold for any token; for the fuzzer alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::UnixMillis;
use keyward::audit::PERSON_CHARS_MAX;
use keyward::scan::holds_key;
use keyward_tls::Trust;

use super::claims::Claims;
use super::token::{KEY_ID_LEN_MAX, Token};
use super::verdict::Invalid;
use crate::people::{IssuerUrl, People, RoleNames};

const NOW: UnixMillis = UnixMillis(1_800_000_000_500);

/// Tries a token. An input of three lines is the header, the claims and the signature before they
/// are encoded, so that a change meets the JSON; any other is a token as it is.
///
/// # Panics
///
/// Panics if a property does not hold.
#[must_use]
pub fn token(bytes: &[u8]) -> String {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let parts = (lines.next(), lines.next(), lines.next());
    let text = match parts {
        (Some(header), Some(claims), Some(signature)) => {
            [header, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let token = match Token::parse(&text) {
        Ok(token) => token,
        Err(invalid) => return format!("no token: {invalid}"),
    };
    let encoded = URL_SAFE_NO_PAD.encode(&token.signature);
    assert_eq!(format!("{}.{encoded}", token.signed), text, "a token is read to the letter");
    assert!(token.key_id.as_ref().is_none_or(|id| id.len() <= KEY_ID_LEN_MAX), "the key's id");
    if let (_, Some(claims), Some(signature)) = parts {
        assert_eq!((&*token.claims, &*token.signature), (claims, signature), "the encoded parts");
    }
    format!("{:?}, {}", token.algorithm, judged(&token.claims))
}

fn judged(claims: &[u8]) -> String {
    let people = People {
        issuer: IssuerUrl::parse("https://login.example.com/").expect("a URL"),
        audience: "keyward".to_owned(),
        role_claim: "roles".to_owned(),
        roles: RoleNames::parse("viewer=v,issuer=i,admin=a").expect("names"),
        trust: Trust::System,
    };
    let judged = Claims::parse(claims).and_then(|claims| claims.judge(&people, NOW));
    match judged {
        Ok(person) => {
            let name = &person.name;
            assert!(!name.trim().is_empty(), "a person has a name");
            assert!(name.chars().count() <= PERSON_CHARS_MAX, "a name is short");
            assert!(!holds_key(name), "a key is never written down");
            format!("{:?}", person.role)
        }
        Err(Invalid::Form) => "no claims".to_owned(),
        Err(invalid) => invalid.to_string(),
    }
}
