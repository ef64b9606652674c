//! The texts in which stores keep values that have no column type of their own: each store the
//! same, so that rows can move from one to another as they are.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limit::{Limit, LimitError, Limits};
use crate::network::Networks;
use crate::record::{KeyState, Scopes};
use crate::time::UnixMillis;

/// A text that this version could not have written: a newer one did, or it was edited by hand.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ColumnError(String);

impl ColumnError {
    fn of(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// A limit as a column keeps it. An unknown field was written by a newer version: to leave it out
/// might be to allow too much.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LimitRow {
    name: String,
    amount: NonZeroU32,
    per_secs: u64,
    burst: NonZeroU32,
}

impl From<&Limit> for LimitRow {
    fn from(limit: &Limit) -> Self {
        Self {
            name: limit.name().to_owned(),
            amount: limit.amount(),
            per_secs: limit.per().as_secs(),
            burst: limit.burst(),
        }
    }
}

impl TryFrom<LimitRow> for Limit {
    type Error = LimitError;

    fn try_from(row: LimitRow) -> Result<Self, Self::Error> {
        Self::new(&row.name, row.amount, Duration::from_secs(row.per_secs), row.burst)
    }
}

/// Limits as JSON: `[{"name":"requests","amount":100,"per_secs":60,"burst":100}]`. No limit is
/// `[]`.
///
/// # Errors
///
/// Returns [`ColumnError`] if they cannot be written as JSON.
///
/// ```
/// use keyward::columns::{limits_text, parse_limits};
///
/// let text = r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100}]"#;
/// assert_eq!(limits_text(&parse_limits(text)?)?, text);
/// // A field of a newer version may be one without which the limit would be too high.
/// assert!(parse_limits(&text.replace("burst", "bursts")).is_err());
/// # Ok::<(), keyward::columns::ColumnError>(())
/// ```
pub fn limits_text(limits: &Limits) -> Result<String, ColumnError> {
    let rows: Vec<_> = limits.list().iter().map(LimitRow::from).collect();
    serde_json::to_string(&rows).map_err(ColumnError::of)
}

/// Reads what [`limits_text`] wrote.
///
/// # Errors
///
/// Returns [`ColumnError`] for any other text.
pub fn parse_limits(text: &str) -> Result<Limits, ColumnError> {
    let rows: Vec<LimitRow> = serde_json::from_str(text).map_err(ColumnError::of)?;
    let list = rows.into_iter().map(Limit::try_from).collect::<Result<_, _>>();
    Limits::new(list.map_err(ColumnError::of)?).map_err(ColumnError::of)
}

/// Scopes, separated by one space, which no scope contains. None is the empty text.
///
/// ```
/// use keyward::columns::{parse_scopes, scopes_text};
///
/// assert_eq!(scopes_text(&parse_scopes("articles:read keys:*")?), "articles:read keys:*");
/// assert!(parse_scopes("articles:read  keys:*").is_err());
/// # Ok::<(), keyward::columns::ColumnError>(())
/// ```
#[must_use]
pub fn scopes_text(scopes: &Scopes) -> String {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    scopes.join(" ")
}

/// Reads what [`scopes_text`] wrote.
///
/// # Errors
///
/// Returns [`ColumnError`] for any other text.
pub fn parse_scopes(text: &str) -> Result<Scopes, ColumnError> {
    Scopes::new(parse_list(text)?).map_err(ColumnError::of)
}

/// Networks, separated by one space. None, which is everywhere, is the empty text.
///
/// ```
/// use keyward::columns::{networks_text, parse_networks};
///
/// assert_eq!(networks_text(&parse_networks("10.0.0.0/8 ::1/128")?), "10.0.0.0/8 ::1/128");
/// # Ok::<(), keyward::columns::ColumnError>(())
/// ```
#[must_use]
pub fn networks_text(networks: &Networks) -> String {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    networks.join(" ")
}

/// Reads what [`networks_text`] wrote.
///
/// # Errors
///
/// Returns [`ColumnError`] for any other text.
pub fn parse_networks(text: &str) -> Result<Networks, ColumnError> {
    Networks::new(parse_list(text)?).map_err(ColumnError::of)
}

fn parse_list<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<Vec<T>, ColumnError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(' ').map(|part| part.parse().map_err(ColumnError::of)).collect()
}

