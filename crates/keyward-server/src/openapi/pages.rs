//! The pages on which the description is read: the document, and Swagger UI.
//!
//! All of it is inside the program, and the pages send no request to another server. Every link is
//! relative, so that they work under the path of a proxy.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use keyward_admin::routes::{Access, Route, Routes, route};
use keyward_axum::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;

use super::front::document;

/// Scripts, styles and requests are of this server alone; `data:` is small icons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("docs.js");

/// The document and its pages, open to every client that reaches the listener that they describe.
pub(crate) fn routes() -> Routes<Document> {
    Routes::new()
        .add(Access::Open, route!(show_openapi))
        .add(Access::Open, route!(show_docs))
        .add(Access::Open, route!(show_docs_file))
}

/// The document as text, made once.
#[derive(Clone, Debug)]
pub(crate) struct Document(Bytes);

impl Document {
    /// The document of a listener that serves these routes.
    pub(crate) fn of<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        Self(document(routes).to_string().into())
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "description", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub(crate) async fn show_openapi(State(Document(text)): State<Document>) -> Response {
    page("application/json", text.into())
}

/// A page to browse this document, and to try it.
#[utoipa::path(get, path = "/docs", tag = "description", responses(
    (status = 200, description = "Swagger UI", body = String, content_type = "text/html"),
))]
pub(crate) async fn show_docs() -> Response {
    page("text/html; charset=utf-8", PAGE.into())
}

/// A file of that page.
#[utoipa::path(get, path = "/docs/{file}", tag = "description", params(DocsFilePath), responses(
    (status = 200, description = "The file", content(
        (String = "text/css"), (String = "text/javascript"),
    )),
    (status = 404, description = "Not Found"),
))]
pub(crate) async fn show_docs_file(
    Path(DocsFilePath { file }): Path<DocsFilePath>,
) -> Result<Response, Rejection> {
    match DocsFile::of(&file) {
        Some(DocsFile::Script) => return Ok(page("text/javascript; charset=utf-8", SCRIPT.into())),
        Some(DocsFile::Style | DocsFile::Bundle) => {}
        None => return Err(Rejection::not_found()),
    }
    let config = Arc::new(utoipa_swagger_ui::Config::from("openapi.json"));
    match utoipa_swagger_ui::serve(&file, config) {
        Ok(Some(found)) => {
            Ok(page(&found.content_type, Bytes::from(found.bytes.into_owned()).into()))
        }
        Ok(None) | Err(_) => Err(Rejection::not_found()),
    }
}

fn page(media_type: &str, body: Body) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let media_type = [(CONTENT_TYPE, media_type.to_owned())];
    (headers, media_type, body).into_response()
}

/// Which file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DocsFilePath {
    /// The file's name.
    #[param(inline, value_type = DocsFile)]
    file: String,
}

/// The files that the page is made of.
#[derive(Clone, Copy, ToSchema)]
enum DocsFile {
    #[serde(rename = "docs.js")]
    Script,
    #[serde(rename = "swagger-ui.css")]
    Style,
    #[serde(rename = "swagger-ui-bundle.js")]
    Bundle,
}

impl DocsFile {
    fn of(name: &str) -> Option<Self> {
        match name {
            "docs.js" => Some(Self::Script),
            "swagger-ui.css" => Some(Self::Style),
            "swagger-ui-bundle.js" => Some(Self::Bundle),
            _ => None,
        }
    }
}
