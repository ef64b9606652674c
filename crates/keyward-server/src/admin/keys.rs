//! Keys on the admin API: issuing, listing, showing, revoking, and their usage.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LINK};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use keyward::count::Counts;
use keyward::gate::IssueError;
use keyward::issue::{Issued, NewKey};
use keyward::record::{KeyState, NAME_CHARS_MAX, Scope, Scopes};
use keyward::store::KeyDetails;
use keyward::time::UnixHour;
use keyward::{KeyId, UnixMillis};
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members, Query};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{audit, broken, read_body, rfc3339};

/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 20;
/// Most keys on one page.
const PAGE_MAX: u64 = 100;
/// Most hours of usage in one answer: about three months.
const HOURS_MAX: u32 = 2_200;
/// The tier of a key whose request names none.
const TIER_DEFAULT: &str = "basic";

/// `POST /admin/api-keys`: issues a key, and shows it for the only time.
pub(crate) async fn issue_key(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let known = guard.gate().tier_names();
    let known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
    let key = read_new_key(&body, &known)?;
    let issued = guard.issue(key, audit(&guard, &parts.extensions)).await.map_err(refuse_issue)?;
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let json = [(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((StatusCode::CREATED, no_store, json, issued_body(&issued)).into_response())
}

fn refuse_issue(error: IssueError) -> Refusal {
    match error {
        IssueError::UnknownTier { known } => {
            let known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
            let place = vec!["body".into(), "tier".into()];
            Refusal::unprocessable(vec![Fault::not_one_of(place, Value::Null, &known)])
        }
        IssueError::Store(error) => broken(error),
        other => {
            tracing::error!(error = %other, "No key could be issued");
            Refusal::unavailable()
        }
    }
}

/// The one answer that holds a secret. The text is put together here, in memory that is wiped
/// after it was copied into the answer.
fn issued_body(issued: &Issued) -> Body {
    let Issued { key_id, secret, key, hint, created_at } = issued;
    let scopes: Vec<_> = key.scopes.iter().map(Scope::as_str).collect();
    let rest = json!({
        "key_id": key_id.get(),
        "name": key.name.as_str(),
        "tier": key.tier.as_str(),
        "created_at": rfc3339(*created_at),
        "hint": hint,
        "scopes": scopes,
        "expires_at": key.expires_at.map(rfc3339),
    })
    .to_string();
    // A secret holds letters, digits and underscores, so it needs no escaping.
    let rest = rest.strip_prefix('{').unwrap_or_default();
    let text = Zeroizing::new(format!(r#"{{"api_key":"{}",{rest}"#, secret.expose()));
    Body::from(text.as_bytes().to_vec())
}

fn read_new_key(body: &[u8], known_tiers: &[&str]) -> Result<NewKey, Refusal> {
    let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
    let name = members.string("name", 1..=NAME_CHARS_MAX).and_then(|name| name.parse().ok());
    let tier = members.take("tier").unwrap_or_else(|| TIER_DEFAULT.into());
    let place = members.place("tier");
    let tier = match tier.as_str().filter(|tier| known_tiers.contains(tier)) {
        Some(tier) => tier.parse().ok(),
        None => members.ok(Err(Fault::not_one_of(place, tier, known_tiers))),
    };
    let scopes = read_scopes(&mut members);
    let expires_at = read_expiry(&mut members);
    let faults = members.finish();
    match (name, tier, scopes, expires_at) {
        (Some(name), Some(tier), Some(scopes), Some(expires_at)) if faults.is_empty() => {
            Ok(NewKey { name, tier, scopes, expires_at })
        }
        _ => Err(Refusal::unprocessable(faults)),
    }
}

fn read_scopes(members: &mut Members) -> Option<Scopes> {
    let place = members.place("scopes");
    let list = match members.take("scopes") {
        None => return Some(Scopes::default()),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let fault = Fault::new("list_type", place, "Input should be a valid list");
            members.fault(fault.input(other));
            return None;
        }
    };
    let echo = Value::from(list.clone());
    let mut scopes = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let mut place = place.clone();
        place.push(at.into());
        let Value::String(text) = value else {
            members.fault(Fault::not_a_string(place, value));
            continue;
        };
        match text.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(error) => {
                members.fault(Fault::value_error(place, text.into(), &error.to_string()));
            }
        }
    }
    let scopes = Scopes::new(scopes);
    members.ok(scopes.map_err(|error| Fault::value_error(place, echo, &error.to_string())))
}

/// `None` is a fault; `Some(None)` is a key that never expires.
fn read_expiry(members: &mut Members) -> Option<Option<UnixMillis>> {
    let place = members.place("expires_at");
    let text = match members.take("expires_at") {
        None | Some(Value::Null) => return Some(None),
        Some(Value::String(text)) => text,
        Some(other) => {
            let message = "Input should be a valid datetime";
            members.fault(Fault::new("datetime_type", place, message).input(other));
            return None;
        }
    };
    let millis =
        text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    if millis.is_none() {
        let message = "Input should be a valid datetime in RFC 3339, such as 2030-01-31T12:00:00Z";
        members.fault(Fault::new("datetime_parsing", place, message).input(text));
    }
    millis.map(|at| Some(UnixMillis(at)))
}

/// `DELETE /admin/api-keys/{key_id}`: revokes a key; when this is answered, it is dead.
pub(crate) async fn revoke_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
    extensions: http::Extensions,
) -> Result<StatusCode, Refusal> {
    let id = read_id(&key_id)?;
    let revoked = guard.revoke(id, audit(&guard, &extensions)).await.map_err(broken)?;
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_key()) }
}

