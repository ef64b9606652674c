//! The document of a listener.

use keyward_admin::openapi;
use keyward_admin::routes::Route;
use serde_json::Value;
use utoipa::OpenApi;

/// The document without its routes, and without the tags of the control plane.
#[derive(OpenApi)]
#[openapi(
    info(title = "Keyward", description = include_str!("description.md")),
    // Relative to the document, so that it is true under the path of a proxy as well.
    servers((url = ".")),
    tags(
        (name = "caller", description = "A caller's view of its own key."),
        (name = "articles", description = "The protected API: news."),
        (name = "health", description = "Checks for monitoring."),
        (name = "description", description = "This document, and a page to browse it."),
    ),
)]
struct Front;

/// The description of a listener that serves these routes.
pub(in crate::openapi) fn document<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Value {
    let mut front = Front::openapi();
    // After the tag of callers.
    front.tags.get_or_insert_default().splice(1..1, openapi::tags());
    openapi::document(front, routes)
}
