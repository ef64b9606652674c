//! `POST /introspect`: token introspection (RFC 7662).
//!
//! A client asks whether a key works, and nothing is taken from its limits: the response has no
//! room for them, clients keep it, and a key whose limit is reached would look invalid.

use axum::Json;
use axum::extract;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use keyward::verify::Purpose;
use keyward_admin::routes::{Access, Routes, route};
use keyward_api::introspect::{IntrospectionForm, IntrospectionView};
use keyward_axum::{DecisionSlot, Door, Rejection, Required, peer_address};
use serde_json::json;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::asker::{admit_from, client_secret, invalid_door_key, note};
use crate::state::State;

/// Most bytes of a form.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The route of introspection.
pub(crate) fn routes() -> Routes<State> {
    Routes::new().add(Access::Door, route!(introspect))
}

/// Says whether a key works (RFC 7662). It takes nothing from its limits.
///
/// A key that is restricted to networks is inactive here. A client that keeps the response goes on
/// accepting a key that was revoked meanwhile: let it keep none.
#[utoipa::path(
    post, path = "/introspect", tag = "doors",
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Whether the key works", body = IntrospectionView),
    ),
)]
pub(crate) async fn introspect(
    extract::State(state): extract::State<State>,
    request: Request,
) -> Result<Response, Rejection> {
    let (parts, body) = request.into_parts();
    admit_from(&state, &state.access(), peer_address(&parts.extensions))?;
    let body = keyward_admin::read_whole(body, FORM_BYTES_MAX).await?;
    let Some(form) = Form::read(&parts.headers, &body) else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request"));
    };
    let keys = &state.access().keys;
    let secret = client_secret(&parts.headers, form.secret.as_ref().map(|secret| secret.as_str()));
    let is_known = || secret.is_some_and(|secret| keys.find(&secret).is_some());
    if !keys.is_empty() && !is_known() {
        let mut response = error(invalid_door_key(&state).status(), "invalid_client");
        let challenge = HeaderValue::from_static(r#"Basic realm="keyward""#);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        return Ok(response);
    }
    let Some(token) = form.token else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request"));
    };
    show(&state, &token, DecisionSlot::of(&parts.extensions)).await
}

async fn show(
    state: &State,
    token: &str,
    slot: Option<DecisionSlot>,
) -> Result<Response, Rejection> {
    let purpose = Purpose::Introspection;
    let required = Required { door: Door::Introspect, purpose, ..Required::default() };
    let judged = state.guard().decide_text(token, None, required).await;
    note(slot.as_ref(), &judged);
    let allowed = match judged {
        Ok(allowed) => allowed,
        Err(rejection) if rejection.status() == StatusCode::SERVICE_UNAVAILABLE => {
            return Ok(unavailable());
        }
        Err(_) => return Ok(Json(IntrospectionView::inactive()).into_response()),
    };
    // The time of issue is in the store alone.
    let found = state.guard().gate().store().find_key(allowed.caller.key_id()).await;
    match found {
        Ok(Some(found)) => {
            let view = IntrospectionView::active(allowed.caller.key(), found.key.created_at);
            Ok(Json(view).into_response())
        }
        Ok(None) => Ok(Json(IntrospectionView::inactive()).into_response()),
        Err(_) => Ok(unavailable()),
    }
}

/// The fields of a form that are read. One that comes twice is malformed (RFC 6749, section 3.2).
struct Form {
    token: Option<Zeroizing<String>>,
    secret: Option<Zeroizing<String>>,
}

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = media_type.split(';').next()?.trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return None;
        }
        let mut form = Self { token: None, secret: None };
        for (name, value) in form_urlencoded::parse(body) {
            let place = match &*name {
                "token" => &mut form.token,
                "client_secret" => &mut form.secret,
                _ => continue,
            };
            if place.replace(Zeroizing::new(value.into_owned())).is_some() {
                return None;
            }
        }
        Some(form)
    }
}

/// 503: it cannot be known whether the key works.
fn unavailable() -> Response {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// An error, as RFC 6749, section 5.2, has it.
fn error(status: StatusCode, word: &'static str) -> Response {
    (status, Json(json!({ "error": word }))).into_response()
}
