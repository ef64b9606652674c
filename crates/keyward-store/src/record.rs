//! Between a row of `keys` and a [`Record`].

use keyward::record::{KeyState, Record, Scopes};
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::Row;

use crate::fault::Fault;

/// What every query that yields a record selects first, in this order: `id`, `name`, `tier`,
/// `scopes`, `state`, `expires_at_ms` and `revoked_at_ms`. The texts are borrowed, since a gate
/// reads a million of these rows when it opens.
struct KeyRow<'a> {
    id: u64,
    name: &'a str,
    tier: &'a str,
    scopes: &'a str,
    state: &'a str,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
}

/// How many columns a record takes; others follow them.
pub(crate) const RECORD_COLUMNS: usize = 7;

impl<'a> KeyRow<'a> {
    fn read(row: &'a Row<'_>) -> Result<Self, Fault> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get_ref(1)?.as_str()?,
            tier: row.get_ref(2)?.as_str()?,
            scopes: row.get_ref(3)?.as_str()?,
            state: row.get_ref(4)?.as_str()?,
            expires_at_ms: row.get(5)?,
            revoked_at_ms: row.get(6)?,
        })
    }

    /// A state that this version does not know is refused: to read it as active would let a key
    /// in that somebody shut out.
    fn state(&self) -> Result<KeyState, Fault> {
        match (self.state, self.revoked_at_ms) {
            ("active", None) => Ok(KeyState::Active),
            ("suspended", None) => Ok(KeyState::Suspended),
            ("revoked", Some(at)) => Ok(KeyState::Revoked { at: UnixMillis(at) }),
            _ => Err(Fault::Inconsistent(format!("key {} has an unknown state", self.id))),
        }
    }
}

impl TryFrom<KeyRow<'_>> for (Record, TierName) {
    type Error = Fault;

    fn try_from(row: KeyRow<'_>) -> Result<Self, Self::Error> {
        let record = Record {
            id: KeyId::new(row.id).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?,
            name: row.name.parse().map_err(|error| Fault::in_column("keys.name", error))?,
            scopes: parse_scopes(row.scopes)?,
            state: row.state()?,
            expires_at: row.expires_at_ms.map(UnixMillis),
        };
        let tier = row.tier.parse().map_err(|error| Fault::in_column("keys.tier", error))?;
        Ok((record, tier))
    }
}

/// Reads the record that the first [`RECORD_COLUMNS`] columns hold, and the tier of its key.
pub(crate) fn record(row: &Row<'_>) -> Result<(Record, TierName), Fault> {
    KeyRow::read(row)?.try_into()
}

/// The word by which the column knows a state.
pub(crate) fn state_word(state: KeyState) -> Result<&'static str, Fault> {
    match state {
        KeyState::Active => Ok("active"),
        KeyState::Suspended => Ok("suspended"),
        KeyState::Revoked { .. } => Ok("revoked"),
        _ => Err(Fault::Inconsistent("a state that has no word yet".to_owned())),
    }
}

/// The scopes as the column keeps them: a scope holds no space, so one space separates two.
pub(crate) fn scopes_text(scopes: &Scopes) -> String {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    scopes.join(" ")
}

fn parse_scopes(text: &str) -> Result<Scopes, Fault> {
    if text.is_empty() {
        return Ok(Scopes::default());
    }
    let scopes = text.split(' ').map(str::parse).collect::<Result<_, _>>();
    let scopes = scopes.map_err(|error| Fault::in_column("keys.scopes", error))?;
    Scopes::new(scopes).map_err(|error| Fault::in_column("keys.scopes", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &'static str, revoked_at_ms: Option<u64>) -> KeyRow<'static> {
        KeyRow {
            id: 1,
            name: "a",
            tier: "basic",
            scopes: "",
            state,
            expires_at_ms: None,
            revoked_at_ms,
        }
    }

    #[test]
    fn each_state_has_one_form_and_everything_else_is_refused() {
        assert_eq!(row("active", None).state().unwrap(), KeyState::Active);
        assert_eq!(row("suspended", None).state().unwrap(), KeyState::Suspended);
        let revoked = KeyState::Revoked { at: UnixMillis(5) };
        assert_eq!(row("revoked", Some(5)).state().unwrap(), revoked);
        for (state, at) in [("", None), ("Active", None), ("active", Some(5)), ("revoked", None)] {
            assert!(matches!(row(state, at).state(), Err(Fault::Inconsistent(_))), "{state}");
        }
    }

    #[test]
    fn scopes_come_back_as_they_went() {
        for text in ["", "*", "articles:read keys:*"] {
            assert_eq!(scopes_text(&parse_scopes(text).unwrap()), text);
        }
        assert!(parse_scopes(" ").is_err());
        assert!(parse_scopes("articles:read  keys:*").is_err());
    }
}
