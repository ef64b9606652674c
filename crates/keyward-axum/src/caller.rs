//! The extractors: who is calling, as a parameter of a handler.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::response::Response;
use http::Extensions;
use http::header::HeaderMap;
use http::request::Parts;
use keyward::UnixMillis;
use keyward::limit::{Cost, Standings};
use keyward_http::{Authenticated, Form, Rejection, Required};

use crate::guard::{Guard, GuardId};
use crate::peer::peer_address;

/// Who is calling: a handler with this parameter runs only for a key that works.
///
/// `Option<Caller>` is `None` for a request without any key, and still rejects a key that does not
/// work. A request that a guard allowed is not verified again by further extractors and layers of
/// the guard: its cost, as the first of them names it, is taken from the limits once. After a
/// rejection, which is usually the response, a further extractor verifies and counts the request
/// again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, body::Body, routing::get};
/// use http::{Request, StatusCode};
/// use keyward_axum::{Caller, testing};
/// use tower::ServiceExt as _;
///
/// let (guard, _clock) = testing::guard().await;
/// let secret = testing::issue(&guard, "weather-bot").await;
/// let mine = async |caller: Caller| caller.name().to_owned();
/// let open = async |caller: Option<Caller>| if caller.is_some() { "hello" } else { "who?" };
/// let app = Router::new().route("/mine", get(mine)).route("/open", get(open)).with_state(guard);
///
/// let ask = async |path: &str, key: Option<&str>| {
///     let mut request = Request::get(path);
///     if let Some(key) = key {
///         request = request.header("x-api-key", key);
///     }
///     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
/// };
/// assert_eq!(ask("/mine", Some(&secret)).await, StatusCode::OK);
/// assert_eq!(ask("/mine", None).await, StatusCode::UNAUTHORIZED);
/// assert_eq!(ask("/open", None).await, StatusCode::OK);
/// assert_eq!(ask("/open", Some("wrong")).await, StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
///
/// # Rejections
///
/// The response that the HTTP contract names: 400, 401 or 429; see [`Rejection`].
#[derive(Clone)]
pub struct Caller {
    verified: keyward::Caller,
    /// The guard that allowed it; `None` for a caller that is made for a test.
    by: Option<GuardId>,
}

impl Caller {
    /// Wraps a verified key; only [`verify`](keyward::verify()) makes one.
    pub(crate) fn new(verified: keyward::Caller, by: Option<GuardId>) -> Self {
        Self { verified, by }
    }

    /// Asks for a scope inside a handler, where it depends on the request.
    ///
    /// The request has been counted and taken from the limit by then; where the scope is known
    /// beforehand, [`Scoped`] rejects it without taking anything.
    ///
    /// ```
    /// use keyward_axum::{Caller, Rejection, testing};
    ///
    /// fn read(caller: &Caller, section: &str) -> Result<String, Rejection> {
    ///     caller.require(&format!("{section}:read"))?;
    ///     Ok(format!("the {section} for {}", caller.name()))
    /// }
    ///
    /// let caller = testing::caller("weather-bot", &["articles:read"]);
    /// assert_eq!(read(&caller, "articles").unwrap(), "the articles for weather-bot");
    /// assert_eq!(read(&caller, "feeds").unwrap_err().status(), 403);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the 403 response if the key lacks the scope.
    pub fn require(&self, scope: &str) -> Result<(), Rejection> {
        if self.verified.grants(scope) {
            return Ok(());
        }
        Err(Rejection::out_of_scope(scope).private())
    }
}

impl Deref for Caller {
    type Target = keyward::Caller;

    fn deref(&self) -> &Self::Target {
        &self.verified
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.verified).finish()
    }
}

/// Names a scope, and a cost, as a type; see [`Scoped`].
///
/// ```
/// use keyward_axum::{RequiredScope, Scoped};
///
/// struct ReadArticles;
///
/// impl RequiredScope for ReadArticles {
///     const SCOPE: &'static str = "articles:read";
/// }
///
/// /// Runs only for callers whose keys have the scope `articles:read`, `articles:*` or `*`.
/// async fn list(caller: Scoped<ReadArticles>) -> String {
///     format!("articles for {}", caller.name())
/// }
/// ```
pub trait RequiredScope {
    /// The scope, as `resource:action`.
    const SCOPE: &'static str;

    /// How many ordinary requests one counts as for the limits of the key and of its owner; 1
    /// unless it is set. See [`GuardLayer::cost`](crate::layer::GuardLayer::cost).
    ///
    /// ```
    /// use keyward_axum::keyward::limit::Cost;
    /// use keyward_axum::{RequiredScope, Scoped};
    ///
    /// struct ExportArticles;
    ///
    /// impl RequiredScope for ExportArticles {
    ///     const SCOPE: &'static str = "articles:export";
    ///     // Checked when the program is built.
    ///     const COST: Cost = Cost::new(5).unwrap();
    /// }
    ///
    /// async fn export(caller: Scoped<ExportArticles>) -> String {
    ///     format!("all articles for {}", caller.name())
    /// }
    /// ```
    const COST: Cost = Cost::ONE;
}

