//! Editing a key: the next request is judged by what it is now.

use axum::extract::{Path, Request, State};
use keyward::Now;
use keyward::audit::Audit;
use keyward::change::{KeyChange, KeyEdit};
use keyward::tier::TierName;
use keyward_axum::{Guard, Refusal};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::read::{self, Expiry};
use super::view::KeyView;
use super::{KeyPath, Shown, expected, read_id, refuse_change, shown_again};
use crate::admin::limits::{LimitView, read_limits};
use crate::admin::members::{nullable, optional, parsed};
use crate::admin::{audit, misplaced, read_body};
use keyward_api::shapes::{
    IfMatchHeader, IfNoneMatchHeader, NetworkText, NewNameText, OwnerText, ScopeText, SpanText,
    TierText, TimeText,
};

/// Changes members of a key, and leaves alone those that the body does not name. The next request
/// with the key is judged by it. A list or object takes the place of the one that was there.
#[utoipa::path(
    patch, path = "/admin/api-keys/{key_id}", tag = "keys",
    params(KeyPath, IfMatchHeader, IfNoneMatchHeader),
    request_body = EditKeyBody,
    responses(
        (status = 200, description = "The key as it is now", body = KeyView, headers(
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn edit_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
    request: Request,
) -> Result<Shown, Refusal> {
    let (parts, body) = request.into_parts();
    let id = read_id(&key_id)?;
    let body = read_body(body).await?;
    let now = guard.now();
    let audit = Audit { at: now.unix, ..audit(&guard, &parts.extensions) };
    let edit = EditKeyBody::read(&body, &guard.gate().tier_names(), now)?;
    let expected = expected(&guard, id, &parts.headers).await?;
    let changing = guard.change(id, KeyChange::Edit(Box::new(edit)), expected, audit);
    changing.await.map_err(|error| refuse_change(&guard, error))?;
    shown_again(&guard, id).await
}

/// What is to be different about a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "tier": "pro", "expires_in": "90d" }))]
#[expect(dead_code, reason = "it is a description; `read` makes a `KeyEdit` of it")]
pub(crate) struct EditKeyBody {
    #[schema(value_type = NewNameText, required = false)]
    name: String,
    #[schema(value_type = TierText, required = false)]
    tier: String,
    /// To whom it belongs; `null` is nobody. It is suspended if its new owner is.
    #[schema(value_type = Option<OwnerText>)]
    owner: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<ScopeText>, max_items = 32, required = false)]
    scopes: Vec<String>,
    /// Where it may be used from. None is everywhere.
    #[schema(value_type = Vec<NetworkText>, max_items = 32, required = false)]
    networks: Vec<String>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(max_items = 8)]
    limits: Option<Vec<LimitView>>,
    /// What somebody notes about it, at most 4096 bytes.
    #[schema(value_type = Object, required = false)]
    metadata: Map<String, Value>,
    /// The first instant at which it no longer works. One that is over expires it now, and `null`
    /// is never. Not together with `expires_in`.
    #[schema(value_type = Option<TimeText>)]
    expires_at: Option<String>,
    /// How long it works from now on, at most 36525d; `null` is for ever. Not together with
    /// `expires_at`.
    #[schema(value_type = Option<SpanText>)]
    expires_in: Option<String>,
}

impl EditKeyBody {
    fn read(body: &[u8], tiers: &[TierName], now: Now) -> Result<KeyEdit, Refusal> {
        let mut members = misplaced::members_of(body)?;
        let edit = KeyEdit {
            name: optional(&mut members, "name", read::name),
            tier: optional(&mut members, "tier", |place, value| read::tier(place, value, tiers)),
            owner: nullable(&mut members, "owner", parsed),
            scopes: optional(&mut members, "scopes", read::scopes),
            networks: optional(&mut members, "networks", read::networks),
            limits: nullable(&mut members, "limits", read_limits),
            metadata: optional(&mut members, "metadata", |place, value| {
                read::metadata(place, value, body)
            }),
            expires_at: read::expiry(&mut members, Expiry::AnyTime, now)?,
        };
        let faults = members.finish();
        if faults.is_empty() { Ok(edit) } else { Err(Refusal::unprocessable(faults)) }
    }
}
