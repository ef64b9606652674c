//! Names and reasons of earlier programs, as those of today can read them.

use keyward::audit::{Audit, Verb};
use keyward::details::{REASON_CHARS_MAX, Reason};
use keyward::record::{KeyName, NAME_CHARS_MAX};
use keyward::rules::Subject;
use keyward::text::spelled_out;
use keyward::{KeyId, UnixMillis};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::audit;
use crate::names;
use crate::sql_error::SqlError;

/// A key with a text that is not taken any more.
struct Odd {
    id: KeyId,
    name: String,
    reason: Option<String>,
}

/// Writes each character that a name or a reason does not take any more by its number, such as
/// `U+202E`, and an audit entry for each key, which keeps the text as it was.
pub(crate) fn migrate(connection: &Connection, now: UnixMillis) -> Result<(), SqlError> {
    // Served by the primary key.
    const WRITE: &str = "UPDATE keys SET name = ?2, revoked_reason = ?3, version = version + 1 \
                         WHERE id = ?1";
    const FORGET: &str = "DELETE FROM key_names WHERE rowid = ?1";
    const FIND: &str = "INSERT INTO key_names (rowid, name) VALUES (?1, ?2)";
    let audit = Audit::program(now);
    for Odd { id, name, reason } in odd(connection)? {
        let (mut before, mut after) = (Map::new(), Map::new());
        let new_name = match name.parse::<KeyName>() {
            Ok(_) => name.clone(),
            Err(_) => spelled_out(&name, NAME_CHARS_MAX),
        };
        if new_name != name {
            before.insert("name".to_owned(), Value::from(name));
            after.insert("name".to_owned(), Value::from(new_name.clone()));
            connection.execute(FORGET, [id.get()])?;
            connection.execute(FIND, (id.get(), names::indexed(&names::fold(&new_name))))?;
        }
        let new_reason = reason.as_ref().map(|reason| match reason.parse::<Reason>() {
            Ok(_) => reason.clone(),
            Err(_) => spelled_out(reason, REASON_CHARS_MAX),
        });
        if new_reason != reason {
            before.insert("revoked_reason".to_owned(), json!(reason));
            after.insert("revoked_reason".to_owned(), json!(new_reason));
        }
        connection.execute(WRITE, (id.get(), new_name, new_reason))?;
        let details = json!({ "before": before, "after": after }).to_string();
        audit::record(connection, &audit, Verb::Edit, Subject::Key(id), details)?;
    }
    Ok(())
}

fn odd(connection: &Connection) -> Result<Vec<Odd>, SqlError> {
    let mut keys = connection.prepare("SELECT id, name, revoked_reason FROM keys ORDER BY id")?;
    let mut rows = keys.query([])?;
    let mut odd = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, reason) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str_or_null()?);
        let fits = reason.is_none_or(|reason| reason.parse::<Reason>().is_ok());
        if name.parse::<KeyName>().is_ok() && fits {
            continue;
        }
        let id =
            KeyId::new(row.get(0)?).ok_or_else(|| SqlError::in_column("keys.id", "not an id"))?;
        odd.push(Odd { id, name: name.to_owned(), reason: reason.map(str::to_owned) });
    }
    Ok(odd)
}
