//! The rows of keys: each is written with all by which it is found.

use std::collections::BTreeMap;

use keyward::KeyId;
use keyward::key::Prefix;
use keyward::rules::KeyWrite;
use keyward::stored::Key;
use keyward::time::UnixHour;
use rusqlite::{CachedStatement, Connection};

use super::written::Written;
use crate::keys::{former, late, terms};
use crate::record;
use crate::spans;
use crate::sql_error::SqlError;

/// Whether there is a key.
pub(super) fn is_there(connection: &Connection, id: KeyId) -> Result<bool, SqlError> {
    // Served by the primary key.
    const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1)";
    Ok(connection.prepare_cached(IS_THERE)?.query_row([id.get()], |row| row.get(0))?)
}

/// Writes the keys of one change. It grows with the change.
pub(super) struct Keys<'a> {
    connection: &'a Connection,
    written: &'a mut Written,
    add: CachedStatement<'a>,
    /// The highest id that was given before the change.
    last_given: Option<KeyId>,
    /// The first and the last id of each hour in which keys that were added were issued.
    hours: BTreeMap<UnixHour, (u64, u64)>,
    added: usize,
}

impl<'a> Keys<'a> {
    /// Begins. Nothing else writes until the change is written.
    pub(super) fn open(
        connection: &'a Connection,
        written: &'a mut Written,
        last_given: Option<KeyId>,
    ) -> Result<Self, SqlError> {
        let add = connection.prepare_cached(record::ADD)?;
        Ok(Self { connection, written, add, last_given, hours: BTreeMap::new(), added: 0 })
    }

    /// Writes a key.
    pub(super) fn write(&mut self, write: &KeyWrite) -> Result<(), SqlError> {
        match write {
            KeyWrite::Add(key) => self.add(key)?,
            KeyWrite::Put { before, after } => self.put(before, after)?,
        }
        for former in write.ended() {
            former::end(self.connection, former)?;
        }
        for (_, former) in write.replaced() {
            former::add(self.connection, write.key().id, former)?;
            self.add_prefix(&former.secret.hint)?;
        }
        match write {
            KeyWrite::Put { before, after } if before.secret == after.secret => Ok(()),
            KeyWrite::Put { after: key, .. } | KeyWrite::Add(key) => {
                self.add_prefix(&key.secret.hint)
            }
        }
    }

    fn add(&mut self, key: &Key) -> Result<(), SqlError> {
        record::write(&mut self.add, key)?;
        self.list(key)?;
        // Ids of imported keys may lie beyond either end.
        let id = key.id.get();
        let (first, last) = self.hours.entry(key.created_at.hour()).or_insert((id, id));
        (*first, *last) = (id.min(*first), id.max(*last));
        self.added += 1;
        Ok(())
    }

    fn put(&self, before: &Key, after: &Key) -> Result<(), SqlError> {
        record::write(&mut *self.connection.prepare_cached(record::PUT)?, after)?;
        if before.name != after.name {
            self.rename(after)?;
        }
        Ok(())
    }

    /// Writes the rows that lists need of a key, unless they can wait.
    fn list(&self, key: &Key) -> Result<(), SqlError> {
        const USED: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (?1, ?2)";
        let id = key.id.get();
        let is_late = self.is_late(key.id)?;
        if !is_late || key.last_used_at.is_some() {
            let at = key.last_used_at.map_or(-1, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
            self.connection.prepare_cached(USED)?.execute((id, at))?;
        }
        if !is_late {
            let mut name = self.connection.prepare_cached(terms::ADD_NAME)?;
            terms::add_name(&mut name, id, key.name.as_str())?;
        }
        Ok(())
    }

    /// Whether the rows that lists need of a key wait. They do for each key with an id above all
    /// others.
    fn is_late(&self, id: KeyId) -> Result<bool, SqlError> {
        Ok(self.last_given < Some(id) || late::last_listed(self.connection)? < id.get())
    }

    /// Makes a key found by the parts of its new name, and by those of the old one no more.
    fn rename(&self, key: &Key) -> Result<(), SqlError> {
        // Served by the row's id.
        const FORGET: &str = "DELETE FROM key_names WHERE rowid = ?1";
        let id = key.id.get();
        if self.is_late(key.id)? {
            return Ok(());
        }
        self.connection.prepare_cached(FORGET)?.execute([id])?;
        let mut add = self.connection.prepare_cached(terms::ADD_NAME)?;
        terms::add_name(&mut add, id, key.name.as_str())
    }

    fn add_prefix(&mut self, hint: &str) -> Result<(), SqlError> {
        let Some(prefix) = Prefix::of_hint(hint) else { return Ok(()) };
        if self.written.prefixes.contains(prefix.as_str()) {
            return Ok(());
        }
        terms::add_prefix(self.connection, &prefix)?;
        self.written.prefixes.insert(prefix.as_str().to_owned());
        Ok(())
    }

    /// Notes in which hours the keys that were added were issued. Without this they would not be
    /// found by time.
    ///
    /// One key of the present hour with the highest id, as issued keys are, leaves that hour open.
    /// The rows that several of them need in lists are written at once.
    pub(super) fn finish(self, present: UnixHour, highest: Option<KeyId>) -> Result<(), SqlError> {
        let first_added = self.hours.first_key_value();
        let Some((hour, (id, _))) = first_added.map(|(hour, ids)| (*hour, *ids)) else {
            return Ok(());
        };
        if self.added == 1 && hour == present && KeyId::new(id) == highest {
            if self.written.hour_of_keys.replace(hour) != Some(hour) {
                spans::KEYS.go_on(self.connection, hour.0, id)?;
            }
            return Ok(());
        }
        self.written.hour_of_keys = None;
        spans::KEYS.close(self.connection)?;
        late::list_all(self.connection)?;
        for (hour, ids) in self.hours {
            spans::KEYS.widen(self.connection, hour.0, ids)?;
        }
        Ok(())
    }
}
