//! `POST /verify`: verdicts for a service in any language.

use std::pin::pin;

use axum::extract;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use keyward_admin::routes::{Access, Routes, route};
use keyward_api::body::{Known, RequestBody as _};
use keyward_api::verify::{VerdictView, VerdictWord, VerdictsView, VerifyBatchBody, VerifyBody};
use keyward_axum::{Authenticated, Door, Rejection, Required, TICKET_PATIENCE};
use serde::Serialize;
use tokio::sync::watch;

use crate::asker::Asker;
use crate::asks::Parts;
use crate::in_order::in_order;
use crate::state::State;

/// Most bytes of the body of one request: its fields at their longest are 3 kB.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of nearly every verdict.
const VERDICT_LEN: usize = 1_024;
/// Requests of a batch that are judged together: where several nodes share limits, the store
/// decides about these in one piece.
const PIECE_LEN: usize = 20;
/// Most bytes of a batch.
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// The route that a service asks for, as it names it: among the extensions of the response to
/// `POST /verify`, for a log or a trace. It may hold anything, a key by mistake too.
///
/// ```
/// use axum::response::Response;
/// use keyward_doors::Resource;
///
/// /// What a layer in front of the doors logs.
/// fn resource(response: &Response) -> Option<&str> {
///     response.extensions().get::<Resource>().map(|resource| resource.0.as_str())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Resource(pub String);

/// The routes of verdicts.
pub(crate) fn routes() -> Routes<State> {
    Routes::new().add(Access::Door, route!(verify)).add(Access::Door, route!(verify_batch))
}

/// Says whether a request is allowed, with all that the response to its client needs.
///
/// It takes the cost of the request from the limits, and counts it. Every verdict is a 200; a
/// rejection is none, and a client has to reject the request then, with 503.
#[utoipa::path(
    post, path = "/verify", tag = "doors", request_body = VerifyBody,
    responses((status = 200, description = "The verdict", body = VerdictView<'_>)),
)]
pub(crate) async fn verify(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Response, Rejection> {
    let body = keyward_admin::read_whole(request.into_body(), BODY_BYTES_MAX).await?;
    // A key may be in any place by mistake, so that no input is sent back.
    let body = VerifyBody::read_fast(&body, || known(&state)).map_err(Rejection::masked)?;
    let judged = Judged::of(&state, &asker, &body, patience).await?;
    let mut response = json(&judged.view())?;
    if let Some(resource) = body.resource {
        response.extensions_mut().insert(Resource(resource.0));
    }
    Ok(response)
}

/// Says of each of several requests whether it is allowed.
///
/// They are decided in their order, each by itself. If one is malformed, the whole batch is
/// rejected, and nothing is taken.
#[utoipa::path(
    post, path = "/verify/batch", tag = "doors", request_body = VerifyBatchBody,
    responses((status = 200, description = "The verdicts", body = VerdictsView<'_>)),
)]
pub(crate) async fn verify_batch(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Response, Rejection> {
    let body = keyward_admin::read_whole(request.into_body(), BATCH_BYTES_MAX).await?;
    let body = VerifyBatchBody::read(&body, known(&state)).map_err(Rejection::masked)?;
    let judged = judge_all(&state, &asker, &body.requests.0).await?;
    json(&VerdictsView { results: judged.iter().filter_map(Judged::view).collect() })
}

/// Judges the requests of a batch, in pieces.
async fn judge_all(
    state: &State,
    asker: &Asker,
    requests: &[VerifyBody],
) -> Result<Vec<Judged>, Rejection> {
    let mut all = Vec::with_capacity(requests.len());
    for piece in requests.chunks(PIECE_LEN) {
        // The requests of a piece wait together.
        let (end, ended) = watch::channel(false);
        let patience = || {
            let mut ended = ended.clone();
            // An error is that the piece has ended.
            async move { drop(ended.wait_for(|ended| *ended).await) }
        };
        let judged = piece.iter().map(|body| Judged::of(state, asker, body, patience));
        let mut judged = pin!(in_order(judged));
        tokio::select! {
            biased;
            judged = &mut judged => {
                all.extend(judged);
                continue;
            }
            () = self::patience() => {}
        }
        end.send_replace(true);
        all.extend(judged.await);
    }
    all.into_iter().collect()
}

fn known(state: &State) -> Known<'static> {
    Known { tiers: &[], now: state.guard().now() }
}

/// A decision; a rejection is a verdict too.
struct Judged {
    decided: Result<Authenticated, Rejection>,
    /// The header fields of the response to a client who is allowed.
    headers: HeaderMap,
}

impl Judged {
    async fn of<F: Future<Output = ()>>(
        state: &State,
        asker: &Asker,
        body: &VerifyBody,
        patience: impl FnOnce() -> F,
    ) -> Result<Self, Rejection> {
        let text = body.key.0.as_str();
        let scopes: Vec<&str> = body.scopes.0.iter().map(|scope| scope.0.as_str()).collect();
        let (cost, from) = (body.cost.0, body.address.map(|address| address.0));
        let door = Door::Verify;
        let ask = body.request_id.as_ref().map(|id| {
            let (id, asker, presented) = (id.as_str(), asker.name.as_deref(), &[text.as_bytes()]);
            state.ask(&Parts { door, asker, presented, id, cost })
        });
        let judge = |purpose| {
            let required = Required { scopes: &scopes, cost, door, purpose };
            state.guard().authenticate_text_shared(text, from, required, patience)
        };
        let decided = state.once(ask, judge).await;
        asker.note(&decided);
        let decided = match decided {
            Err(rejection) if VerdictWord::of_rejection(&rejection).is_none() => {
                return Err(rejection);
            }
            decided => decided,
        };
        let mut headers = HeaderMap::new();
        if let Ok(allowed) = &decided {
            state.guard().complete(&mut headers, Some(allowed));
        }
        Ok(Self { decided, headers })
    }

    fn view(&self) -> Option<VerdictView<'_>> {
        match &self.decided {
            Ok(allowed) => Some(VerdictView::allowed(allowed, &self.headers)),
            Err(rejection) => VerdictView::denied(rejection),
        }
    }
}

/// Waits as long as a request waits for the store.
async fn patience() {
    tokio::time::sleep(TICKET_PATIENCE).await;
}

fn json(body: &impl Serialize) -> Result<Response, Rejection> {
    let mut json = Vec::with_capacity(VERDICT_LEN);
    // Nothing that is written to memory fails.
    serde_json::to_writer(&mut json, body).map_err(|_| Rejection::unavailable())?;
    let media_type = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, media_type)], json).into_response())
}
