//! Where a token holds the roles of a person, in the forms in which issuers write them.

use serde_json::{Map, Value};

use crate::people::RoleNames;
use crate::role::Role;

/// The fields that name an entry of a list of objects (RFC 7643, section 2.4, and the field that
/// issuers write instead).
const NAME_FIELDS: [&str; 2] = ["value", "name"];

/// The highest role that the claim at `path` names.
///
/// Dots lead inwards, and also belong to names: at every level the longest name that is there is
/// taken first. A list on the way means each of its entries.
///
/// The claim is a text, a list of texts, an object whose fields are named after roles (fields with
/// `false` or `null` do not count), or a list of objects with a `value` or a `name`. Only the
/// claims `scope`, `scopes` and `scp` are read as words, as RFC 6749 (section 3.3) writes scopes:
/// in any other text a space belongs to the name, and a group "Domain admin" is no "admin".
pub(super) fn highest(claims: &Map<String, Value>, path: &str, names: &RoleNames) -> Option<Role> {
    let mut found = Vec::new();
    gather(claims, path, &mut found);
    let last_name = path.rsplit(['.', '/', ':']).next().unwrap_or(path);
    let is_scope = ["scope", "scopes", "scp"].contains(&last_name);
    let mut highest = None;
    for claim in found {
        let text = claim.as_str().unwrap_or_default();
        if is_scope {
            highest = text.split(' ').filter_map(|word| names.find(word)).max().max(highest);
        }
        highest = of_claim(claim, names).max(highest);
    }
    highest
}

/// Gathers the claims that a path leads to, whose first name is that of a field of the object.
fn gather<'a>(object: &'a Map<String, Value>, path: &str, found: &mut Vec<&'a Value>) {
    if let Some(whole) = object.get(path).filter(|value| !value.is_null()) {
        found.push(whole);
        return;
    }
    for (at, _) in path.rmatch_indices('.') {
        let (name, rest) = path.split_at(at);
        if let Some(value) = object.get(name) {
            gather_inside(value, rest.get(1..).unwrap_or_default(), found);
        }
        if !found.is_empty() {
            return;
        }
    }
}

fn gather_inside<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => gather(object, path, found),
        Value::Array(list) => {
            for entry in list {
                gather_inside(entry, path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn of_claim(claim: &Value, names: &RoleNames) -> Option<Role> {
    match claim {
        Value::String(name) => names.find(name),
        Value::Array(list) => list.iter().filter_map(|entry| of_entry(entry, names)).max(),
        Value::Object(object) => {
            let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
            let fields = object.iter().filter(|(_, value)| is_set(value));
            fields.filter_map(|(name, _)| names.find(name)).max()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn of_entry(entry: &Value, names: &RoleNames) -> Option<Role> {
    let texts = NAME_FIELDS.into_iter().filter_map(|field| entry.get(field));
    texts.chain([entry]).filter_map(Value::as_str).filter_map(|name| names.find(name)).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, claims: &Value, expected: Option<Role>) {
        let names = "viewer=v,issuer=Keys Issue,admin=a,admin=/keyward/admin";
        let names = RoleNames::parse(names).unwrap();
        assert_eq!(highest(claims.as_object().unwrap(), path, &names), expected, "{path} {claims}");
    }

    #[test]
    fn dots_lead_inwards_unless_they_belong_to_a_name() {
        let realm = json!({ "realm_access": { "roles": ["a"] } });
        check("realm_access.roles", &realm, Some(Role::Admin));
        check("realm_access.groups", &realm, None);
        check("https://k.example/roles", &json!({ "https://k.example/roles": "v" }), VIEWER);
        let url = json!({ "https://k.example/attrs": { "role": "v" } });
        check("https://k.example/attrs.role", &url, VIEWER);
        let client = json!({ "resource_access": { "keys.example.com": { "roles": ["v"] } } });
        check("resource_access.keys.example.com.roles", &client, VIEWER);
        let inner = json!({ "a": { "b.c.d": { "e.f": "v" } } });
        check("a.b.c.d.e.f", &inner, VIEWER);
    }

    const VIEWER: Option<Role> = Some(Role::Viewer);

    #[test]
    fn the_longest_name_that_exists_is_taken() {
        check("a.b", &json!({ "a.b": "v", "a": { "b": "a" } }), VIEWER);
        check("a.b.c", &json!({ "a.b": { "c": "v" }, "a": { "b": { "c": "a" } } }), VIEWER);
        check("a.b.c", &json!({ "a.b": { "d": "a" }, "a": { "b": { "c": "v" } } }), VIEWER);
        check("a.b", &json!({ "a.b": null, "a": { "b": "v" } }), VIEWER);
    }

    #[test]
    fn lists_on_the_way_stand_for_their_entries() {
        let teams = json!({ "teams": [{ "role": "v" }, { "role": "a" }, "a", 7] });
        check("teams.role", &teams, Some(Role::Admin));
        check("teams.roles", &teams, None);
    }

    #[test]
    fn only_scopes_are_words() {
        for name in ["scp", "scope", "scopes"] {
            check(name, &json!({ name: "openid v" }), VIEWER);
            check(name, &json!({ name: ["openid", "v"] }), VIEWER);
            check(name, &json!({ name: "Keys Issue" }), Some(Role::Issuer));
            check(name, &json!({ name: "openid va" }), None);
        }
        check("attrs.scope", &json!({ "attrs": { "scope": "openid v" } }), VIEWER);
        check("roles", &json!({ "roles": "Keys Issue" }), Some(Role::Issuer));
        check("roles", &json!({ "roles": "Domain a" }), None);
        check("roles", &json!({ "roles": ["Domain a"] }), None);
    }

    #[test]
    fn objects_name_roles_by_their_fields_or_their_entries() {
        check("roles", &json!({ "roles": { "v": { "2341": "example.com" } } }), VIEWER);
        check("roles", &json!({ "roles": { "v": true, "a": false } }), VIEWER);
        check("roles", &json!({ "roles": { "a": null } }), None);
        check("groups", &json!({ "groups": [{ "value": "v", "display": "a" }] }), VIEWER);
        check("groups", &json!({ "groups": [{ "name": "/keyward/admin" }] }), Some(Role::Admin));
        check("groups", &json!({ "groups": [{ "id": "a" }, [["a"]], null] }), None);
    }
}