/// `GET /admin/api-keys`: keys, newest first, page by page.
pub(crate) async fn list_keys(
    State(guard): State<Guard>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Value>), Refusal> {
    let query = Query::parse(uri.query());
    let limit = query.integer("limit", 1..=PAGE_MAX, PAGE_DEFAULT);
    let before = query.integer("before", 1..=i64::MAX.unsigned_abs(), 0);
    let (limit, before) = match (limit, before) {
        (Ok(limit), Ok(before)) => (limit, KeyId::new(before)),
        (limit, before) => {
            let faults = [limit.err(), before.err()];
            return Err(Refusal::unprocessable(faults.into_iter().flatten().collect()));
        }
    };
    let max = u32::try_from(limit).unwrap_or(u32::MAX);
    // One more than asked for tells whether there is another page.
    let mut keys = guard.gate().store().list_keys(before, max + 1).await.map_err(broken)?;
    let more = keys.len() as u64 > limit;
    keys.truncate(max as usize);
    let mut headers = HeaderMap::new();
    if let Some(last) = keys.last().filter(|_| more) {
        let next =
            format!("</admin/api-keys?limit={limit}&before={}>; rel=\"next\"", last.record.id);
        headers.extend(HeaderValue::try_from(next).ok().map(|next| (LINK, next)));
    }
    let keys: Vec<_> = keys.iter().map(KeyView::of).collect();
    Ok((headers, Json(json!({ "count": keys.len(), "api_keys": keys }))))
}

/// `GET /admin/api-keys/{key_id}`: one key.
pub(crate) async fn find_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
) -> Result<Json<KeyView>, Refusal> {
    Ok(Json(KeyView::of(&existing(&guard, &key_id).await?)))
}

/// `GET /admin/api-keys/{key_id}/usage`: what became of a key's requests, hour by hour, up to and
/// including those that were answered before this one came.
pub(crate) async fn show_usage(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let id = existing(&guard, &key_id).await?.record.id;
    guard.flush().await.map_err(broken)?;
    let from = UnixHour((guard.clock().now().unix.hour().0 + 1).saturating_sub(HOURS_MAX));
    let hours = guard.gate().store().usage(id, from, HOURS_MAX).await.map_err(broken)?;
    let mut total = Counts::default();
    let mut views = Vec::new();
    for (hour, counts) in hours {
        total.add(&counts);
        let mut view = counts_view(&counts);
        if let Some(members) = view.as_object_mut() {
            members.shift_insert(0, "hour".into(), rfc3339(hour.start()).into());
        }
        views.push(view);
    }
    Ok(Json(json!({ "key_id": id.get(), "total": counts_view(&total), "hours": views })))
}

async fn existing(guard: &Guard, key_id: &str) -> Result<KeyDetails, Refusal> {
    let id = read_id(key_id)?;
    let key = guard.gate().store().find_key(id).await.map_err(broken)?;
    key.ok_or_else(no_such_key)
}

fn read_id(text: &str) -> Result<KeyId, Refusal> {
    match input::integer(text, &["path", "key_id"], &(0..=u64::MAX)) {
        Ok(id) => KeyId::new(id).ok_or_else(no_such_key),
        Err(fault) if fault.kind() == "int_parsing" => Err(Refusal::unprocessable(vec![fault])),
        // A whole number of any size is an id that no key has.
        Err(_) => Err(no_such_key()),
    }
}

fn no_such_key() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "API key not found")
}

fn counts_view(counts: &Counts) -> Value {
    json!({
        "allowed": counts.allowed,
        "limited": counts.limited,
        "out_of_scope": counts.out_of_scope,
        "suspended": counts.suspended,
        "revoked": counts.revoked,
        "expired": counts.expired,
    })
}

/// A key as operators see it.
#[derive(Debug, Serialize)]
pub(crate) struct KeyView {
    key_id: u64,
    name: String,
    tier: String,
    state: &'static str,
    hint: String,
    scopes: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

impl KeyView {
    fn of(key: &KeyDetails) -> Self {
        let record = &key.record;
        let (state, revoked_at) = match record.state {
            KeyState::Active => ("active", None),
            KeyState::Suspended => ("suspended", None),
            KeyState::Revoked { at } => ("revoked", Some(rfc3339(at))),
            // A state that a later version adds is shown as what it is not.
            _ => ("unknown", None),
        };
        Self {
            key_id: record.id.get(),
            name: record.name.as_str().to_owned(),
            tier: key.tier.as_str().to_owned(),
            state,
            hint: key.hint.clone(),
            scopes: record.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: rfc3339(key.created_at),
            expires_at: record.expires_at.map(rfc3339),
            last_used_at: key.last_used_at.map(rfc3339),
            revoked_at,
        }
    }
}
