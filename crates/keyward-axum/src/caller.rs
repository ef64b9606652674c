//! The extractors: who is calling, as a parameter of a handler.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::response::Response;
use http::Extensions;
use http::header::HeaderMap;
use http::request::Parts;
use keyward::limit::Cost;
use keyward_http::{Authenticated, Form, Rejection, Required};

use crate::guard::{Guard, GuardId};
use crate::peer::peer_address;
use crate::seen::{Seen, note};

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
        authenticate(&Guard::from_ref(state), parts, Required::default()).await
    }
}

impl<S> OptionalFromRequestParts<S> for Caller
where
    Guard: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response> {
        let (guard, required) = (Guard::from_ref(state), Required::default());
        let Parts { headers, extensions, .. } = parts;
        let verified = verify_if_any(&guard, headers, extensions, required).await;
        let verified = verified.map_err(|rejection| rejected(parts, rejection))?;
        Ok(verified.map(|verified| verified.caller))
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
        Ok(Self(authenticate(&Guard::from_ref(state), parts, required).await?, PhantomData))
    }
}

async fn authenticate(
    guard: &Guard,
    parts: &mut Parts,
    required: Required<'_>,
) -> Result<Caller, Response> {
    let Parts { headers, extensions, .. } = parts;
    let verified = verify_shared_once(guard, headers, extensions, required).await;
    Ok(verified.map_err(|rejection| rejected(parts, rejection))?.caller)
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

/// The caller of this request: as an extractor or a layer found it before, or verified now, by
/// limits that the guard has to itself.
pub(crate) fn verify_once(
    guard: &Guard,
    headers: &mut HeaderMap,
    extensions: &mut Extensions,
    required: Required<'_>,
) -> Result<Verified, Rejection> {
    if let Some(verified) = known(guard, extensions, required) {
        return verified;
    }
    let found = guard.authenticate(headers, peer_address(extensions), required);
    keep(guard, extensions, found)
}

/// As [`verify_once`], by limits that several nodes may share.
pub(crate) async fn verify_shared_once(
    guard: &Guard,
    headers: &mut HeaderMap,
    extensions: &mut Extensions,
    required: Required<'_>,
) -> Result<Verified, Rejection> {
    if let Some(verified) = known(guard, extensions, required) {
        return verified;
    }
    let found = guard.decide(headers, peer_address(extensions), required).await;
    keep(guard, extensions, found)
}

/// As [`verify_shared_once`]; `None` is a request without a key.
pub(crate) async fn verify_if_any(
    guard: &Guard,
    headers: &mut HeaderMap,
    extensions: &mut Extensions,
    required: Required<'_>,
) -> Result<Option<Verified>, Rejection> {
    if let Some(verified) = known(guard, extensions, required) {
        return verified.map(Some);
    }
    let found = guard.decide_optional(headers, peer_address(extensions), required).await;
    match found.transpose() {
        Some(found) => keep(guard, extensions, found).map(Some),
        None => {
            note(extensions, None, None);
            Ok(None)
        }
    }
}

/// The caller that was verified before, unless by another guard, whose callers are unknown here.
fn known(
    guard: &Guard,
    extensions: &Extensions,
    required: Required<'_>,
) -> Option<Result<Verified, Rejection>> {
    let caller = extensions.get::<Caller>().filter(|caller| caller.by == Some(guard.id()))?.clone();
    let scopes = required.scopes.iter().try_for_each(|scope| caller.require(scope));
    Some(scopes.map(|()| {
        note(extensions, None, None);
        // The first layer or extractor that looked for a key writes the headers.
        Verified { caller, seen: Seen::Now(Some(None)) }
    }))
}

/// Keeps the result, for further extractors and for the layer that finishes the response.
fn keep(
    guard: &Guard,
    extensions: &mut Extensions,
    found: Result<Authenticated, Rejection>,
) -> Result<Verified, Rejection> {
    let (stood, decision) = match &found {
        Ok(passed) => {
            let standings = passed.caller.standings();
            let stood = standings.shown().map(|_| (standings.clone(), passed.at.unix));
            (stood, Some(passed.decision))
        }
        Err(rejection) => (None, rejection.decision()),
    };
    note(extensions, stood.as_ref(), decision);
    let caller = Caller::new(found?.caller, Some(guard.id()));
    extensions.insert(caller.clone());
    Ok(Verified { caller, seen: Seen::Now(Some(stood)) })
}
