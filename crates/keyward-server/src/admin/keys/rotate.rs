//! Rotating a key: a new secret for the same key, and a grace for the one before.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use keyward::change::{GRACE_DEFAULT, GRACE_MAX};
use keyward::issue::Rotated;
use keyward::json;
use keyward_axum::input::{self, Members};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{KeyPath, expected, read_id, refuse_change, shown_once, tagged};
use crate::admin::members::{optional, span};
use crate::admin::{audit, once, read_body};
use keyward_api::shapes::{
    IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, KeyNameText, KeyNumber, SpanText,
    TierText, Time,
};

const GRACE_RULE: &str = "a grace is a whole number and a unit, like 24h, and at most 30d";
/// Seconds that a grace may last.
const GRACE_SECS: RangeInclusive<u64> = 0..=GRACE_MAX.as_secs();

/// Gives a key another secret, and shows it for the only time. Its id, limits, usage and expiry
/// stay. The secret before works for a grace, but no longer than the key; the grace of earlier
/// ones ends at once.
#[utoipa::path(
    post, path = "/admin/api-keys/{key_id}/rotate", tag = "keys",
    params(KeyPath, IfMatchHeader, IfNoneMatchHeader, IdempotencyKeyHeader),
    request_body(content = Option<RotateKeyBody>),
    responses(
        (status = 200, description = "Rotated", body = RotatedKey<'_>, headers(
            ("Cache-Control" = String, description = "`no-store`: the answer holds a secret"),
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked; API key has expired"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn rotate_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let id = read_id(&key_id)?;
    let body = read_body(body).await?;
    let audit = audit(&guard, &parts.extensions);
    let audit = once::mark(&guard, &parts, &body, audit).await?;
    let grace = RotateKeyBody::read(&body)?;
    let expected = expected(&guard, id, &parts.headers).await?;
    let rotating = guard.rotate(id, grace, expected, audit);
    let rotated = rotating.await.map_err(|error| refuse_change(&guard, error))?;
    let text = RotatedKey::without_secret(&rotated).into_json(rotated.secret.expose());
    let text = text.map_err(|error| {
        tracing::error!(%error, "A rotated key could not be shown");
        Refusal::unavailable()
    })?;
    Ok(shown_once(StatusCode::OK, tagged(rotated.key.versions()), &text))
}

/// How a key is rotated. An empty body is `{}`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "grace": "24h" }))]
#[expect(dead_code, reason = "it is a description; `read` reads it")]
pub(crate) struct RotateKeyBody {
    /// How long the secret before works, 0s to 30d.
    #[schema(value_type = SpanText, required = false, default = "24h")]
    grace: Duration,
}

impl RotateKeyBody {
    fn read(body: &[u8]) -> Result<Duration, Refusal> {
        if json::without_mark(body).iter().all(u8::is_ascii_whitespace) {
            return Ok(GRACE_DEFAULT);
        }
        let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
        let grace = optional(&mut members, "grace", |place, value| {
            span(place, value, &GRACE_SECS, GRACE_RULE).map(Duration::from_secs)
        });
        let faults = members.finish();
        if !faults.is_empty() {
            return Err(Refusal::unprocessable(faults));
        }
        Ok(grace.unwrap_or(GRACE_DEFAULT))
    }
}

/// A key that was just given another secret: it is shown with it this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RotatedKey<'a> {
    /// The new secret. It is shown this once and kept nowhere.
    #[schema(example = "kw_EXAMPLE-shown-once-and-never-again")]
    api_key: &'a str,
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: &'a str,
    #[schema(value_type = TierText)]
    tier: &'a str,
    /// The first characters of the new secret.
    #[schema(example = "kw_Ab3d")]
    hint: &'a str,
    /// Until when the secret before works; `null` if it does not any more.
    #[schema(required)]
    grace_until: Option<Time>,
    /// The first instant at which the key no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// Its version.
    #[schema(minimum = 2)]
    version: u64,
}

impl<'a> RotatedKey<'a> {
    /// Everything but the secret.
    fn without_secret(rotated: &'a Rotated) -> Self {
        let Rotated { secret: _, hint, grace_until, key: owned } = rotated;
        let key = &*owned.key;
        Self {
            api_key: "",
            key_id: key.id.get(),
            name: key.name.as_str(),
            tier: key.tier.as_str(),
            hint,
            grace_until: grace_until.map(Time),
            expires_at: key.expires_at.map(Time),
            version: key.version.get(),
        }
    }

    /// The answer's text, in memory that is wiped, as for a key that is issued.
    fn into_json(self, secret: &'a str) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let length = serde_json::to_vec(&self)?.len() + secret.len();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        serde_json::to_writer(&mut *text, &Self { api_key: secret, ..self })?;
        Ok(text)
    }
}
