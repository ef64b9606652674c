//! How a key is shown: its state, its fields, and all of it.

use serde_json::Value;

use crate::limit::limits_text;
use crate::output::{Cell, Look, Output, Tone, list, member, printable};

/// The state of a key, with the cause of a suspension and how long a former secret still works.
pub(super) fn state(key: &Value, look: Look) -> Cell {
    let state = member(key, "state");
    let tone = match state.as_str() {
        "active" => Tone::Good,
        "suspended" => Tone::Warning,
        "revoked" | "expired" => Tone::Bad,
        _ => Tone::Plain,
    };
    if is_by_owner(key) {
        return Cell::new(format!("{state} (owner)"), tone);
    }
    match key.get("grace_until").and_then(Value::as_str) {
        Some(_) if tone == Tone::Good => {
            let until = look.calendar_time(key, "grace_until");
            Cell::new(format!("{state}, in grace until {until}"), Tone::Warning)
        }
        _ => Cell::new(state, tone),
    }
}

/// The key is suspended because its owner is.
fn is_by_owner(key: &Value) -> bool {
    let by = list(key, "suspended_by");
    key.get("state").and_then(Value::as_str) == Some("suspended")
        && by.iter().any(|by| by == "owner")
}

/// Scopes in words: `*` is easily overlooked.
pub(super) fn scopes(key: &Value) -> String {
    let scopes = list(key, "scopes");
    if scopes.iter().any(|scope| scope == "*") {
        return "full access".to_owned();
    }
    if scopes.is_empty() { "none".to_owned() } else { member(key, "scopes") }
}

/// Networks in words.
fn networks(key: &Value) -> String {
    if list(key, "networks").is_empty() { "any".to_owned() } else { member(key, "networks") }
}

/// One field in words.
pub(super) fn value(key: &Value, name: &str, look: Look) -> Cell {
    match name {
        "state" => state(key, look),
        "scopes" => scopes(key).into(),
        "networks" => networks(key).into(),
        "limits" => match key.get(name) {
            None | Some(Value::Null) => "those of the tier".to_owned().into(),
            Some(limits) => limits_text(limits).into(),
        },
        "expires_at" if key.get(name).is_some_and(Value::is_null) => "never".to_owned().into(),
        _ if name.ends_with("_at") || name.ends_with("_until") => {
            look.time_at_length(key, name).into()
        }
        _ => member(key, name).into(),
    }
}

/// Everything about a key, under the server's names; fields that this program does not know are
/// shown as they are.
pub(super) fn print(key: &Value, out: &mut Output) -> std::io::Result<()> {
    let look = out.look();
    let names = key.as_object().into_iter().flatten().map(|(name, _)| name);
    let rows: Vec<_> =
        names.map(|name| vec![Cell::from(printable(name)), value(key, name, look)]).collect();
    out.table(&["member", "value"], &rows)
}

#[cfg(test)]
pub(super) mod testing {
    use serde_json::{Value, json};

    /// A key with every field set.
    pub(crate) fn full_key() -> Value {
        json!({
            "key_id": 7, "name": "mobile app", "tier": "pro", "owner": "acme",
            "state": "active", "suspended_by": [], "hint": "kw_Ab3d",
            "scopes": ["articles:read", "feeds:*"], "networks": ["10.0.0.0/8", "2001:db8::/32"],
            "limits": [{"name": "requests", "amount": 100, "per": "60s", "burst": 200}],
            "metadata": {"team": "blue"}, "version": 3,
            "created_at": "2026-10-25T09:30:00.000Z", "expires_at": "2026-12-24T09:29:59.999Z",
            "last_used_at": "2026-11-24T09:29:15.000Z", "rotated_at": "2026-11-24T06:30:00.000Z",
            "grace_until": "2026-11-25T06:30:00.000Z", "revoked_at": null, "revoked_reason": null,
        })
    }

    /// A key with no optional field set.
    pub(crate) fn bare_key(id: u64, state: &str, suspended_by: &[&str]) -> Value {
        json!({
            "key_id": id, "name": format!("key {id}"), "tier": "basic", "owner": null,
            "state": state, "suspended_by": suspended_by, "hint": "kw_Zz9y",
            "scopes": ["*"], "networks": [], "limits": null, "metadata": {}, "version": 1,
            "created_at": "2026-11-24T09:00:00.000Z", "expires_at": null, "last_used_at": null,
            "rotated_at": null, "grace_until": null, "revoked_at": null, "revoked_reason": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{bare_key, full_key};
    use super::*;
    use crate::output::testing::{both, terminal};

    #[test]
    fn a_key_with_everything_is_shown() {
        insta::assert_snapshot!(both(|out| print(&full_key(), out)));
    }

    #[test]
    fn a_key_with_little_is_shown() {
        insta::assert_snapshot!(both(|out| print(&bare_key(8, "suspended", &["owner"]), out)));
    }

    #[test]
    fn states_strike_the_eye_by_how_well_they_work() {
        for (shown, by, tone, text) in [
            ("active", &[][..], Tone::Good, "active"),
            ("suspended", &["key"], Tone::Warning, "suspended"),
            ("suspended", &["key", "owner"], Tone::Warning, "suspended (owner)"),
            ("revoked", &["owner"], Tone::Bad, "revoked"),
            ("expired", &[], Tone::Bad, "expired"),
            ("frozen", &[], Tone::Plain, "frozen"),
        ] {
            assert_eq!(state(&bare_key(1, shown, by), terminal()), Cell::new(text, tone));
        }
    }
}
