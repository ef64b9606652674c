//! Keys and their usage, as operators see them.

use keyward::count::Counts;
use keyward::issue::Issued;
use keyward::record::{KeyState, Scope};
use keyward::store::KeyDetails;
use keyward::time::UnixHour;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::shapes::{KeyNameText, KeyNumber, ScopeText, TierText, Time};

/// A key as it is shown at any time; its secret is not in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[schema(value_type = TierText)]
    tier: String,
    state: StateView,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    hint: String,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<String>,
    created_at: Time,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// When a request with it was last let in, as far as that is written down.
    #[schema(required)]
    last_used_at: Option<Time>,
    #[schema(required)]
    revoked_at: Option<Time>,
}

/// What was decided about a key.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateView {
    /// It works until it expires.
    Active,
    /// It is refused until somebody resumes it.
    Suspended,
    /// It is refused for ever.
    Revoked,
    /// It is in a state that only a later version knows.
    Unknown,
}

impl KeyView {
    pub(super) fn of(key: &KeyDetails) -> Self {
        let record = &key.record;
        let (state, revoked_at) = match record.state {
            KeyState::Active => (StateView::Active, None),
            KeyState::Suspended => (StateView::Suspended, None),
            KeyState::Revoked { at } => (StateView::Revoked, Some(Time(at))),
            _ => (StateView::Unknown, None),
        };
        Self {
            key_id: record.id.get(),
            name: record.name.as_str().to_owned(),
            tier: key.tier.as_str().to_owned(),
            state,
            hint: key.hint.clone(),
            scopes: record.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: Time(key.created_at),
            expires_at: record.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            revoked_at,
        }
    }
}

/// A page of keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyPage {
    /// Keys on this page.
    pub(super) count: usize,
    #[schema(max_items = 100)]
    pub(super) api_keys: Vec<KeyView>,
}

/// A key that was just issued: the one answer that holds a secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedKey<'a> {
    /// The secret. It is shown this once and kept nowhere.
    #[schema(example = "kw_EXAMPLE-shown-once-and-never-again")]
    api_key: &'a str,
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: &'a str,
    #[schema(value_type = TierText)]
    tier: &'a str,
    created_at: Time,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    hint: &'a str,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<&'a str>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
}

impl<'a> IssuedKey<'a> {
    /// Everything but the secret.
    pub(super) fn without_secret(issued: &'a Issued) -> Self {
        let Issued { key_id, secret: _, key, hint, created_at } = issued;
        Self {
            api_key: "",
            key_id: key_id.get(),
            name: key.name.as_str(),
            tier: key.tier.as_str(),
            created_at: Time(*created_at),
            hint,
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            expires_at: key.expires_at.map(Time),
        }
    }

    /// The answer's text, in memory that is wiped. It never grows: that would leave a copy of
    /// the secret behind.
    pub(super) fn into_json(self, secret: &'a str) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let length = serde_json::to_vec(&self)?.len() + secret.len();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        serde_json::to_writer(&mut *text, &Self { api_key: secret, ..self })?;
        Ok(text)
    }
}

/// What became of a key's requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    #[schema(value_type = KeyNumber)]
    pub(super) key_id: u64,
    pub(super) total: CountsView,
    /// The hours in which there were any, oldest first.
    pub(super) hours: Vec<HourView>,
}

/// What became of requests in one hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourView {
    /// When the hour began.
    hour: Time,
    #[serde(flatten)]
    counts: CountsView,
}

impl HourView {
    pub(super) fn of(hour: UnixHour, counts: &Counts) -> Self {
        Self { hour: Time(hour.start()), counts: CountsView::of(counts) }
    }
}

/// Requests, by outcome.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountsView {
    /// Let in.
    allowed: u64,
    /// Refused, because there were too many.
    limited: u64,
    /// Refused, because the key has not the scope.
    out_of_scope: u64,
    /// Refused, because the key was suspended.
    suspended: u64,
    /// Refused, because the key was revoked.
    revoked: u64,
    /// Refused, because the key had expired.
    expired: u64,
}

impl CountsView {
    pub(super) fn of(counts: &Counts) -> Self {
        Self {
            allowed: counts.allowed,
            limited: counts.limited,
            out_of_scope: counts.out_of_scope,
            suspended: counts.suspended,
            revoked: counts.revoked,
            expired: counts.expired,
        }
    }
}
