//! The name of a person in the audit trail.

use keyward::audit::PERSON_CHARS_MAX;
use keyward::scan::holds_key;
use keyward::text;
use serde_json::{Map, Value};

use crate::access::oidc::verdict::Invalid;

/// Claims by which colleagues know a person, those of the standard first (OpenID Connect Core 1.0,
/// section 5.1), then those of Microsoft Entra and Amazon Cognito, and last the client that a token
/// without a person was made for (RFC 9068, section 2.2).
const KNOWN_AS: [&str; 8] = [
    "preferred_username",
    "upn",
    "unique_name",
    "username",
    "cognito:username",
    "client_id",
    "azp",
    "appid",
];

/// The name of a person in the trail.
///
/// A mail address is used alone if the issuer has verified it: an unverified one could be anyone's.
/// Otherwise it is `NAME (ID)`, where the name identifies the person to colleagues, and the id,
/// which the issuer assigns and no person can choose, does so permanently: Entra's `oid`, else
/// `sub`, whose form at Entra is different for each application. Either may be missing.
pub(super) fn of(claims: &Map<String, Value>) -> Result<String, Invalid> {
    let text = |name: &str| claims.get(name).filter(|value| !value.is_null());
    let is_verified = text("email_verified") == Some(&Value::Bool(true));
    if let Some(email) = text("email").and_then(fitting).filter(|_| is_verified) {
        return Ok(email.to_owned());
    }
    let sub = match text("sub") {
        None => None,
        Some(sub) => Some(fitting(sub).ok_or(Invalid::Nobody)?),
    };
    let id = text("oid").and_then(fitting).or(sub);
    let known_as = KNOWN_AS.into_iter().filter_map(text).find_map(fitting);
    match (known_as, id) {
        (Some(name), Some(id)) if name == id => Ok(id.to_owned()),
        (Some(name), Some(id)) => {
            let both = format!("{name} ({id})");
            let is_short = both.chars().count() <= PERSON_CHARS_MAX;
            Ok(if is_short { both } else { id.to_owned() })
        }
        (None, Some(id)) => Ok(id.to_owned()),
        // The remark keeps a name that anyone might choose apart from an address or an id.
        (Some(name), None) => Some(format!("{name} (no sub)"))
            .filter(|name| name.chars().count() <= PERSON_CHARS_MAX)
            .ok_or(Invalid::Nobody),
        (None, None) => Err(Invalid::Nobody),
    }
}

/// The text of a claim, if it can be written down whole and is read as what it is. A key of ours is
/// never written down.
fn fitting(claim: &Value) -> Option<&str> {
    let text = claim.as_str()?;
    let fits = (1..=PERSON_CHARS_MAX).contains(&text.chars().count()) && text::check(text).is_ok();
    (fits && !holds_key(text)).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(claims: &Value, expected: &str) {
        assert_eq!(of(claims.as_object().unwrap()).as_deref(), Ok(expected), "{claims}");
    }

    #[track_caller]
    fn check_no_person(claims: &Value) {
        assert_eq!(of(claims.as_object().unwrap()), Err(Invalid::Nobody), "{claims}");
    }

    #[test]
    fn people_go_by_a_verified_address_or_by_their_id() {
        let ada = "ada@example.com";
        check(&json!({ "email": ada, "email_verified": true, "sub": "7f3c" }), ada);
        for verified in [json!(false), json!("true"), json!(null)] {
            check(&json!({ "email": ada, "email_verified": verified, "sub": "7f3c" }), "7f3c");
        }
        check(&json!({ "sub": "é".repeat(200) }), &"é".repeat(200));
        for sub in [json!("é".repeat(201)), json!(""), json!(" "), json!("a\u{202e}b"), json!(7)] {
            check_no_person(&json!({ "sub": sub, "preferred_username": "ada" }));
        }
        check_no_person(&json!({ "sub": null, "email": ada }));
    }

    #[test]
    fn a_readable_name_precedes_the_id() {
        check(&json!({ "preferred_username": "ada", "sub": "7f3c" }), "ada (7f3c)");
        check(&json!({ "preferred_username": "7f3c", "sub": "7f3c" }), "7f3c");
        check(&json!({ "username": "ada", "sub": "7f3c", "client_id": "cli" }), "ada (7f3c)");
        check(&json!({ "preferred_username": "a\u{1b}da", "upn": "ada", "sub": "7" }), "ada (7)");
        check(&json!({ "preferred_username": "a".repeat(200), "sub": "7f3c" }), "7f3c");
        let key = "xkw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1x";
        check(&json!({ "preferred_username": key, "upn": "ada", "sub": "7" }), "ada (7)");
        check_no_person(&json!({ "sub": key }));
        let entra =
            json!({ "preferred_username": "ada@contoso.example", "sub": "AAAB", "oid": "0-1" });
        check(&entra, "ada@contoso.example (0-1)");
        check(&json!({ "sub": "AAAB", "oid": "0-1" }), "0-1");
    }

    #[test]
    fn a_token_without_an_id_is_marked_as_such() {
        let ada = "ada@example.com";
        check(&json!({ "preferred_username": ada, "azp": "cli" }), "ada@example.com (no sub)");
        check(&json!({ "azp": "cli", "sub": null }), "cli (no sub)");
        check_no_person(&json!({ "azp": 7 }));
        check_no_person(&json!({ "preferred_username": "a".repeat(200) }));
    }
}
