//! Issuing a key: reading what it is to be, and showing it for the only time.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use keyward::audit::Audit;
use keyward::details::Metadata;
use keyward::gate::IssueError;
use keyward::issue::{Issued, NewKey};
use keyward::key::Prefix;
use keyward::limit::Limits;
use keyward::network::Networks;
use keyward::record::{KeyName, Owner, Scope, Scopes};
use keyward::tier::TierName;
use keyward::{Now, UnixMillis};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::read::{self, Expiry};
use super::{no_such_tier, shown_once, tagged};
use crate::admin::limits::{LimitView, read_limits};
use crate::admin::members::{nullable, optional, parsed, required};
use crate::admin::{audit, misplaced, once, read_body};
use crate::failure::broken;
use keyward_api::shapes::{
    IdempotencyKeyHeader, KeyNameText, KeyNumber, NetworkText, NewNameText, OwnerText, PrefixText,
    ScopeText, SpanText, TierText, Time, TimeText,
};

/// The tier of a key whose request names none.
const TIER_DEFAULT: &str = "basic";

/// Issues a key, and shows it for the only time.
#[utoipa::path(
    post, path = "/admin/api-keys", tag = "keys", params(IdempotencyKeyHeader),
    request_body = NewKeyBody, responses(
    (status = 201, description = "Issued", body = IssuedKey<'_>, headers(
        ("Cache-Control" = String, description = "`no-store`: the answer holds a secret"),
        ("ETag" = String, description = "The key's version, and its owner's"),
        ("Location" = String, description = "Where the key is shown, relative to this"),
    )),
    (status = 409, description = "Owner is suspended; \
        The request was made before, and the secret was shown then"),
)
)]
pub(crate) async fn issue_key(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let now = guard.now();
    let audit = Audit { at: now.unix, ..audit(&guard, &parts.extensions) };
    let audit = once::mark(&guard, &parts, &body, audit).await?;
    let key = NewKeyBody::read(&body, &guard.gate().tier_names(), now)?;
    let issued = guard.issue(key, audit).await.map_err(|error| refuse(&guard, error))?;
    let text = IssuedKey::without_secret(&issued).into_json(issued.secret.expose());
    let text = text.map_err(|error| {
        tracing::error!(%error, "An issued key could not be shown");
        Refusal::unavailable()
    })?;
    let mut headers = tagged(issued.versions);
    // Relative, so that it is true behind a path as well.
    let location = HeaderValue::try_from(format!("api-keys/{}", issued.key_id));
    headers.extend(location.ok().map(|location| (LOCATION, location)));
    Ok(shown_once(StatusCode::CREATED, headers, &text))
}

fn refuse(guard: &Guard, error: IssueError) -> Refusal {
    match error {
        IssueError::UnknownTier { .. } => no_such_tier(guard, Value::Null),
        IssueError::Earlier(earlier) => once::refuse(earlier),
        IssueError::OwnerSuspended => Refusal::new(StatusCode::CONFLICT, "Owner is suspended"),
        IssueError::Store(error) => broken(error),
        error @ IssueError::Random(_) => {
            tracing::error!(%error, "No key could be issued");
            Refusal::unavailable()
        }
    }
}

