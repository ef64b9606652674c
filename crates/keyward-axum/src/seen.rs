//! The findings about a request, kept until its response is finished: the search for a key, and the
//! decision.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use keyward::UnixMillis;
use keyward::limit::Standings;
use keyward_http::verdicts::Decision;

/// Tells the layer that finishes the response, if there is one, that a key was looked for.
pub(crate) fn note(
    extensions: &Extensions,
    stood: Option<&(Standings, UnixMillis)>,
    decision: Option<Decision>,
) {
    if let Some(Seen::Later(slot)) = extensions.get::<Seen>() {
        let mut slot = lock(slot);
        let before = slot.stood.take().flatten();
        slot.stood = Some(stood.cloned().or(before));
        slot.decision = slot.decision.or(decision);
    }
}

/// The lock is never contended: it is set by the request and read by its response.
fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of the caller's limits when the request was allowed, for the header fields of its
/// response; `None` without a limit, or without a caller.
pub(crate) type Stood = Option<(Standings, UnixMillis)>;

/// The result of the search for a key, for the layer that finishes the response: `None` if no key
/// was looked for.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The layer looked itself.
    Now(Option<Stood>),
    /// An extractor inside may look for one, and says so here.
    Later(Arc<Mutex<Slot>>),
}

/// What an extractor says.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    stood: Option<Stood>,
    decision: Option<Decision>,
}

impl Seen {
    pub(crate) fn later() -> Self {
        Self::Later(Arc::default())
    }

    /// The state of the caller's limits, if a key was looked for.
    pub(crate) fn take(&mut self) -> Option<Stood> {
        match self {
            Self::Now(stood) => stood.take(),
            Self::Later(slot) => lock(slot).stood.take(),
        }
    }
}

/// The place in which the first decision about a request is noted, for a log: each request that
/// passed [`Guard::responses`](crate::Guard::responses) has one among its extensions. A clone
/// shares it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::body::Body;
/// use axum::extract::Request;
/// use axum::middleware::{Next, from_fn};
/// use axum::{Router, routing::get};
/// use keyward_axum::{Caller, DecisionSlot, testing};
/// use tower::ServiceExt as _;
///
/// let log = from_fn(async |request: Request, next: Next| {
///     let slot = DecisionSlot::of(request.extensions()).unwrap();
///     let response = next.run(request).await;
///     assert_eq!(slot.decision().unwrap().outcome.as_str(), "missing");
///     response
/// });
/// let (guard, _clock) = testing::guard().await;
/// let app = Router::new()
///     .route("/", get(async |_: Caller| "hello"))
///     .layer(log)
///     .layer(guard.responses())
///     .with_state(guard);
/// assert_eq!(app.oneshot(Request::get("/").body(Body::empty())?).await?.status(), 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DecisionSlot(Arc<Mutex<Slot>>);

impl DecisionSlot {
    /// The place of a request; `None` if it passed no layer that reads it.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        match extensions.get::<Seen>()? {
            Seen::Later(slot) => Some(Self(Arc::clone(slot))),
            Seen::Now(_) => None,
        }
    }

    /// The decision, if there was one.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        lock(&self.0).decision
    }

    /// Notes a decision, unless there was one before: for a handler that asks the authenticator
    /// itself.
    pub fn note(&self, decision: Decision) {
        let mut slot = lock(&self.0);
        slot.decision = slot.decision.or(Some(decision));
    }
}
