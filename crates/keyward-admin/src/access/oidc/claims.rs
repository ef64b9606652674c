//! The claims of a token whose signature was verified: from whom, for whom, until when, about whom
//! (RFC 7519, section 4.1).

mod name;
mod roles;

use std::time::Duration;

use keyward::UnixMillis;
use keyward::json;
use serde_json::{Map, Value};

use super::verdict::{Invalid, Person};
use crate::people::People;
use crate::role::Role;

/// How far the clocks of the issuer and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// The claims of a token.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the signed payload.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        json::from_slice(bytes).map(Self).map_err(|_| Invalid::Form)
    }

    /// Decides whether they are made for us and good now, and whom they are about.
    pub(super) fn judge(&self, people: &People, now: UnixMillis) -> Result<Person, Invalid> {
        if self.text("iss") != Some(people.issuer.as_str()) {
            return Err(Invalid::Issuer);
        }
        if !self.is_for(&people.audience) {
            return Err(Invalid::Audience);
        }
        let expires_at = self.time("exp", Invalid::Expired)?.ok_or(Invalid::Expired)?;
        if expires_at.later_by(LEEWAY) <= now {
            return Err(Invalid::Expired);
        }
        for name in ["nbf", "iat"] {
            let from = self.time(name, Invalid::NotYet)?;
            if from.is_some_and(|from| now.later_by(LEEWAY) < from) {
                return Err(Invalid::NotYet);
            }
        }
        Ok(Person { name: name::of(&self.0)?, role: self.role(people) })
    }

    /// Whether the token is for this audience. Access tokens of Amazon Cognito have no `aud`, but
    /// the `client_id` that they were made for; next to an `aud` that does not count.
    fn is_for(&self, audience: &str) -> bool {
        match self.claim("aud") {
            None => self.text("client_id") == Some(audience),
            aud => texts(aud).any(|one| one == audience),
        }
    }

    /// A claim; one that is `null` is not there.
    fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claim(name).and_then(Value::as_str)
    }

    /// A time in seconds since 1970, which may have a fraction; another type is invalid.
    fn time(&self, name: &str, invalid: Invalid) -> Result<Option<UnixMillis>, Invalid> {
        let Some(value) = self.claim(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(invalid)?;
        let since_1970 = Duration::try_from_secs_f64(seconds).map_err(|_| invalid)?;
        Ok(Some(UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))))
    }

    fn role(&self, people: &People) -> Option<Role> {
        roles::highest(&self.0, &people.role_claim, &people.roles)
    }
}

/// The texts of a claim that is a text or a list of them.
fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = claim.and_then(Value::as_str);
    let list = claim.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(list.iter().filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use keyward_tls::Trust;
    use serde_json::json;

    use super::*;
    use crate::people::{IssuerUrl, RoleNames};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_500);

    fn people(role_claim: &str) -> People {
        People {
            issuer: IssuerUrl::parse("https://login.example.com/").unwrap(),
            audience: "keyward".to_owned(),
            role_claim: role_claim.to_owned(),
            roles: RoleNames::parse("viewer=v,issuer=i,admin=a").unwrap(),
            trust: Trust::System,
        }
    }

    fn judged_for(role_claim: &str, changes: &Value) -> Result<Person, Invalid> {
        let mut claims = json!({
            "iss": "https://login.example.com/", "aud": "keyward", "sub": "7f3c",
            "exp": 1_800_000_060, "iat": 1_800_000_000, "roles": ["i"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims = Claims::parse(claims.to_string().as_bytes()).unwrap();
        claims.judge(&people(role_claim), NOW)
    }

    fn judged(changes: &Value) -> Result<Person, Invalid> {
        judged_for("roles", changes)
    }

    #[test]
    fn a_token_names_its_issuer_to_the_letter() {
        assert!(judged(&json!({})).is_ok());
        for iss in [
            json!("https://login.example.com"),
            json!("https://login.example.com//"),
            json!("https://LOGIN.example.com/"),
            json!(["https://login.example.com/"]),
            json!(null),
        ] {
            assert_eq!(judged(&json!({ "iss": iss })), Err(Invalid::Issuer), "{iss}");
        }
    }

    #[test]
    fn a_token_is_for_us_alone_or_among_others() {
        assert!(judged(&json!({ "aud": ["account", "keyward"] })).is_ok());
        for aud in [json!("account"), json!([]), json!("keyward2"), json!({}), json!(null)] {
            assert_eq!(judged(&json!({ "aud": aud })), Err(Invalid::Audience), "{aud}");
        }
    }

    #[test]
    fn without_an_audience_the_client_counts() {
        assert!(judged(&json!({ "aud": null, "client_id": "keyward" })).is_ok());
        for aud in [json!("account"), json!([]), json!("")] {
            let claims = json!({ "aud": aud, "client_id": "keyward" });
            assert_eq!(judged(&claims), Err(Invalid::Audience), "{aud}");
        }
        let other = json!({ "aud": null, "client_id": ["keyward"] });
        assert_eq!(judged(&other), Err(Invalid::Audience));
    }

    #[test]
    fn a_token_ends_half_a_minute_after_its_exp() {
        let at = |exp: Value| judged(&json!({ "exp": exp })).map(|_| ());
        assert_eq!(at(json!(1_799_999_971)), Ok(()));
        assert_eq!(at(json!(1_799_999_970.75)), Ok(()));
        assert_eq!(at(json!(1_799_999_970.5)), Err(Invalid::Expired));
        assert_eq!(at(json!(1_799_999_970)), Err(Invalid::Expired));
        for exp in [json!(null), json!("1800000060"), json!(-1), json!([1_800_000_060])] {
            assert_eq!(at(exp.clone()), Err(Invalid::Expired), "{exp}");
        }
    }

    #[test]
    fn a_token_begins_half_a_minute_before_its_nbf_and_iat() {
        for name in ["nbf", "iat"] {
            let at = |from: Value| judged(&json!({ name: from })).map(|_| ());
            assert_eq!(at(json!(1_800_000_030.5)), Ok(()));
            assert_eq!(at(json!(1_800_000_031)), Err(Invalid::NotYet));
            assert_eq!(at(json!("0")), Err(Invalid::NotYet));
            assert_eq!(at(json!(null)), Ok(()));
        }
    }

    #[test]
    fn the_highest_role_counts() {
        let role = |claim: &str, changes: Value| judged_for(claim, &changes).unwrap().role;
        assert_eq!(role("roles", json!({ "roles": ["v", "a", "x", 7] })), Some(Role::Admin));
        assert_eq!(role("roles", json!({ "roles": "v" })), Some(Role::Viewer));
        for none in [json!(null), json!([]), json!("admin"), json!({ "x": true }), json!(true)] {
            assert_eq!(role("roles", json!({ "roles": none })), None, "{none}");
        }
    }
}
