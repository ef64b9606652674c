//! What a token claims, once its signature was verified: from whom, for whom, until when, about
//! whom (RFC 7519, section 4.1).

use std::time::Duration;

use keyward::UnixMillis;
use keyward::json;
use serde_json::{Map, Value};

use super::{Invalid, Person};
use crate::role::Role;
use crate::settings::People;

/// How far the clocks of the issuer and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// Most characters of a person's name; the audit trail keeps as many.
const NAME_CHARS_MAX: usize = 200;

/// The claims of a token.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Takes what was signed.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        json::from_slice(bytes).map(Self).map_err(|_| Invalid::Form)
    }

    /// Decides whether they are made for us and good now, and whom they are about.
    pub(super) fn judge(&self, people: &People, now: UnixMillis) -> Result<Person, Invalid> {
        if self.text("iss") != Some(people.issuer.as_str()) {
            return Err(Invalid::Issuer);
        }
        if !texts(self.0.get("aud")).any(|one| one == people.audience) {
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
        Ok(Person { name: self.name()?, role: self.role(people) })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A time in seconds since 1970, which may have a fraction; another type is invalid.
    fn time(&self, name: &str, invalid: Invalid) -> Result<Option<UnixMillis>, Invalid> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(invalid)?;
        let since_1970 = Duration::try_from_secs_f64(seconds).map_err(|_| invalid)?;
        Ok(Some(UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))))
    }

    /// What the audit calls the person: their mail address, if the issuer has verified it, or
    /// else the issuer's id for them. An address that they merely typed could be anyone's.
    fn name(&self) -> Result<String, Invalid> {
        let is_verified = self.0.get("email_verified") == Some(&Value::Bool(true));
        let email = self.text("email").filter(|email| is_verified && !email.is_empty());
        let name = email.or_else(|| self.text("sub")).ok_or(Invalid::Nobody)?;
        let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count())
            && !name.chars().any(char::is_control);
        if fits { Ok(name.to_owned()) } else { Err(Invalid::Nobody) }
    }

    fn role(&self, people: &People) -> Option<Role> {
        texts(self.find(&people.role_claim)).filter_map(|name| people.roles.find(name)).max()
    }

    /// The claim of this name, or the one that its dots lead to. Names may have dots of their
    /// own: some issuers have claims that are URLs.
    fn find(&self, path: &str) -> Option<&Value> {
        if let Some(whole) = self.0.get(path) {
            return Some(whole);
        }
        let mut steps = path.split('.');
        let first = self.0.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
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
    use serde_json::json;

    use super::*;
    use crate::settings::{IssuerUrl, RoleNames};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_500);

    fn people(role_claim: &str) -> People {
        People {
            issuer: IssuerUrl::parse("https://login.example.com/").unwrap(),
            audience: "keyward".to_owned(),
            role_claim: role_claim.to_owned(),
            roles: RoleNames::parse("viewer=v,issuer=i,admin=a").unwrap(),
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
        // `null` stands for a claim that is not there.
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
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
    fn a_token_ends_half_a_minute_after_it_says() {
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
    fn a_token_begins_half_a_minute_before_it_says() {
        for name in ["nbf", "iat"] {
            let at = |from: Value| judged(&json!({ name: from })).map(|_| ());
            assert_eq!(at(json!(1_800_000_030.5)), Ok(()));
            assert_eq!(at(json!(1_800_000_031)), Err(Invalid::NotYet));
            assert_eq!(at(json!("0")), Err(Invalid::NotYet));
            assert_eq!(at(json!(null)), Ok(()));
        }
    }

    #[test]
    fn people_go_by_a_verified_address_or_by_their_id() {
        let name = |changes: Value| judged(&changes).map(|person| person.name);
        let ada = json!({ "email": "ada@example.com", "email_verified": true });
        assert_eq!(name(ada), Ok("ada@example.com".to_owned()));
        for verified in [json!(false), json!("true"), json!(null)] {
            let unverified = json!({ "email": "ada@example.com", "email_verified": verified });
            assert_eq!(name(unverified), Ok("7f3c".to_owned()), "{verified}");
        }
        assert_eq!(name(json!({ "sub": "é".repeat(200) })), Ok("é".repeat(200)));
        for sub in [json!("é".repeat(201)), json!(""), json!("a\nb"), json!(7), json!(null)] {
            assert_eq!(name(json!({ "sub": sub })), Err(Invalid::Nobody), "{sub}");
        }
    }

    #[test]
    fn the_highest_role_counts() {
        let role = |claim: &str, changes: Value| judged_for(claim, &changes).unwrap().role;
        assert_eq!(role("roles", json!({ "roles": ["v", "a", "x", 7] })), Some(Role::Admin));
        assert_eq!(role("roles", json!({ "roles": "v" })), Some(Role::Viewer));
        for none in [json!(null), json!([]), json!("admin"), json!({ "a": true }), json!(true)] {
            assert_eq!(role("roles", json!({ "roles": none })), None, "{none}");
        }
    }

    #[test]
    fn dots_lead_to_a_role_claim_unless_they_belong_to_its_name() {
        let role = |claim: &str, changes: Value| judged_for(claim, &changes).unwrap().role;
        let inner = json!({ "realm_access": { "roles": ["a"] } });
        assert_eq!(role("realm_access.roles", inner.clone()), Some(Role::Admin));
        assert_eq!(role("realm_access.groups", inner), None);
        let whole = json!({ "https://keyward.example/roles": ["v"] });
        assert_eq!(role("https://keyward.example/roles", whole), Some(Role::Viewer));
    }
}
