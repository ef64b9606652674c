//! A key in responses: as operators see it at any time, just issued, just rotated, and exported.

use keyward::UnixMillis;
use keyward::issue::{Issued, Rotated};
use keyward::record::KeyState;
use keyward::stored::{OwnedKey, StoredSecret, Unkept};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::secret::SecretText;
use crate::limit::LimitView;
use crate::shapes::{
    DigestText, KeyNameText, KeyNumber, NetworkText, OwnerText, ReasonText, ScopeText, TierText,
    Time,
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
    /// When a request with it was last allowed, as far as usage was flushed; at most a minute
    /// before the latest one.
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
    /// Of a key that was just resumed, where several nodes share a database: whether all of them
    /// know it. A node that does not may deny the key for some seconds more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub everywhere: Option<bool>,
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
            metadata: key.notes.metadata.to_json(),
            version: key.version.get(),
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            rotated_at: key.rotated_at().map(Time),
            grace_until: in_grace.map(Time),
            revoked_at: key.state.revoked_at().map(Time),
            revoked_reason: key.revoked_reason.clone().map(ReasonText),
            everywhere: None,
        }
    }
}

/// A key that was just issued: it is shown with its secret this once.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct IssuedKey {
    /// The secret. It is shown this once and stored nowhere.
    #[schema(value_type = String, example = "kw_EXAMPLE-shown-once-and-never-again")]
    pub api_key: SecretText,
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    pub tier: TierText,
    pub created_at: Time,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    #[schema(max_items = 32)]
    pub scopes: Vec<ScopeText>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    pub expires_at: Option<Time>,
    #[schema(required)]
    pub owner: Option<OwnerText>,
    #[schema(max_items = 32)]
    pub networks: Vec<NetworkText>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(required, max_items = 8)]
    pub limits: Option<Vec<LimitView>>,
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Its version: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub version: u64,
    /// Where several nodes share a database: whether all of them know the key. A node that does not
    /// may deny it for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub everywhere: Option<bool>,
}

impl From<&Issued> for IssuedKey {
    fn from(issued: &Issued) -> Self {
        let Issued { key_id, secret, key, hint, created_at, versions, everywhere } = issued;
        Self {
            api_key: SecretText(Zeroizing::new(secret.expose().to_owned())),
            key_id: (*key_id).into(),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            created_at: Time(*created_at),
            hint: hint.clone(),
            scopes: key.scopes.iter().cloned().map(ScopeText).collect(),
            expires_at: key.expires_at.map(Time),
            owner: key.owner.clone().map(OwnerText),
            networks: key.networks.iter().copied().map(NetworkText).collect(),
            limits: key.limits.as_ref().map(LimitView::all),
            metadata: key.notes.metadata.to_json(),
            version: versions.key.get(),
            everywhere: *everywhere,
        }
    }
}

/// A key that was just given another secret: it is shown with it this once.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct RotatedKey {
    /// The new secret. It is shown this once and stored nowhere.
    #[schema(value_type = String, example = "kw_EXAMPLE-shown-once-and-never-again")]
    pub api_key: SecretText,
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    pub tier: TierText,
    /// The first characters of the new secret.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    /// Until when the secret before works; `null` if it does not any more.
    #[schema(required)]
    pub grace_until: Option<Time>,
    /// The first instant at which the key no longer works; `null` is never.
    #[schema(required)]
    pub expires_at: Option<Time>,
    /// Its version.
    #[schema(minimum = 2)]
    pub version: u64,
}

impl From<&Rotated> for RotatedKey {
    fn from(rotated: &Rotated) -> Self {
        let Rotated { secret, hint, grace_until, key: owned } = rotated;
        let key = &*owned.key;
        Self {
            api_key: SecretText(Zeroizing::new(secret.expose().to_owned())),
            key_id: key.id.into(),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            hint: hint.clone(),
            grace_until: grace_until.map(Time),
            expires_at: key.expires_at.map(Time),
            version: key.version.get(),
        }
    }
}

/// A key, whole: everything but the texts of its secrets.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ExportedKey {
    #[schema(value_type = KeyNumber)]
    pub key_id: Option<KeyNumber>,
    pub name: KeyNameText,
    pub tier: TierText,
    /// That its tier is gone; left out if it is not. It is so for revoked keys alone.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub tier_gone: bool,
    #[schema(required)]
    pub owner: Option<OwnerText>,
    #[schema(max_items = 32)]
    pub scopes: Vec<ScopeText>,
    #[schema(max_items = 32)]
    pub networks: Vec<NetworkText>,
    /// Its own limits in place of its tier's.
    #[schema(required, max_items = 8)]
    pub limits: Option<Vec<LimitView>>,
    #[schema(value_type = Object)]
    pub metadata: Value,
    pub state: ExportedState,
    pub created_at: Time,
    #[schema(required)]
    pub expires_at: Option<Time>,
    #[schema(required)]
    pub last_used_at: Option<Time>,
    #[schema(required)]
    pub revoked_at: Option<Time>,
    #[schema(required)]
    pub revoked_reason: Option<String>,
    /// The stored form of its secrets, oldest first; the last one is its present one.
    #[schema(min_items = 1, max_items = 100)]
    pub secrets: Vec<ExportedSecret>,
}

/// The operator's decision about a key itself.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportedState {
    Active,
    Suspended,
    Revoked,
}

/// The stored form of a secret.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ExportedSecret {
    pub digest: DigestText,
    /// The first characters of its text; empty if they were never known.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    pub created_at: Time,
    /// When its grace ends; `null` for the key's present secret.
    #[schema(required)]
    pub ends_at: Option<Time>,
}

impl ExportedKey {
    /// A key as it is shown.
    #[must_use]
    pub fn of(key: &Unkept) -> Self {
        let (state, revoked_at) = match key.state {
            KeyState::Revoked { at } => (ExportedState::Revoked, Some(Time(at))),
            KeyState::Active => (ExportedState::Active, None),
            KeyState::Suspended => (ExportedState::Suspended, None),
        };
        let former = key.former.iter();
        let former = former.map(|it| ExportedSecret::of(&it.secret, Some(it.ends_at)));
        let reason = key.revoked_reason.as_ref();
        Self {
            key_id: key.id.map(Into::into),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            tier_gone: key.tier_gone,
            owner: key.owner.clone().map(OwnerText),
            scopes: key.scopes.iter().cloned().map(ScopeText).collect(),
            networks: key.networks.iter().copied().map(NetworkText).collect(),
            limits: key.limits.as_ref().map(LimitView::all),
            metadata: key.notes.metadata.to_json(),
            state,
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            revoked_at,
            revoked_reason: reason.map(|reason| reason.as_str().to_owned()),
            secrets: former.chain([ExportedSecret::of(&key.secret, None)]).collect(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl ExportedSecret {
    fn of(secret: &StoredSecret, ends_at: Option<UnixMillis>) -> Self {
        Self {
            digest: DigestText(secret.digest.to_hex()),
            hint: secret.hint.clone(),
            created_at: Time(secret.created_at),
            ends_at: ends_at.map(Time),
        }
    }
}
