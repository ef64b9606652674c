//! The tower layers: one that requires a key, and one that finishes responses.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{Request, Response};
use keyward::limit::Cost;
use keyward_http::{Form, RateLimitHeaders, Rejection, Required};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::caller::{verify_once, verify_shared_once};
use crate::guard::Guard;
use crate::seen::Seen;

impl Guard {
    /// A layer that requires a key on every request, for a whole router or any tower service whose
    /// response body is made `From<Bytes>`. Handlers inside it may still take a
    /// [`Caller`](crate::Caller); the request is verified once. It also does everything that
    /// [`Guard::responses`] does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, routing::get};
    /// use http::{Request, StatusCode};
    /// use keyward_axum::testing;
    /// use tower::ServiceExt as _;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// // Each route is guarded, and no handler names a caller.
    /// let app: Router = Router::new().route("/", get(async || "hello")).layer(guard.layer());
    /// for (key, expected) in [(secret, StatusCode::OK), ("no".into(), StatusCode::UNAUTHORIZED)] {
    ///     let request = Request::get("/").header("x-api-key", key).body(Body::empty())?;
    ///     assert_eq!(app.clone().oneshot(request).await?.status(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self) -> GuardLayer {
        GuardLayer { guard: self.clone(), asks: Asks::Key(None, Cost::ONE) }
    }

    /// A layer that lets every request pass and finishes its response: it adds the rate-limit
    /// headers of the caller that was verified in an inner service, and turns rejections into
    /// problem documents for clients that accept them.
    ///
    /// Where a key was looked for, found or not, the response says that it depends on the key
    /// (`Vary: Authorization, X-API-Key`, added to what the handler says) and is for its caller
    /// alone (`Cache-Control: private, no-cache`, unless the handler says something else). A
    /// handler that says `public`, or a lifetime without `private`, lets shared caches respond in
    /// its place for that time. A cache has a copy for each key, but a key that is revoked
    /// meanwhile still gets its copy, and a request that a cache responds to is neither counted nor
    /// limited.
    ///
    /// A layer that responds in a handler's place, such as a timeout or a layer that catches
    /// panics, belongs inside this layer, so that its responses are finished too: add this one
    /// last.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, routing::get};
    /// use http::Request;
    /// use keyward_axum::{Caller, testing};
    /// use tower::ServiceExt as _;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// let mine = async |caller: Caller| caller.name().to_owned();
    /// let app = Router::new().route("/", get(mine)).layer(guard.responses()).with_state(guard);
    ///
    /// let request = Request::get("/").header("x-api-key", secret).body(Body::empty())?;
    /// let response = app.clone().oneshot(request).await?;
    /// assert_eq!(response.headers()["x-ratelimit-remaining"], "99");
    ///
    /// // A rejection comes in the form that the client asks for.
    /// let request = Request::get("/").header("accept", "application/problem+json");
    /// let response = app.oneshot(request.body(Body::empty())?).await?;
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn responses(&self) -> GuardLayer {
        GuardLayer { guard: self.clone(), asks: Asks::Nothing }
    }
}

/// See [`Guard::layer`] and [`Guard::responses`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, Response};
/// use keyward_axum::testing;
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// let (guard, _clock) = testing::guard().await;
/// let secret = testing::issue(&guard, "weather-bot").await;
/// // Any service whose responses can be made of bytes, such as one of hyper or tonic.
/// let greet = async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new("".into()));
/// let service = ServiceBuilder::new().layer(guard.layer()).service(service_fn(greet));
/// let request = |key: &str| Request::get("/").header("x-api-key", key).body(());
/// let response: Response<bytes::Bytes> = service.clone().oneshot(request(&secret)?).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(service.oneshot(request("wrong")?).await?.status(), 401);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
    asks: Asks,
}

#[derive(Clone, Copy, Debug)]
enum Asks {
    Nothing,
    /// A key, with this scope if there is one, at this cost.
    Key(Option<&'static str>, Cost),
}

impl GuardLayer {
    /// Requires a key that has this scope, a `resource:action`. A request without it is rejected
    /// with 403 and takes nothing from the key's limit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, routing::get};
    /// use http::{Request, StatusCode};
    /// use keyward_axum::testing;
    /// use tower::ServiceExt as _;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let reader = testing::issue_with(&guard, "weather-bot", &["articles:read"]).await;
    /// let other = testing::issue(&guard, "other-bot").await;
    /// let reading = guard.layer().scope("articles:read");
    /// let app: Router = Router::new().route("/", get(async || "articles")).layer(reading);
    /// for (key, expected) in [(reader, StatusCode::OK), (other, StatusCode::FORBIDDEN)] {
    ///     let request = Request::get("/").header("x-api-key", key).body(Body::empty())?;
    ///     assert_eq!(app.clone().oneshot(request).await?.status(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn scope(self, scope: &'static str) -> Self {
        Self { asks: Asks::Key(Some(scope), self.cost_asked()), ..self }
    }

