//! The request head of a change: its actor, its preconditions, and its idempotency key.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse as _, Response};
use http::Extensions;
use http::request::Parts;
use keyward::Now;
use keyward::audit::{Actor, Audit};
use keyward_api::body::{Known, RequestBody};
use keyward_axum::{Guard, Rejection};

use crate::access::Who;
use crate::body::read_whole;
use crate::once;
use crate::precondition::Preconditions;
use crate::request_id::RequestId;

/// Most bytes of a body on an admin route, imports aside.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A request for a change, without its body.
#[derive(Debug)]
pub(crate) struct Change {
    guard: Guard,
    parts: Parts,
}

impl<S> FromRequestParts<S> for Change
where
    S: Send + Sync,
    Guard: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self { guard: Guard::from_ref(state), parts: parts.clone() })
    }
}

impl Change {
    /// The audit part of the change.
    pub(crate) fn audit(&self) -> Audit {
        audit(&self.guard, &self.parts.extensions)
    }

    /// The same, of a change that is made once, if the client says so.
    ///
    /// # Errors
    ///
    /// Returns the rejection of a request that was made before.
    pub(crate) async fn audit_once(&self, body: &Whole) -> Result<Audit, Rejection> {
        once::mark(&self.guard, &self.parts, &body.0, self.audit()).await
    }

    /// The preconditions of the change.
    ///
    /// # Errors
    ///
    /// Returns 400 if a header cannot be read.
    pub(crate) fn preconditions(&self) -> Result<Preconditions, Rejection> {
        Preconditions::read(&self.parts.headers)
    }

    /// The query string.
    pub(crate) fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }
}

/// The audit part of a change that this request asks for.
pub(crate) fn audit(guard: &Guard, extensions: &Extensions) -> Audit {
    let id = extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
    // Every request here is identified; an unidentified one would count as the program's own.
    let (actor, address) = match extensions.get::<Who>() {
        Some(Who { actor, address, .. }) => (actor.clone(), Some(*address)),
        None => (Actor::Program, None),
    };
    guard.audit(actor, address, id)
}

/// A whole body of at most 64 KiB.
#[derive(Debug)]
pub(crate) struct Whole(pub(crate) Bytes);

impl Whole {
    /// Reads the whole body.
    ///
    /// # Errors
    ///
    /// Returns 413 if it is longer, and 400 if it ends early.
    pub(crate) async fn of(body: Body) -> Result<Self, Rejection> {
        read_whole(body, BODY_BYTES_MAX).await.map(Self)
    }

    /// The parsed body of a request that came at this time.
    ///
    /// # Errors
    ///
    /// Returns 422 with every fault.
    pub(crate) fn read<T: RequestBody>(&self, guard: &Guard, now: Now) -> Result<T, Rejection> {
        T::read(&self.0, Known { tiers: &guard.gate().tier_names(), now })
    }
}

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Rejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Rejection> {
        Self::of(request.into_body()).await
    }
}

/// What the body of a request says.
#[derive(Debug)]
pub(crate) struct Sent<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Sent<T>
where
    S: Send + Sync,
    T: RequestBody,
    Guard: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let whole = Whole::of(request.into_body()).await?;
        let guard = Guard::from_ref(state);
        whole.read(&guard, guard.now()).map(Self)
    }
}

/// The one parameter of a path, as it was sent.
///
/// # Errors
///
/// Returns the rejection of a path that is no text, or has not one parameter.
pub(crate) async fn only_parameter<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<String, Response> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map(|Path(text)| text).map_err(|rejection| rejection.into_response())
}
