//! The routes of this crate, as OpenAPI.

use utoipa::OpenApi;

/// Every handler, one line each.
#[derive(OpenApi)]
#[openapi(paths(crate::routes::list_articles, crate::routes::import_articles))]
struct Described;

/// The routes of the articles and their bodies, for a server to merge with its own.
///
/// Rejections and headers that all of a server's responses have in common are the server's to add;
/// `key` and `key_header` have to be the names of its security schemes for keys.
#[must_use]
pub fn describe() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::article::{BATCH_MAX, CATEGORY_MAX, GUID_MAX, SOURCE_MAX, TITLE_MAX, URL_MAX};

    #[test]
    fn bounds_are_those_that_hold() {
        let document = serde_json::to_value(describe()).unwrap();
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
