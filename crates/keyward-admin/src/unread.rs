//! Rejects input that a route does not read: an ignored parameter or field was meant to do
//! something, such as to end a grace at once, or to give a reason. So was the first of two
//! parameters of one name, of which a route would read the last alone.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use keyward::json;
use keyward_axum::Rejection;
use keyward_axum::input::{self, Fields, Query};

use crate::change::Whole;
use crate::precondition::{Named, Preconditions};

/// The input that a route reads. Where it reads a part, it rejects the unknown names in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Its query.
    pub(crate) query: bool,
    /// Its body.
    pub(crate) body: bool,
    /// `If-Match` and `If-None-Match`, as all routes of a resource with an `ETag` do, and all that
    /// only read.
    pub(crate) preconditions: bool,
}

/// Lets a request pass unless it contains input that its route does not read. An empty body, and
/// one that is `{}`, contain none.
pub(crate) async fn reject_unread(
    State(reads): State<Reads>,
    request: Request,
    next: Next,
) -> Response {
    match read_nothing(reads, request).await {
        Ok(request) => next.run(request).await,
        Err(rejection) => rejection.into_response(),
    }
}

async fn read_nothing(reads: Reads, request: Request) -> Result<Request, Rejection> {
    let (parts, mut body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let mut faults = match reads.query {
        true => query.repeated(),
        false => query.unknown(&[]),
    };
    if !reads.preconditions {
        // A list of keys, of articles and so on: it is there, and no `ETag` is ever that of it.
        Preconditions::read(&parts.headers)?.check_change("list", Named::Untagged)?;
    }
    if !reads.body {
        let bytes = Whole::of(body).await?.0;
        if !json::without_mark(&bytes).iter().all(u8::is_ascii_whitespace) {
            // Any body is misplaced here.
            let fields = input::json_object(&bytes).map_err(Rejection::masked)?;
            faults.extend(Fields::new(vec!["body".into()], fields).finish());
        }
        body = bytes.into();
    }
    if faults.is_empty() {
        Ok(Request::from_parts(parts, body))
    } else {
        Err(Rejection::unprocessable(faults))
    }
}
