//! Issuing, editing, rotating and revoking a key.

use std::ops::RangeInclusive;
use std::time::Duration;

use keyward::change::{GRACE_DEFAULT, GRACE_MAX, KeyEdit};
use keyward::details::{Metadata, Notes, NotesEdit};
use keyward::issue::NewKey;
use keyward::limit::Limits;
use keyward::network::Networks;
use keyward::record::Scopes;
use keyward::tier::TierName;
use keyward::{Now, UnixMillis};
use keyward_http::Rejection;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::body::{At, Field, Given, Read};
use crate::clock::in_doubt;
use crate::duration::CENTURY_SECS;
use crate::limit::LimitView;
use crate::shapes::{
    NetworkText, NewNameText, OwnerText, PrefixText, ReasonText, ScopeText, SpanText, TierText,
    TimeText, span,
};
use crate::{body, query};

/// A request for a key.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "weather-bot", "tier": "basic", "owner": "org_2f9", "scopes": ["articles:read"],
    "networks": ["192.0.2.0/24"], "metadata": {"ticket": "OPS-17"}, "expires_in": "90d",
}))]
pub struct NewKeyBody {
    pub name: NewNameText,
    #[schema(value_type = TierText, required = false, default = "basic")]
    pub tier: TierOrBasic,
    /// To whom it belongs.
    pub owner: Option<OwnerText>,
    /// Its scopes. A key without scopes is denied where one is required.
    #[schema(value_type = Vec<ScopeText>, max_items = 32, required = false)]
    pub scopes: Given<Scopes>,
    /// Where it may be used from. None is everywhere.
    #[schema(value_type = Vec<NetworkText>, max_items = 32, required = false)]
    pub networks: Given<Networks>,
    /// Its own limits in place of its tier's; `[]` is no limit.
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    pub limits: Option<Limits>,
    /// Notes of operators about it, at most 4096 bytes. Keyward only keeps and shows them.
    #[schema(value_type = Object, required = false)]
    pub metadata: Given<Metadata>,
    /// The first instant at which it no longer works, which has to be in the future; `null` is
    /// never. Not together with `expires_in`.
    #[schema(value_type = Option<TimeText>)]
    pub expires_at: Option<TimeToCome>,
    /// How long it works, at most 36525d; `null` is for ever. Not together with `expires_at`.
    #[schema(value_type = Option<SpanText>)]
    pub expires_in: Option<Lifetime<1>>,
    /// The prefix of its secrets; `null` is the server's setting.
    pub prefix: Option<PrefixText>,
}

body!(
    NewKeyBody {
        name, tier, owner, scopes, networks, limits, metadata, expires_at, expires_in, prefix
    }
    IS_KEPT: bool = true,
    EXCLUSIVE: Option<[&'static str; 2]> = Some(["expires_at", "expires_in"])
);

/// A [`NewKeyBody`] as a client sends it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NewKeyDraft {
    #[serde(flatten)]
    pub fields: KeyDraft,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Value>,
}

impl NewKeyBody {
    /// The requested key.
    ///
    /// # Errors
    ///
    /// Returns 503 if the clock is in doubt, and its expiry depends on which reading is right.
    pub fn into_key(self, now: Now) -> Result<NewKey, Rejection> {
        let expires_at = self.expires_at.map(|time| time.0);
        Ok(NewKey {
            name: self.name.0,
            tier: self.tier.0,
            owner: self.owner.map(|owner| owner.0),
            scopes: self.scopes.0.unwrap_or_default(),
            networks: self.networks.0.unwrap_or_default(),
            limits: self.limits,
            notes: Notes { metadata: self.metadata.0.unwrap_or_default() },
            prefix: self.prefix.map(|prefix| prefix.0),
            expires_at: expiry(expires_at, self.expires_in.map(|lifetime| lifetime.0), now)?,
        })
    }
}

/// The fields of a key that are to change.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "tier": "pro", "expires_in": "90d" }))]
pub struct EditKeyBody {
    #[schema(value_type = NewNameText, required = false)]
    pub name: Given<NewNameText>,
    #[schema(value_type = TierText, required = false)]
    pub tier: Given<TierText>,
    /// To whom it belongs; `null` is no owner. It is suspended if its new owner is.
    #[schema(value_type = Option<OwnerText>)]
    pub owner: Given<Option<OwnerText>>,
    /// Its scopes.
    #[schema(value_type = Vec<ScopeText>, max_items = 32, required = false)]
    pub scopes: Given<Scopes>,
    /// Where it may be used from. None is everywhere.
    #[schema(value_type = Vec<NetworkText>, max_items = 32, required = false)]
    pub networks: Given<Networks>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    pub limits: Given<Option<Limits>>,
    /// Notes of operators about it, at most 4096 bytes.
    #[schema(value_type = Object, required = false)]
    pub metadata: Given<Metadata>,
    /// The first instant at which it no longer works. One in the past expires it now, and `null`
    /// is never. Not together with `expires_in`.
    #[schema(value_type = Option<TimeText>)]
    pub expires_at: Given<Option<TimeText>>,
    /// How long it works from now on, at most 36525d; `null` is for ever. Not together with
    /// `expires_at`.
    #[schema(value_type = Option<SpanText>)]
    pub expires_in: Given<Option<Lifetime<0>>>,
}

