//! A key, as operators see it.

use keyward::UnixMillis;
use keyward::record::KeyState;
use keyward::stored::OwnedKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::limit::LimitView;
use crate::shapes::{
    KeyNameText, KeyNumber, NetworkText, OwnerText, ReasonText, ScopeText, TierText, Time,
};
use crate::words::{StageWord, Word};

/// A key as it is shown at any time; its secret is not in it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct KeyView {
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    pub tier: TierText,
    /// To whom it belongs.
    #[schema(required)]
    pub owner: Option<OwnerText>,
    #[schema(value_type = StageWord)]
    pub state: Word<StageWord>,
    /// Why it is suspended: its own state, that of its owner, or both.
    #[schema(value_type = Vec<SuspendedBy>, max_items = 2)]
    pub suspended_by: Vec<Word<SuspendedBy>>,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    #[schema(max_items = 32)]
    pub scopes: Vec<ScopeText>,
    /// Where it may be used from. None is everywhere.
    #[schema(max_items = 32)]
    pub networks: Vec<NetworkText>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(required, max_items = 8)]
    pub limits: Option<Vec<LimitView>>,
    /// Notes of operators about it.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Counts up with each change of the key itself. The `ETag` is this in double quotes or, once
    /// its owner was suspended or resumed, this, a dot and the owner's version.
    #[schema(minimum = 1)]
    pub version: u64,
    pub created_at: Time,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    pub expires_at: Option<Time>,
    /// When a request with it was last allowed, as far as usage was flushed.
    #[schema(required)]
    pub last_used_at: Option<Time>,
    /// When it got its present secret, if that is not its first one.
    #[schema(required)]
    pub rotated_at: Option<Time>,
    /// Until when the secret before works, as long as it does.
    #[schema(required)]
    pub grace_until: Option<Time>,
    #[schema(required)]
    pub revoked_at: Option<Time>,
    /// Why it was revoked.
    #[schema(required)]
    pub revoked_reason: Option<ReasonText>,
}

/// Why a key is suspended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SuspendedBy {
    /// An operator suspended the key itself.
    Key,
    /// An operator suspended its owner.
    Owner,
}

impl KeyView {
    /// A key as it is at this time.
    #[must_use]
    pub fn of(owned: &OwnedKey, now: UnixMillis) -> Self {
        let key = &*owned.key;
        let stage = owned.stage(now);
        let itself = (key.state == KeyState::Suspended).then_some(SuspendedBy::Key);
        let owner = owned.is_owner_suspended().then_some(SuspendedBy::Owner);
        let in_grace = key.grace_until().filter(|until| !stage.is_over() && now < *until);
        Self {
            key_id: key.id.into(),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            owner: key.owner.clone().map(OwnerText),
            state: Word::Known(StageWord(stage)),
            suspended_by: itself.into_iter().chain(owner).map(Word::Known).collect(),
            hint: key.secret.hint.clone(),
            scopes: key.scopes.iter().cloned().map(ScopeText).collect(),
            networks: key.networks.iter().copied().map(NetworkText).collect(),
            limits: key.limits.as_ref().map(LimitView::all),
            metadata: key.metadata.to_json(),
            version: key.version.get(),
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            rotated_at: key.rotated_at().map(Time),
            grace_until: in_grace.map(Time),
            revoked_at: key.state.revoked_at().map(Time),
            revoked_reason: key.revoked_reason.clone().map(ReasonText),
        }
    }
}
