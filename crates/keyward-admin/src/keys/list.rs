//! Finding keys, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use http::header::{HeaderMap, HeaderValue, LINK};
use keyward::scan::holds_key;
use keyward::store::Reports;
use keyward_api::key::{KeyList, ListKeys, ListKeysQuery};
use keyward_axum::input::Query;
use keyward_axum::{Guard, Rejection};
use url::form_urlencoded;

use crate::failure::broken;

/// Lists keys, page by page, newest first unless told otherwise.
#[utoipa::path(get, path = "/admin/api-keys", tag = "keys", params(ListKeysQuery), responses(
    (status = 200, description = "A page", body = KeyList, headers(
        ("Link" = String, description = "The next page, relative to this, `rel=\"next\"`"),
    )),
))]
pub(crate) async fn list_keys(
    State(guard): State<Guard>,
    State(reports): State<Arc<dyn Reports>>,
    uri: Uri,
) -> Result<(HeaderMap, Json<KeyList>), Rejection> {
    let now = guard.now().unix;
    let asked = Query::parse(uri.query());
    let ListKeys { query, sort, total } = ListKeys::read(&asked, now)?;
    let total = match total {
        true => Some(reports.count_keys(query.filter.clone(), now).await.map_err(broken)?),
        false => None,
    };
    let page = reports.list_keys(query).await.map_err(broken)?;
    let list = KeyList::of(&page, total, sort, now);
    let headers = list.next_cursor.as_deref().map(|cursor| (LINK, next_link(&asked, cursor)));
    // The query is in the link, and a proxy on the way may log it.
    let headers = headers.filter(|(_, link)| !holds_key(link));
    let headers = headers.and_then(|(name, link)| Some((name, HeaderValue::try_from(link).ok()?)));
    Ok((HeaderMap::from_iter(headers), Json(list)))
}

/// The next page of the same list, relative to this one, so that it is true under the path of a
/// proxy as well.
fn next_link(asked: &Query, cursor: &str) -> String {
    let mut next = form_urlencoded::Serializer::new(String::new());
    let kept = ListKeysQuery::NAMES.iter().filter(|name| !matches!(**name, "cursor" | "before"));
    for name in kept {
        if let Some(value) = asked.text(name) {
            next.append_pair(name, value);
        }
    }
    let query = next.append_pair("cursor", cursor).finish();
    format!("<?{query}>; rel=\"next\"")
}