/// A caller whose key has a scope.
///
/// Inside [`Guard::layer`](crate::Guard::layer) the request has already been verified, counted and
/// taken from the limits, at the cost that the layer names, when the scope is checked here. To
/// reject it before that, name the scope and the cost in the layer, or use extractors alone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, body::Body, routing::get};
/// use http::{Request, StatusCode};
/// use keyward_axum::{RequiredScope, Scoped, testing};
/// use tower::ServiceExt as _;
///
/// struct ReadArticles;
///
/// impl RequiredScope for ReadArticles {
///     const SCOPE: &'static str = "articles:read";
/// }
///
/// async fn list(caller: Scoped<ReadArticles>) -> String {
///     format!("articles for {}", caller.name())
/// }
///
/// let (guard, _clock) = testing::guard().await;
/// let reader = testing::issue_with(&guard, "weather-bot", &["articles:read"]).await;
/// let other = testing::issue(&guard, "other-bot").await;
/// let app = Router::new().route("/articles", get(list)).with_state(guard);
/// for (key, expected) in [(reader, StatusCode::OK), (other, StatusCode::FORBIDDEN)] {
///     let request = Request::get("/articles").header("x-api-key", key).body(Body::empty())?;
///     assert_eq!(app.clone().oneshot(request).await?.status(), expected);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Rejections
///
/// As [`Caller`], and 403 `Insufficient scope`.
pub struct Scoped<S>(Caller, PhantomData<fn() -> S>);

impl<S> Scoped<S> {
    /// The caller itself.
    ///
    /// ```
    /// use keyward_axum::{Caller, RequiredScope, Scoped};
    ///
    /// struct ReadArticles;
    ///
    /// impl RequiredScope for ReadArticles {
    ///     const SCOPE: &'static str = "articles:read";
    /// }
    ///
    /// /// For code that asks for no scope itself.
    /// fn greet(caller: &Caller) -> String {
    ///     format!("Hello, {}!", caller.name())
    /// }
    ///
    /// async fn list(caller: Scoped<ReadArticles>) -> String {
    ///     greet(&caller.into_caller())
    /// }
    /// ```
    #[must_use]
    pub fn into_caller(self) -> Caller {
        self.0
    }
}

impl<S> Deref for Scoped<S> {
    type Target = Caller;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: RequiredScope> fmt::Debug for Scoped<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.0).field(&S::SCOPE).finish()
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Guard: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let caller = authenticate(&Guard::from_ref(state), parts, Required::default())?;
        caller.ok_or_else(|| rejected(parts, Rejection::no_key()))
    }
}

impl<S> OptionalFromRequestParts<S> for Caller
where
    Guard: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response> {
        authenticate(&Guard::from_ref(state), parts, Required::default())
    }
}

impl<R, S> FromRequestParts<S> for Scoped<R>
where
    R: RequiredScope,
    Guard: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let scopes = [R::SCOPE];
        let required = Required { scopes: &scopes, cost: R::COST, ..Required::default() };
        let caller = authenticate(&Guard::from_ref(state), parts, required)?;
        let caller = caller.ok_or_else(|| rejected(parts, Rejection::no_key()))?;
        Ok(Self(caller, PhantomData))
    }
}

fn authenticate(
    guard: &Guard,
    parts: &mut Parts,
    required: Required<'_>,
) -> Result<Option<Caller>, Response> {
    let verified = verify_once(guard, &mut parts.headers, &mut parts.extensions, required);
    let verified = verified.map_err(|rejection| rejected(parts, rejection))?;
    Ok(verified.map(|verified| verified.caller))
}

/// An extractor's rejection in the form that the client reads.
fn rejected(parts: &Parts, rejection: Rejection) -> Response {
    rejection.respond(Form::of(&parts.headers))
}

/// A caller, and the state of its limits if this was the first verification of the request.
pub(crate) struct Verified {
    pub(crate) caller: Caller,
    pub(crate) seen: Seen,
}

/// The caller of this request: as an extractor or a layer found it before, or verified now.
pub(crate) fn verify_once(
    guard: &Guard,
    headers: &mut HeaderMap,
    extensions: &mut Extensions,
    required: Required<'_>,
) -> Result<Option<Verified>, Rejection> {
    // A caller that another guard allowed is unknown here.
    let known = extensions.get::<Caller>().filter(|caller| caller.by == Some(guard.id()));
    if let Some(caller) = known.cloned() {
        required.scopes.iter().try_for_each(|scope| caller.require(scope))?;
        note(extensions, None);
        // The first layer or extractor that looked for a key writes the headers.
        return Ok(Some(Verified { caller, seen: Seen::Now(Some(None)) }));
    }
    let found = guard.authenticate_optional(headers, peer_address(extensions), required);
    let stood = match &found {
        Ok(Some(Authenticated { caller, at })) => {
            let standings = caller.standings();
            standings.shown().map(|_| (standings.clone(), at.unix))
        }
        Ok(None) | Err(_) => None,
    };
    note(extensions, stood.as_ref());
    let caller = found?.map(|found| Caller::new(found.caller, Some(guard.id())));
    if let Some(caller) = &caller {
        extensions.insert(caller.clone());
    }
    Ok(caller.map(|caller| Verified { caller, seen: Seen::Now(Some(stood)) }))
}

/// Tells the layer that finishes the response, if there is one, that a key was looked for.
fn note(extensions: &Extensions, stood: Option<&(Standings, UnixMillis)>) {
    if let Some(Seen::Later(seen)) = extensions.get::<Seen>() {
        // The lock is never contended: it is set by the request and read by its response.
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.take().flatten();
        *seen = Some(stood.cloned().or(before));
    }
}

/// The state of the caller's limits when the request was allowed, for the header fields of its
/// response; `None` without a limit, or without a caller.
type Stood = Option<(Standings, UnixMillis)>;

/// The result of the search for a key, for the layer that finishes the response: `None` if no key
/// was looked for.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The layer looked itself.
    Now(Option<Stood>),
    /// An extractor inside may look for one, and says so here.
    Later(Arc<Mutex<Option<Stood>>>),
}

impl Seen {
    pub(crate) fn later() -> Self {
        Self::Later(Arc::default())
    }

    /// The state of the caller's limits, if a key was looked for.
    pub(crate) fn take(&mut self) -> Option<Stood> {
        match self {
            Self::Now(stood) => stood.take(),
            Self::Later(stood) => stood.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}
