//! Which pages in browsers may use the routes that ask for a key (CORS, in the Fetch standard).
//!
//! Keys travel in headers that a page sets itself. They are no credentials in the sense of CORS,
//! which are what a browser adds on its own, so nothing allows those; and a page of an origin that
//! is not listed can neither send a key nor read a response. The control plane has none of this.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, HeaderName, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::settings::Origins;

/// How long a browser may keep the response to a preflight; Chromium keeps none for longer.
const KEEP_FOR: Duration = Duration::from_secs(2 * 60 * 60);
const METHODS: [Method; 2] = [Method::GET, Method::HEAD];
/// The request headers that a page may send in addition to the ones that every page may.
const SENT: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("x-request-id")];
/// The response headers that a page may read in addition to the ones that every page may.
const READ: [HeaderName; 9] = [
    LINK,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("x-request-id"),
];

/// A layer that responds to preflights, which carry no key, and adds to `Vary` that responses
/// depend on the origin.
pub(crate) fn layer(origins: &Origins) -> CorsLayer {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::These(list) => AllowOrigin::list(list.iter().cloned()),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(METHODS)
        .allow_headers(SENT)
        .expose_headers(READ)
        .max_age(KEEP_FOR)
}
