//! What this crate serves, as OpenAPI.

use utoipa::OpenApi;

/// Every handler, one line each.
#[derive(OpenApi)]
#[openapi(paths(crate::routes::list_articles, crate::routes::import_articles))]
struct Described;

/// The routes of the articles and their bodies, for a server to merge with its own.
///
/// Refusals and headers that all of a server's answers have in common are the server's to add;
/// `key` and `key_header` have to be the names of its security schemes for keys.
#[must_use]
pub fn describe() -> utoipa::openapi::OpenApi {
    Described::openapi()
}