/// The state of a key, of the word for it ([`KeyState::as_str`]) and the time at which it was
/// revoked.
///
/// # Errors
///
/// Returns [`ColumnError`] for a word that this version does not know: to read it as active would
/// allow a key that an operator shut out. The same goes for a time without the word, and the word
/// without a time.
///
/// ```
/// use keyward::columns::parse_state;
/// use keyward::record::KeyState;
///
/// assert_eq!(parse_state("suspended", None)?, KeyState::Suspended);
/// assert!(parse_state("on-hold", None).is_err());
/// # Ok::<(), keyward::columns::ColumnError>(())
/// ```
pub fn parse_state(word: &str, revoked_at: Option<UnixMillis>) -> Result<KeyState, ColumnError> {
    match (word, revoked_at) {
        ("active", None) => Ok(KeyState::Active),
        ("suspended", None) => Ok(KeyState::Suspended),
        ("revoked", Some(at)) => Ok(KeyState::Revoked { at }),
        _ => Err(ColumnError::of("an unknown state")),
    }
}

/// A name as it is searched for: letters of either case are the same. Each character is folded by
/// itself, so that a part of a text folds into a part of the folded text.
///
/// ```
/// use keyward::columns::fold;
///
/// assert!(fold("Weather-Bot").contains(&fold("HER-b")));
/// ```
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_one_form_and_everything_else_is_rejected() {
        let at = Some(UnixMillis(5));
        assert_eq!(parse_state("active", None), Ok(KeyState::Active));
        assert_eq!(parse_state("suspended", None), Ok(KeyState::Suspended));
        assert_eq!(parse_state("revoked", at), Ok(KeyState::Revoked { at: UnixMillis(5) }));
        for (word, at) in [("", None), ("Active", None), ("active", at), ("revoked", None)] {
            assert!(parse_state(word, at).is_err(), "{word}");
        }
    }

    #[test]
    fn lists_come_back_as_they_went() {
        for text in ["", "*", "articles:read keys:*"] {
            assert_eq!(scopes_text(&parse_scopes(text).unwrap()), text);
        }
        for text in ["", "::1/128", "10.0.0.0/8 2001:db8::/32"] {
            assert_eq!(networks_text(&parse_networks(text).unwrap()), text);
        }
        for text in [" ", "articles:read  keys:*"] {
            assert!(parse_scopes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_that_this_version_does_not_understand_are_rejected() {
        let limit = r#"{"name":"requests","amount":100,"per_secs":60,"burst":100}"#;
        for kept in [format!("[{limit}]"), "[]".to_owned()] {
            assert_eq!(limits_text(&parse_limits(&kept).unwrap()).unwrap(), kept);
        }
        for rejected in [
            "",
            "{}",
            r#"[{"name":"requests","amount":0,"per_secs":60,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":0,"burst":100}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60}]"#,
            r#"[{"name":"requests","amount":100,"per_secs":60,"burst":100,"calendar":"day"}]"#,
            &format!("[{limit},{limit}]"),
        ] {
            parse_limits(rejected).unwrap_err();
        }
    }

    #[test]
    fn parts_of_names_fold_into_parts_of_folded_names() {
        let check = |name: &str, part: &str| assert!(fold(name).contains(&fold(part)), "{part}");
        check("Weather-Bot", "HER-b");
        check("ÜBERSICHT", "übers");
        check("ΟΔΥΣΣΕΥΣ ΟΔΟΣ", "σσευσ ο");
        check("İstanbul", "ISTAN".to_lowercase().get(1..).unwrap());
    }
}
