//! The handlers of the articles' routes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse as _, Response};
use keyward_axum::input;
use keyward_axum::{Caller, Guard, Rejection};
use serde::Serialize;
use utoipa::ToSchema;

use crate::article::Article;
use crate::articles::Articles;
use crate::batch::Batch;
use crate::error::ArticlesError;
use crate::page::{PageParams, PageQuery};
use crate::shelf::Imported;

/// Most bytes in the body of an import: a full batch at its longest, and white space.
pub const IMPORT_BODY_MAX: usize = 8 * 1_024 * 1_024;

const ARTICLES: &str = "/articles";

/// A page of articles, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    #[schema(max_items = 100)]
    articles: Vec<Article>,
    /// Articles on this page.
    count: usize,
}

/// `GET /articles`, for callers with a key: a page of articles, newest first.
///
/// It takes `category`, `source` (both up to 100 characters), `limit` (1 to 100, 20 unless given)
/// and `before`, which comes from the `Link` header of the page before.
///
/// # Errors
///
/// Rejects parameters that do not fit, and all when the articles cannot be read.
#[utoipa::path(
    get, path = "/articles", tag = "articles", params(PageParams),
    summary = "Lists articles, newest first, page by page.", description = "",
    responses((status = 200, description = "A page", body = Page, headers(
        ("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"),
    ))),
)]
pub async fn list_articles(
    _caller: Caller,
    State(articles): State<Articles>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let query = PageQuery::parse(query.as_deref()).map_err(Rejection::unprocessable)?;
    let mut found = articles.list(query.clone()).await.map_err(unavailable)?;
    let more = query.limit < found.len();
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|last| query.next(ARTICLES, last));
    let mut answer = Json(Page { count: found.len(), articles: found }).into_response();
    // Encoded text always fits into a header.
    if let Some(Ok(next)) =
        next.map(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")))
    {
        answer.headers_mut().insert(LINK, next);
    }
    Ok(answer)
}

/// `POST /admin/articles`, for importers of articles: a batch of up to 100.
///
/// It asks for no key: a server that mounts it authenticates its callers first, and lets its body
/// have up to [`IMPORT_BODY_MAX`] bytes.
///
/// # Errors
///
/// Rejects a batch that does not fit, and all when the articles cannot be written.
#[utoipa::path(
    post, path = "/admin/articles", tag = "articles", request_body = Batch,
    summary = "Brings a batch of articles in, all or nothing.",
    description = "Bringing it in again changes nothing.",
    responses((status = 200, description = "Imported", body = Imported)),
)]
pub async fn import_articles(
    State(guard): State<Guard>,
    State(articles): State<Articles>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Imported>, Rejection> {
    let body = body.map_err(|rejection| {
        Rejection::new(
            rejection.status(),
            rejection.status().canonical_reason().unwrap_or_default(),
        )
    })?;
    let batch = Batch::read(input::json_object(&body)?).map_err(Rejection::unprocessable)?;
    drop(body);
    let imported = articles.import(batch.articles, guard.clock().now().unix).await;
    Ok(Json(imported.map_err(unavailable)?))
}

#[expect(clippy::needless_pass_by_value, reason = "it is the shape that `map_err` wants")]
fn unavailable(error: ArticlesError) -> Rejection {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    match error {
        ArticlesError::Busy => tracing::warn!(%error, "Rejected a query for articles"),
        // The watcher of the file logs it, once.
        ArticlesError::Lost(_) => tracing::debug!(%error, cause, "Took no articles"),
        ArticlesError::Closed
        | ArticlesError::Newer { .. }
        | ArticlesError::Thread(_)
        | ArticlesError::Sqlite(_) => tracing::error!(%error, cause, "Could not ask for articles"),
        #[cfg(feature = "postgres")]
        ArticlesError::Open(_) | ArticlesError::Postgres(_) => {
            tracing::error!(%error, cause, "Could not ask for articles");
        }
    }
    Rejection::unavailable()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::OpenApi;

    use super::*;
    use crate::article::{BATCH_MAX, CATEGORY_MAX, GUID_MAX, SOURCE_MAX, TITLE_MAX, URL_MAX};

    #[derive(OpenApi)]
    #[openapi(paths(list_articles, import_articles))]
    struct Described;

    #[test]
    fn bounds_are_those_that_hold() {
        let document = serde_json::to_value(Described::openapi()).unwrap();
        let schemas = &document["components"]["schemas"];
        let batch = &schemas["Batch"]["properties"]["articles"];
        assert_eq!(batch["maxItems"], json!(BATCH_MAX));
        let bounds = [
            ("title", TITLE_MAX),
            ("url", URL_MAX),
            ("source", SOURCE_MAX),
            ("category", CATEGORY_MAX),
            ("guid", GUID_MAX),
        ];
        for (name, max) in bounds {
            let member = &schemas["NewArticle"]["properties"][name];
            assert_eq!(member["maxLength"], json!(max), "{name}");
        }
    }
}
