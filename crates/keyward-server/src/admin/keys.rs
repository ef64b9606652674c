//! Keys on the admin API: issuing, listing, showing, revoking, and their usage.

mod new_key;
mod views;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LINK};
use http::{StatusCode, Uri};
use keyward::KeyId;
use keyward::count::Counts;
use keyward::gate::IssueError;
use keyward::store::KeyDetails;
use keyward::time::UnixHour;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Query};
use keyward_axum::{Guard, Refusal};
use serde_json::Value;

use self::new_key::NewKeyBody;
use self::views::{CountsView, HourView, IssuedKey, KeyPage, KeyView, UsageView};
use super::{audit, broken, read_body};
use crate::shapes::KeyNumber;

/// Keys on one page, unless the request says otherwise.
const PAGE_DEFAULT: u64 = 20;
/// Most keys on one page.
const PAGE_MAX: u64 = 100;
/// Most hours of usage in one answer: about three months.
const HOURS_MAX: u32 = 2_200;

/// Issues a key, and shows it for the only time.
#[utoipa::path(post, path = "/admin/api-keys", tag = "keys", request_body = NewKeyBody, responses(
    (status = 201, description = "Issued", body = IssuedKey<'_>, headers(
        ("Cache-Control" = String, description = "`no-store`: the answer holds a secret"),
    )),
))]
pub(crate) async fn issue_key(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let known = guard.gate().tier_names();
    let known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
    let key = NewKeyBody::read(&body, &known)?;
    let issued =
        guard.issue(key.into(), audit(&guard, &parts.extensions)).await.map_err(refuse_issue)?;
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let json = [(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let view = IssuedKey::without_secret(&issued);
    let text = view.into_json(issued.secret.expose()).map_err(|error| {
        tracing::error!(%error, "An issued key could not be shown");
        Refusal::unavailable()
    })?;
    Ok((StatusCode::CREATED, no_store, json, Body::from(text.to_vec())).into_response())
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

/// Revokes a key, for ever; when this is answered, it is dead. Revoking it again is fine.
#[utoipa::path(delete, path = "/admin/api-keys/{key_id}", tag = "keys", params(KeyPath), responses(
    (status = 204, description = "Revoked"),
    (status = 404, description = "API key not found"),
))]
pub(crate) async fn revoke_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
    extensions: http::Extensions,
) -> Result<StatusCode, Refusal> {
    let id = read_id(&key_id)?;
    let revoked = guard.revoke(id, audit(&guard, &extensions)).await.map_err(broken)?;
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_key()) }
}

/// Lists keys, newest first, page by page.
#[utoipa::path(get, path = "/admin/api-keys", tag = "keys", params(ListKeysQuery), responses(
    (status = 200, description = "A page", body = KeyPage, headers(
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
    )),
))]
pub(crate) async fn list_keys(
    State(guard): State<Guard>,
    uri: Uri,
) -> Result<(HeaderMap, Json<KeyPage>), Refusal> {
    let ListKeysQuery { limit, before } = ListKeysQuery::read(uri.query())?;
    // One more than asked for tells whether there is another page.
    let mut keys = guard.gate().store().list_keys(before, limit + 1).await.map_err(broken)?;
    let limit = limit as usize;
    let more = limit < keys.len();
    keys.truncate(limit);
    let mut headers = HeaderMap::new();
    if let Some(last) = keys.last().filter(|_| more) {
        let next =
            format!("</admin/api-keys?limit={limit}&before={}>; rel=\"next\"", last.record.id);
        headers.extend(HeaderValue::try_from(next).ok().map(|next| (LINK, next)));
    }
    let api_keys: Vec<_> = keys.iter().map(KeyView::of).collect();
    Ok((headers, Json(KeyPage { count: api_keys.len(), api_keys })))
}

/// Shows a key.
#[utoipa::path(get, path = "/admin/api-keys/{key_id}", tag = "keys", params(KeyPath), responses(
    (status = 200, description = "The key", body = KeyView),
    (status = 404, description = "API key not found"),
))]
pub(crate) async fn find_key(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
) -> Result<Json<KeyView>, Refusal> {
    Ok(Json(KeyView::of(&existing(&guard, &key_id).await?)))
}

/// Shows what became of a key's requests, hour by hour, up to and including those that were
/// answered before this one came.
#[utoipa::path(
    get, path = "/admin/api-keys/{key_id}/usage", tag = "keys", params(KeyPath),
    responses(
        (status = 200, description = "The last three months", body = UsageView),
        (status = 404, description = "API key not found"),
    ),
)]
pub(crate) async fn show_usage(
    State(guard): State<Guard>,
    Path(key_id): Path<String>,
) -> Result<Json<UsageView>, Refusal> {
    let id = existing(&guard, &key_id).await?.record.id;
    guard.flush().await.map_err(broken)?;
    let from = UnixHour((guard.clock().now().unix.hour().0 + 1).saturating_sub(HOURS_MAX));
    let hours = guard.gate().store().usage(id, from, HOURS_MAX).await.map_err(broken)?;
    let mut total = Counts::default();
    let mut views = Vec::new();
    for (hour, counts) in hours {
        total.add(&counts);
        views.push(HourView::of(hour, &counts));
    }
    Ok(Json(UsageView { key_id: id.get(), total: CountsView::of(&total), hours: views }))
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

/// Which key.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is a description; `read_id` reads it")]
pub(crate) struct KeyPath {
    /// The key's id.
    #[param(value_type = KeyNumber)]
    key_id: u64,
}

/// Which page of the list.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListKeysQuery {
    /// Most keys on the page.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    limit: u32,
    /// Only keys with a smaller id. The `Link` header of a page has it for the next one.
    #[param(value_type = Option<KeyNumber>)]
    before: Option<KeyId>,
}

impl ListKeysQuery {
    fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let query = Query::parse(query);
        let limit = query.integer("limit", 1..=PAGE_MAX, PAGE_DEFAULT);
        let before = query.integer("before", 1..=i64::MAX.unsigned_abs(), 0);
        let mut faults = query.unknown(&["limit", "before"]);
        match (limit, before) {
            (Ok(limit), Ok(before)) if faults.is_empty() => {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                Ok(Self { limit, before: KeyId::new(before) })
            }
            (limit, before) => {
                faults.splice(0..0, [limit.err(), before.err()].into_iter().flatten());
                Err(Refusal::unprocessable(faults))
            }
        }
    }
}
