//! Finding keys and audit entries, by looking at every one.

use crate::audit::AuditEntry;
use crate::columns::fold;
use crate::query::{
    AuditFilter, AuditPage, AuditQuery, KeyCursor, KeyFilter, KeyOrder, KeyPage, KeyQuery,
};
use crate::stored::OwnedKey;
use crate::time::UnixMillis;

use super::rows::Rows;

/// The value of one key by which a list is ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    /// All alike, so that ids decide.
    Nothing,
    Text(String),
    /// `None` comes first.
    Early(Option<u64>),
    /// `None`, as the largest, comes last.
    Late(u64),
}

impl Value {
    fn of(key: &OwnedKey, order: KeyOrder) -> Self {
        match order {
            KeyOrder::Created => Self::Nothing,
            KeyOrder::Name => Self::Text(key.key.name.as_str().to_owned()),
            KeyOrder::LastUsed => Self::Early(key.key.last_used_at.map(|at| at.0)),
            KeyOrder::Expires => Self::Late(key.key.expires_at.map_or(u64::MAX, |at| at.0)),
        }
    }

    fn read(text: &str, order: KeyOrder) -> Self {
        match order {
            KeyOrder::Created => Self::Nothing,
            KeyOrder::Name => Self::Text(text.to_owned()),
            KeyOrder::LastUsed => Self::Early(text.parse().ok()),
            KeyOrder::Expires => Self::Late(text.parse().unwrap_or(u64::MAX)),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Nothing | Self::Early(None) => String::new(),
            Self::Text(text) => text.clone(),
            Self::Early(Some(number)) | Self::Late(number) => number.to_string(),
        }
    }
}

impl Rows {
    pub(super) fn fitting(
        &self,
        filter: &KeyFilter,
        now: UnixMillis,
    ) -> impl Iterator<Item = OwnedKey> {
        let all = self.keys_after(None).map(|key| self.owned(key));
        all.filter(move |key| fits(key, filter, now))
    }

    pub(super) fn list(&self, query: &KeyQuery) -> KeyPage {
        let KeyQuery { filter, order, descending, after, max, now } = query;
        let position = |key: &OwnedKey| (Value::of(key, *order), key.key.id.get());
        let mut keys: Vec<_> = self.fitting(filter, *now).collect();
        keys.sort_by_cached_key(position);
        if *descending {
            keys.reverse();
        }
        if let Some(after) = after {
            let end = (Value::read(&after.value, *order), after.id);
            keys.retain(|key| if *descending { position(key) < end } else { end < position(key) });
        }
        let more = *max as usize <= keys.len().saturating_sub(1);
        keys.truncate(*max as usize);
        let cursor = |key: &OwnedKey| {
            let (value, id) = position(key);
            KeyCursor { value: value.shown(), id }
        };
        let next = keys.last().filter(|_| more).map(cursor);
        KeyPage { keys, next }
    }

    pub(super) fn audit_page(&self, query: &AuditQuery) -> AuditPage {
        let AuditQuery { filter, after, descending, max } = query;
        let mut entries: Vec<_> =
            self.trail.iter().filter(|entry| entry_fits(entry, filter)).collect();
        if *descending {
            entries.reverse();
        }
        if let Some(after) = *after {
            entries.retain(|entry| if *descending { entry.id < after } else { after < entry.id });
        }
        let max = max.get() as usize;
        let more = max < entries.len();
        entries.truncate(max);
        let next = entries.last().filter(|_| more).map(|last| last.id);
        AuditPage { entries: entries.into_iter().cloned().collect(), next }
    }
}

fn fits(owned: &OwnedKey, filter: &KeyFilter, now: UnixMillis) -> bool {
    let key = &*owned.key;
    let name_has = |part: &String| fold(key.name.as_str()).contains(&fold(part));
    let expires_until =
        |before| key.expires_at.is_some_and(|expires| now < expires && expires < before);
    let idle = |since| key.last_used_at.is_none_or(|at| at < since) && key.created_at < since;
    filter.state.is_none_or(|state| owned.stage(now) == state)
        && filter.tier.as_ref().is_none_or(|tier| !key.tier_gone && key.tier == *tier)
        && filter.owner.as_ref().is_none_or(|owner| key.owner.as_ref() == Some(owner))
        && filter.name_part.as_ref().is_none_or(name_has)
        && filter
            .hint_start
            .as_ref()
            .is_none_or(|start| key.secret.hint.starts_with(start.as_str()))
        && filter.expires_before.is_none_or(expires_until)
        && filter.idle_since.is_none_or(idle)
        && filter.created_from.is_none_or(|from| from <= key.created_at)
        && filter.created_before.is_none_or(|before| key.created_at < before)
}

fn entry_fits(entry: &AuditEntry, filter: &AuditFilter) -> bool {
    filter.key_id.is_none_or(|id| entry.key_id == Some(id.get()))
        && filter.actor.as_ref().is_none_or(|actor| entry.actor == *actor)
        && filter.verb.is_none_or(|verb| entry.verb == verb.as_str())
        && filter.since.is_none_or(|since| since <= entry.at)
        && filter.until.is_none_or(|until| entry.at < until)
}