body!(
    EditKeyBody as KeyDraft {
        name, tier, owner, scopes, networks, limits, metadata, expires_at, expires_in
    }
    IS_KEPT: bool = true,
    EXCLUSIVE: Option<[&'static str; 2]> = Some(["expires_at", "expires_in"])
);

impl EditKeyBody {
    /// The requested changes.
    ///
    /// # Errors
    ///
    /// Returns 503 if the clock is in doubt, and the expiry depends on which reading is right.
    pub fn into_edit(self, now: Now) -> Result<KeyEdit, Rejection> {
        let at = self.expires_at.0.map(|at| at.map(|time| time.0));
        let lifetime = self.expires_in.0.map(|lifetime| lifetime.map(|it| it.0));
        let expires_at = match (at, lifetime) {
            (None, None) => None,
            (at, lifetime) => Some(expiry(at.flatten(), lifetime.flatten(), now)?),
        };
        Ok(KeyEdit {
            name: self.name.0.map(|name| name.0),
            tier: self.tier.0.map(|tier| tier.0),
            owner: self.owner.0.map(|owner| owner.map(|owner| owner.0)),
            scopes: self.scopes.0,
            networks: self.networks.0,
            limits: self.limits.0,
            notes: NotesEdit { metadata: self.metadata.0 },
            expires_at,
        })
    }
}

/// The expiry that is given as a time or as a lifetime; `None` is never.
fn expiry(
    at: Option<UnixMillis>,
    lifetime: Option<Duration>,
    now: Now,
) -> Result<Option<UnixMillis>, Rejection> {
    let lasting = lifetime.map(|lifetime| now.unix.later_by(lifetime));
    // An expiry that is past by the earlier reading is past by both.
    let differs =
        |ends_at: UnixMillis| now.unix < ends_at && (lasting.is_some() || ends_at <= now.latest());
    let expiry = at.or(lasting);
    if now.is_in_doubt() && expiry.is_some_and(differs) {
        return Err(in_doubt(now));
    }
    Ok(expiry)
}

/// How a key is rotated. An empty body is `{}`.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "grace": "24h" }))]
pub struct RotateKeyBody {
    /// How long the secret before works, 0s to 30d.
    #[schema(value_type = SpanText, required = false, default = "24h")]
    pub grace: Grace,
}

body!(RotateKeyBody as RotateKeyDraft { grace } MAY_BE_EMPTY: bool = true);

/// Why a key is revoked.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RevokeKeyQuery {
    /// Why, in the words of the operator.
    pub reason: Option<ReasonText>,
}

query!(RevokeKeyQuery { reason });

/// An existing tier; `basic` if none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierOrBasic(pub TierName);

impl Field for TierOrBasic {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        TierText::read(at, value).map(|tier| Self(tier.0))
    }

    fn left_out(at: &At<'_>) -> Option<Read<Self>> {
        Some(Self::read(at, "basic".into()))
    }
}

/// A time in the future: an issued key is meant to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeToCome(pub UnixMillis);

impl Field for TimeToCome {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let time = TimeText::read(at, value.clone())?.0;
        let over = || at.breaks(&"expires_at has to be in the future", value);
        (at.known().now.unix < time).then_some(Self(time)).ok_or_else(over)
    }
}

/// How long a key works: `LEAST` seconds to a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime<const LEAST: u64>(pub Duration);

impl<const LEAST: u64> Field for Lifetime<LEAST> {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let rule = "a lifetime is a whole number and a unit, like 90d, and at most 36525d";
        span(at, value, &(LEAST..=CENTURY_SECS), rule).map(Self)
    }
}

/// How long the previous secret works after a rotation; 24 hours if it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(pub Duration);

const GRACE_RULE: &str = "a grace is a whole number and a unit, like 24h, and at most 30d";
const GRACE_SECS: RangeInclusive<u64> = 0..=GRACE_MAX.as_secs();

impl Field for Grace {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        span(at, value, &GRACE_SECS, GRACE_RULE).map(Self)
    }

    fn left_out(_at: &At<'_>) -> Option<Read<Self>> {
        Some(Ok(Self(GRACE_DEFAULT)))
    }
}
