//! Reading the bodies of requests whole, up to a limit.

use axum::body::{Body, Bytes};
use http::StatusCode;
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited};
use keyward_axum::Rejection;

/// Reads a body of at most so many bytes.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use axum::body::Body;
/// use keyward_admin::read_whole;
///
/// assert_eq!(read_whole(Body::from("abc"), 3).await.unwrap(), "abc");
/// assert_eq!(read_whole(Body::from("abcd"), 3).await.unwrap_err().status(), 413);
/// # });
/// ```
///
/// # Errors
///
/// Returns 413 if it is longer, and 400 if it ends early.
pub async fn read_whole(body: Body, bytes_max: usize) -> Result<Bytes, Rejection> {
    let read = Limited::new(body, bytes_max).collect().await;
    read.map(Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large")
        } else {
            Rejection::new(StatusCode::BAD_REQUEST, "The body ended early or is malformed")
        }
    })
}
