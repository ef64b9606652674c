//! How a key is shown: its state, its fields, and all of it.

use std::io;

use keyward::record::Stage;
use keyward_api::key::{KeyView, SecretText, SuspendedBy};
use keyward_api::shapes::ScopeText;
use keyward_api::words::{StageWord, Word};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Response;
use crate::connection::Common;
use crate::limit::limits_text;
use crate::output::{Cell, Look, Output, Tone, printable, shown};

/// The state of a key, with the cause of a suspension and how long a former secret still works.
pub(super) fn state(key: &KeyView, look: Look) -> Cell {
    let Cell { text, tone } = stage(&key.state);
    if is_suspended(key) && is_by_owner(key) {
        return Cell::new(format!("{text} (owner)"), tone);
    }
    match key.grace_until {
        Some(until) if tone == Tone::Good => {
            let until = look.calendar_time(&until);
            Cell::new(format!("{text}, in grace until {until}"), Tone::Warning)
        }
        Some(_) | None => Cell::new(text, tone),
    }
}

/// The word of a state, by how well the key works.
pub(super) fn stage(state: &Word<StageWord>) -> Cell {
    let tone = match state {
        Word::Known(StageWord(stage)) => match stage {
            Stage::Active => Tone::Good,
            Stage::Suspended => Tone::Warning,
            Stage::Revoked | Stage::Expired => Tone::Bad,
        },
        Word::Other(_) => Tone::Plain,
    };
    Cell::new(shown(state), tone)
}

/// The key is suspended, by itself or by its owner.
pub(super) fn is_suspended(key: &KeyView) -> bool {
    key.state == Word::Known(StageWord(Stage::Suspended))
}

/// The key is suspended because its owner is.
pub(super) fn is_by_owner(key: &KeyView) -> bool {
    key.suspended_by.contains(&Word::Known(SuspendedBy::Owner))
}

/// Scopes in words: `*` is easily overlooked.
pub(super) fn scopes(scopes: &[ScopeText]) -> String {
    if scopes.iter().any(|scope| scope.0.as_str() == "*") {
        return "full access".to_owned();
    }
    if scopes.is_empty() { "none".to_owned() } else { shown(&scopes) }
}

/// One field in words. A field that this program does not know is shown as it is.
pub(super) fn value(key: &Response<KeyView>, name: &str, look: Look) -> Cell {
    let Response { json, body: key, .. } = key;
    let field = json.get(name).unwrap_or(&Value::Null);
    let text = match name {
        "state" => return state(key, look),
        "scopes" => scopes(&key.scopes),
        "networks" if key.networks.is_empty() => "any".to_owned(),
        "limits" => match &key.limits {
            None => "those of the tier".to_owned(),
            Some(limits) => limits_text(limits),
        },
        "expires_at" if key.expires_at.is_none() => "never".to_owned(),
        _ if name.ends_with("_at") || name.ends_with("_until") => look.time_at_length(field),
        _ => shown(field),
    };
    text.into()
}

/// Prints a response that has a secret, as it was sent, alone, or in words: its only copy.
pub(super) fn print_secret<T: DeserializeOwned>(
    sent: &Value,
    common: &Common,
    quiet: bool,
    out: &mut Output,
    in_words: impl FnOnce(&T, Look) -> String,
) -> io::Result<()> {
    if common.json {
        return out.json(sent);
    }
    if quiet {
        let secret = SecretText::deserialize(sent.get("api_key").unwrap_or(&Value::Null))?;
        return out.line(&printable(&secret.0));
    }
    let text = in_words(&T::deserialize(sent)?, out.look());
    out.line(&text)
}

/// Everything about a key, under the server's names.
pub(super) fn print(key: &Response<KeyView>, out: &mut Output) -> io::Result<()> {
    let look = out.look();
    let names = key.json.as_object().into_iter().flatten().map(|(name, _)| name);
    let rows: Vec<_> =
        names.map(|name| vec![Cell::from(printable(name)), value(key, name, look)]).collect();
    out.table(&["field", "value"], &rows)
}

#[cfg(test)]
pub(super) mod testing {
    use serde_json::{Value, json};

    use super::{KeyView, Response};

    /// The response that has this key.
    pub(crate) fn of(key: Value) -> Response<KeyView> {
        Response::read(key, None).unwrap()
    }

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
    use super::testing::{bare_key, full_key, of};
    use super::*;
    use crate::output::testing::{both, terminal};

    #[test]
    fn a_key_with_everything_is_shown() {
        insta::assert_snapshot!(both(|out| print(&of(full_key()), out)));
    }

    #[test]
    fn a_key_with_little_is_shown() {
        insta::assert_snapshot!(both(|out| print(&of(bare_key(8, "suspended", &["owner"])), out)));
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
            assert_eq!(state(&of(bare_key(1, shown, by)).body, terminal()), Cell::new(text, tone));
        }
    }
}
