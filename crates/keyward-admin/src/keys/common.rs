//! The parts that the routes of keys share: their path, their view, and their rejections.

use axum::Json;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use keyward::KeyId;
use keyward::details::Versions;
use keyward::gate::ChangeError;
use keyward::rules::ChangeRejection;
use keyward::stored::OwnedKey;
use keyward_api::clock;
use keyward_api::key::{KeyView, wiped_json};
use keyward_api::shapes::KeyNumber;
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection, input};
use serde::Serialize;
use serde_json::Value;

use crate::change::{Change, only_parameter};
use crate::failure::broken;
use crate::once;
use crate::precondition::{self, Named, etag};

/// A key with its versions as `ETag`.
pub(super) type Shown = (HeaderMap, Json<KeyView>);

pub(super) fn shown(guard: &Guard, key: &OwnedKey) -> Shown {
    let now = guard.now().unix;
    (tagged(key.versions()), Json(KeyView::of(key, now)))
}

/// A key as it is after a change.
pub(super) async fn shown_again(guard: &Guard, id: KeyId) -> Result<Shown, Rejection> {
    let key = existing(guard, id).await?;
    Ok(shown(guard, &key))
}

/// The `ETag` of a key: its state depends on its own version and on its owner's.
pub(super) fn tagged(versions: Versions) -> HeaderMap {
    etag(&versions.to_string())
}

/// The versions that the request expects; `None` if any will do.
///
/// # Errors
///
/// Returns 404 if there is no such key, 412 if it is in another version, and 400 if a header
/// cannot be read.
pub(super) async fn expected(
    guard: &Guard,
    id: KeyId,
    change: &Change,
) -> Result<Option<Versions>, Rejection> {
    let preconditions = change.preconditions()?;
    if preconditions.take_any_version() {
        return Ok(None);
    }
    let versions = existing(guard, id).await?.versions();
    preconditions.check_change("key", Named::Tagged(&versions.to_string()))?;
    Ok(Some(versions))
}

/// A response that holds a secret: the text is copied out of memory that is wiped, and no cache may
/// keep it.
pub(super) fn shown_once(
    status: StatusCode,
    headers: HeaderMap,
    body: &impl Serialize,
) -> Result<Response, Rejection> {
    let text = wiped_json(body).map_err(|error| {
        tracing::error!(%error, "A key could not be shown with its secret");
        Rejection::unavailable()
    })?;
    let own = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    Ok((status, headers, own, Body::from(text.to_vec())).into_response())
}

pub(super) async fn existing(guard: &Guard, id: KeyId) -> Result<OwnedKey, Rejection> {
    let found = guard.gate().store().find_key(id).await.map_err(broken)?;
    found.ok_or_else(no_such_key)
}

fn read_id(text: &str) -> Result<KeyId, Rejection> {
    match input::integer(text, &["path", "key_id"], &(0..=u64::MAX)) {
        Ok(id) => KeyId::new(id).ok_or_else(no_such_key),
        Err(fault) if fault.kind() == "int_parsing" => Err(Rejection::unprocessable(vec![fault])),
        // A whole number of any size is an id that no key has.
        Err(_) => Err(no_such_key()),
    }
}

fn no_such_key() -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, "API key not found")
}

pub(super) fn no_such_tier(guard: &Guard, input: Value) -> Rejection {
    let known = guard.gate().tier_names();
    let known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
    let location = vec!["body".into(), "tier".into()];
    Rejection::unprocessable(vec![Fault::not_one_of(location, input, &known)])
}

pub(super) fn reject_change(guard: &Guard, error: ChangeError) -> Rejection {
    match error {
        ChangeError::Store(error) => broken(error),
        ChangeError::ClockInDoubt => clock::in_doubt(guard.now()),
        ChangeError::Rejected(rejection) => rejection_of(guard, rejection),
        other @ ChangeError::Random(_) => {
            tracing::error!(error = %other, "A key could not be changed");
            Rejection::unavailable()
        }
    }
}

fn rejection_of(guard: &Guard, rejection: ChangeRejection) -> Rejection {
    let conflict = |detail| Rejection::new(StatusCode::CONFLICT, detail);
    match rejection {
        ChangeRejection::UnknownKey => no_such_key(),
        ChangeRejection::UnknownTier => no_such_tier(guard, Value::Null),
        ChangeRejection::StaleKey(_) => precondition::stale("key"),
        ChangeRejection::Earlier(earlier) => once::reject(earlier),
        ChangeRejection::Revoked => conflict("API key is revoked"),
        ChangeRejection::Expired => conflict("API key has expired"),
        other @ (ChangeRejection::OwnerSuspended
        | ChangeRejection::StaleTier
        | ChangeRejection::StaleOwner(_)
        | ChangeRejection::TierUsed(_)
        | ChangeRejection::TooManyTiers) => {
            tracing::error!(error = %other, "A key could not be changed");
            Rejection::unavailable()
        }
    }
}

/// Which key.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct KeyPath {
    /// The key's id.
    #[param(value_type = KeyNumber)]
    pub(super) key_id: KeyId,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let text = only_parameter(parts, state).await?;
        let read = read_id(&text).map(|key_id| Self { key_id });
        read.map_err(|rejection| rejection.into_response())
    }
}