    /// Requires a key, and counts each request as so many ordinary ones: it takes that much from
    /// each limit of the key and of its owner, or nothing if one of them has less remaining. A
    /// number up to 65 535 is a cost, and so is a [`Cost`], which goes up to 1 000 000. A request
    /// that costs 0 is allowed where one that costs 1 would be, and takes nothing.
    ///
    /// A cost above the burst of one of the limits can never pass: the response is 403
    /// `Request costs more than its limit ever allows`, without `Retry-After`.
    ///
    /// The cost is taken when a request is first verified: inside this layer, extractors take
    /// nothing more. Usage counts requests, not their costs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::handler::Handler as _;
    /// use axum::{Router, body::Body, routing::get};
    /// use http::{Request, StatusCode};
    /// use keyward_axum::testing;
    /// use tower::ServiceExt as _;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// // Keys of the tier `basic` have 100 requests a minute.
    /// let export = (async || "all articles").layer(guard.layer().cost(60));
    /// let routes: Router = Router::new().route("/export", get(export));
    /// for expected in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
    ///     let request = Request::get("/export").header("x-api-key", &secret).body(Body::empty())?;
    ///     assert_eq!(routes.clone().oneshot(request).await?.status(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cost(self, cost: impl Into<Cost>) -> Self {
        let scope = match self.asks {
            Asks::Nothing => None,
            Asks::Key(scope, _) => scope,
        };
        Self { asks: Asks::Key(scope, cost.into()), ..self }
    }

    fn cost_asked(&self) -> Cost {
        match self.asks {
            Asks::Nothing => Cost::ONE,
            Asks::Key(_, cost) => cost,
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, layer: self.clone() }
    }
}

/// The service that [`GuardLayer`] makes of another.
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let form = Form::of(&parts.headers);
        let seen = match self.layer.asks {
            Asks::Nothing => {
                let seen = Seen::later();
                parts.extensions.insert(seen.clone());
                seen
            }
            Asks::Key(scope, cost) if self.layer.guard.gate().shares_limits() => {
                let judged = judged(self.layer.guard.clone(), parts, (scope, cost));
                // The clone takes the place of the one that is ready.
                let next = self.inner.clone();
                let ready = Some((mem::replace(&mut self.inner, next), body));
                let told = self.layer.guard.rate_limit_headers();
                return ResponseFuture {
                    decision: Decision::Waiting { judged, ready, form, told },
                };
            }
            Asks::Key(scope, cost) => {
                let guard = &self.layer.guard;
                let required = Required { scopes: scope.as_slice(), cost, ..Required::default() };
                match verify_once(guard, &mut parts.headers, &mut parts.extensions, required) {
                    Ok(verified) => verified.seen,
                    Err(rejection) => return ResponseFuture::rejected(rejection, form),
                }
            }
        };
        let inner = self.inner.call(Request::from_parts(parts, body));
        let told = self.layer.guard.rate_limit_headers();
        ResponseFuture { decision: Decision::Passed { inner, seen, form, told } }
    }
}

/// A request that may wait for the store: its head, and the finding about its key.
type Judged = Pin<Box<dyn Future<Output = (Parts, Result<Seen, Rejection>)> + Send>>;

/// Decides about a request whose limits several nodes share.
fn judged(guard: Guard, mut parts: Parts, (scope, cost): (Option<&'static str>, Cost)) -> Judged {
    Box::pin(async move {
        let required = Required { scopes: scope.as_slice(), cost, ..Required::default() };
        let Parts { headers, extensions, .. } = &mut parts;
        let verified = verify_shared_once(&guard, headers, extensions, required).await;
        (parts, verified.map(|verified| verified.seen))
    })
}

pin_project! {
    /// The future of the response of a [`GuardService`].
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        decision: Decision<S, B>,
    }
}

pin_project! {
    #[project = DecisionProjection]
    enum Decision<S, B>
    where
        S: Service<Request<B>>,
    {
        Rejected { rejection: Option<Box<Rejection>>, form: Form },
        /// The inner service is ready, and has the rest of the request to come.
        Waiting { judged: Judged, ready: Option<(S, B)>, form: Form, told: RateLimitHeaders },
        Passed { #[pin] inner: S::Future, seen: Seen, form: Form, told: RateLimitHeaders },
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    fn rejected(rejection: Rejection, form: Form) -> Self {
        Self { decision: Decision::Rejected { rejection: Some(Box::new(rejection)), form } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        const ENDED: &str = "a future is not polled after it was ready";
        let mut decision = self.project().decision;
        loop {
            let passed = match decision.as_mut().project() {
                DecisionProjection::Rejected { rejection, form } => {
                    let rejection = rejection.take().expect(ENDED);
                    return Poll::Ready(Ok(rejection.respond(*form)));
                }
                DecisionProjection::Waiting { judged, ready, form, told } => {
                    let (parts, seen) = ready!(judged.as_mut().poll(context));
                    let (mut inner, body) = ready.take().expect(ENDED);
                    match seen {
                        Err(rejection) => return Poll::Ready(Ok(rejection.respond(*form))),
                        Ok(seen) => {
                            let inner = inner.call(Request::from_parts(parts, body));
                            Decision::Passed { inner, seen, form: *form, told: *told }
                        }
                    }
                }
                DecisionProjection::Passed { inner, seen, form, told } => {
                    let response = ready!(inner.poll(context));
                    return Poll::Ready(
                        response.map(|response| finish(response, seen, *form, *told)),
                    );
                }
            };
            decision.set(passed);
        }
    }
}

fn finish<R: From<Bytes>>(
    mut response: Response<R>,
    seen: &mut Seen,
    form: Form,
    told: RateLimitHeaders,
) -> Response<R> {
    if form == Form::Problem
        && let Some(rejection) = Rejection::taken_from(response.extensions_mut())
    {
        let mut problem = rejection.respond(form);
        // Headers that a router or a layer added to the plain response are kept, such as `allow`.
        let mut headers = mem::take(response.headers_mut());
        headers.remove(CONTENT_LENGTH);
        if let Some(media_type) = problem.headers_mut().remove(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, media_type);
        }
        *problem.headers_mut() = headers;
        response = problem;
    }
    if let Some(stood) = seen.take() {
        let stood = stood.as_ref().map(|(standings, at)| (standings, *at));
        told.complete(response.headers_mut(), stood);
    }
    response
}
