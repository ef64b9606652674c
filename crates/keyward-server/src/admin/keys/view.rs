//! A key, as operators see it.

use keyward::UnixMillis;
use keyward::details::Reason;
use keyward::record::{KeyState, Owner, Scope, Stage};
use keyward::stored::OwnedKey;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::limits::LimitView;
use keyward_api::shapes::{
    KeyNameText, KeyNumber, NetworkText, OwnerText, ReasonText, ScopeText, TierText, Time,
};

/// A key as it is shown at any time; its secret is not in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    #[schema(value_type = TierText)]
    tier: String,
    /// To whom it belongs.
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<String>,
    state: StageView,
    /// By what it is suspended: itself, its owner, or both.
    #[schema(max_items = 2)]
    suspended_by: Vec<SuspendedBy>,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    hint: String,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<String>,
    /// Where it may be used from. None is everywhere.
    #[schema(value_type = Vec<NetworkText>, max_items = 32)]
    networks: Vec<String>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(required, max_items = 8)]
    limits: Option<Vec<LimitView>>,
    /// What somebody noted about it.
    #[schema(value_type = Object)]
    metadata: Value,
    /// Counts up with each change of the key itself. The `ETag` is this in double quotes or, once
    /// its owner was suspended or resumed, this, a dot and the owner's version.
    #[schema(minimum = 1)]
    version: u64,
    created_at: Time,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// When a request with it was last let in, as far as that is written down.
    #[schema(required)]
    last_used_at: Option<Time>,
    /// When it got its present secret, if that is not its first one.
    #[schema(required)]
    rotated_at: Option<Time>,
    /// Until when the secret before works, as long as it does.
    #[schema(required)]
    grace_until: Option<Time>,
    #[schema(required)]
    revoked_at: Option<Time>,
    /// Why it was revoked.
    #[schema(required, value_type = Option<ReasonText>)]
    revoked_reason: Option<String>,
}

/// Where in its life a key is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KeyState)]
pub(crate) enum StageView {
    /// It works.
    Active,
    /// It is refused until it is resumed, or its owner is.
    Suspended,
    /// It is refused for ever.
    Revoked,
    /// Its time is over.
    Expired,
}

impl StageView {
    pub(super) fn of(stage: Stage) -> Self {
        match stage {
            Stage::Active => Self::Active,
            Stage::Suspended => Self::Suspended,
            Stage::Revoked => Self::Revoked,
            Stage::Expired => Self::Expired,
        }
    }
}

/// By what a key is suspended.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SuspendedBy {
    /// Somebody suspended the key itself.
    Key,
    /// Somebody suspended its owner.
    Owner,
}

impl KeyView {
    pub(super) fn of(owned: &OwnedKey, now: UnixMillis) -> Self {
        let key = &*owned.key;
        let stage = owned.stage(now);
        let revoked_at = key.state.revoked_at().map(Time);
        let itself = (key.state == KeyState::Suspended).then_some(SuspendedBy::Key);
        let owner = owned.is_owner_suspended().then_some(SuspendedBy::Owner);
        let limits = key.limits.as_ref();
        let in_grace = key.grace_until().filter(|until| !stage.is_over() && now < *until);
        Self {
            key_id: key.id.get(),
            name: key.name.as_str().to_owned(),
            tier: key.tier.as_str().to_owned(),
            owner: key.owner.as_ref().map(Owner::as_str).map(str::to_owned),
            state: StageView::of(stage),
            suspended_by: itself.into_iter().chain(owner).collect(),
            hint: key.secret.hint.clone(),
            scopes: key.scopes.iter().map(Scope::as_str).map(str::to_owned).collect(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            limits: limits.map(|limits| limits.list().iter().map(LimitView::of).collect()),
            metadata: key.metadata.to_json(),
            version: key.version.get(),
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
            rotated_at: key.rotated_at().map(Time),
            grace_until: in_grace.map(Time),
            revoked_at,
            revoked_reason: key.revoked_reason.as_ref().map(Reason::as_str).map(str::to_owned),
        }
    }
}
