//! Keys on their way to another store.

use keyward::record::{KEY_ID_MAX, KeyState};
use keyward::stored::{OwnerRow, StoredSecret, Unkept};
use keyward::{KeyId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::limit::LimitView;
use crate::query;
use crate::query::{PageLen, Parameter, Parameters};
use crate::shapes::{
    DigestText, KeyNameText, KeyNumber, NetworkText, OwnerText, ScopeText, TierText, Time,
};
use crate::tier::TierView;

/// Most keys on one page.
pub const PAGE_MAX: u32 = 1_000;

/// Which page.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Only keys with a higher id; 0 is the beginning.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    pub after: Option<AfterKey>,
    /// Most keys on the page.
    #[param(value_type = u32, minimum = 1, maximum = 1_000, default = 100, required = false)]
    pub limit: Option<PageLen<PAGE_MAX>>,
}

query!(ExportQuery { after, limit });

/// The key before a page; `None` is the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterKey(pub Option<KeyId>);

impl Parameter for AfterKey {
    fn read(parameters: &mut Parameters<'_>, name: &'static str) -> Option<Self> {
        parameters.integer(name, &(0..=KEY_ID_MAX)).map(KeyId::new).map(Self)
    }
}

/// How keys are taken in.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Report the result for each key, and add none.
    #[param(value_type = bool, required = false, default = false)]
    pub dry_run: Option<bool>,
}

query!(ImportQuery { dry_run });

/// A page of keys, whole.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ExportPage {
    /// All tiers; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<TierView>>,
    /// The owners that are suspended; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_owners: Option<Vec<OwnerText>>,
    /// The owners of these keys that have limits, and on the first page the owners without keys;
    /// left out if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_limits: Option<Vec<OwnerLimits>>,
    #[schema(max_items = 1_000)]
    pub keys: Vec<ExportedKey>,
    /// The `after` of the next page; `null` if there is none.
    #[schema(required)]
    pub next_after: Option<KeyNumber>,
}

/// The limits that all keys of an owner share.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct OwnerLimits {
    pub owner: OwnerText,
    #[schema(min_items = 1, max_items = 8)]
    pub limits: Vec<LimitView>,
}

impl OwnerLimits {
    /// The limits of an owner as they are shown.
    #[must_use]
    pub fn of(row: &OwnerRow) -> Self {
        Self { owner: OwnerText(row.owner.clone()), limits: LimitView::all(&row.limits) }
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
            metadata: key.metadata.to_json(),
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