/// What a key is issued from.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "weather-bot", "tier": "basic", "owner": "org_2f9", "scopes": ["articles:read"],
    "networks": ["192.0.2.0/24"], "metadata": {"ticket": "OPS-17"}, "expires_in": "90d",
}))]
#[expect(dead_code, reason = "it is a description; `read` makes a `NewKey` of it")]
pub(crate) struct NewKeyBody {
    #[schema(value_type = NewNameText)]
    name: KeyName,
    #[schema(value_type = TierText, required = false, default = "basic")]
    tier: TierName,
    /// To whom it belongs.
    #[schema(value_type = Option<OwnerText>)]
    owner: Option<Owner>,
    /// What it may do. None grant nothing where one is asked for.
    #[schema(value_type = Vec<ScopeText>, max_items = 32, required = false)]
    scopes: Scopes,
    /// Where it may be used from. None is everywhere.
    #[schema(value_type = Vec<NetworkText>, max_items = 32, required = false)]
    networks: Networks,
    /// Its own limits in place of its tier's; `[]` is no limit.
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    limits: Option<Limits>,
    /// What somebody notes about it, at most 4096 bytes. Keyward only keeps and shows it.
    #[schema(value_type = Object, required = false)]
    metadata: Metadata,
    /// The first instant at which it no longer works, which has to be in the future; `null` is
    /// never. Not together with `expires_in`.
    #[schema(value_type = Option<TimeText>)]
    expires_at: Option<UnixMillis>,
    /// How long it works, at most 36525d; `null` is for ever. Not together with `expires_at`.
    #[schema(value_type = Option<SpanText>)]
    expires_in: Option<UnixMillis>,
    /// What its secrets begin with; `null` is what the server is set to.
    #[schema(value_type = Option<PrefixText>)]
    prefix: Option<Prefix>,
}

impl NewKeyBody {
    /// Reads a body. A tier has to be one of those that there are.
    fn read(body: &[u8], tiers: &[TierName], now: Now) -> Result<NewKey, Refusal> {
        let mut members = misplaced::members_of(body)?;
        let name = required(&mut members, "name", read::name);
        let tier = members.take("tier").unwrap_or_else(|| TIER_DEFAULT.into());
        let tier = read::tier(members.place("tier"), tier, tiers);
        let tier =
            tier.map_err(|faults| faults.into_iter().for_each(|fault| members.fault(fault))).ok();
        let owner = nullable(&mut members, "owner", parsed).flatten();
        let scopes = optional(&mut members, "scopes", read::scopes).unwrap_or_default();
        let networks = optional(&mut members, "networks", read::networks).unwrap_or_default();
        let limits = nullable(&mut members, "limits", read_limits).flatten();
        let metadata = |place, value| read::metadata(place, value, body);
        let metadata = optional(&mut members, "metadata", metadata).unwrap_or_default();
        let expires_at = read::expiry(&mut members, Expiry::ToCome, now)?.flatten();
        let prefix = nullable(&mut members, "prefix", parsed).flatten();
        let faults = members.finish();
        match (name, tier) {
            (Some(name), Some(tier)) if faults.is_empty() => Ok(NewKey {
                name,
                tier,
                owner,
                scopes,
                networks,
                limits,
                metadata,
                prefix,
                expires_at,
            }),
            _ => Err(Refusal::unprocessable(faults)),
        }
    }
}

/// A key that was just issued: it is shown with its secret this once.
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
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<&'a str>,
    #[schema(value_type = Vec<NetworkText>, max_items = 32)]
    networks: Vec<String>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(required, max_items = 8)]
    limits: Option<Vec<LimitView>>,
    #[schema(value_type = Object)]
    metadata: Value,
    /// Its version: 1.
    #[schema(minimum = 1, maximum = 1)]
    version: u64,
}

impl<'a> IssuedKey<'a> {
    /// Everything but the secret.
    fn without_secret(issued: &'a Issued) -> Self {
        let Issued { key_id, secret: _, key, hint, created_at, versions } = issued;
        let limits = key.limits.as_ref();
        Self {
            api_key: "",
            key_id: key_id.get(),
            name: key.name.as_str(),
            tier: key.tier.as_str(),
            created_at: Time(*created_at),
            hint,
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            expires_at: key.expires_at.map(Time),
            owner: key.owner.as_ref().map(Owner::as_str),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            limits: limits.map(|limits| limits.list().iter().map(LimitView::of).collect()),
            metadata: key.metadata.to_json(),
            version: versions.key.get(),
        }
    }

    /// The answer's text, in memory that is wiped. It never grows: that would leave a copy of
    /// the secret behind.
    fn into_json(self, secret: &'a str) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let length = serde_json::to_vec(&self)?.len() + secret.len();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        serde_json::to_writer(&mut *text, &Self { api_key: secret, ..self })?;
        Ok(text)
    }
}
