//! `POST /verify`: verdicts for a service in any language.

use axum::Json;
use axum::extract;
use axum::extract::Request;
use http::header::HeaderMap;
use keyward_admin::routes::{Access, Routes, route};
use keyward_api::body::{Known, RequestBody};
use keyward_api::verify::{VerdictView, VerdictsView, VerifyBatchBody, VerifyBody};
use keyward_axum::{Door, Rejection, Required};

use crate::asker::Asker;
use crate::state::State;

/// Most bytes of the body of one request: its fields at their longest are 3 kB.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of a batch.
const BATCH_BYTES_MAX: usize = 128 * 1024;

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
    responses((status = 200, description = "The verdict", body = VerdictView)),
)]
pub(crate) async fn verify(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Json<VerdictView>, Rejection> {
    let body: VerifyBody = read(&state, request, BODY_BYTES_MAX).await?;
    verdict(&state, &asker, &body).map(Json)
}

/// Says of each of several requests whether it is allowed.
///
/// They are decided in their order, each by itself. If one is malformed, the whole batch is
/// rejected, and nothing is taken.
#[utoipa::path(
    post, path = "/verify/batch", tag = "doors", request_body = VerifyBatchBody,
    responses((status = 200, description = "The verdicts", body = VerdictsView)),
)]
pub(crate) async fn verify_batch(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Json<VerdictsView>, Rejection> {
    let body: VerifyBatchBody = read(&state, request, BATCH_BYTES_MAX).await?;
    let each = body.requests.0.iter().map(|body| verdict(&state, &asker, body));
    let results = each.collect::<Result<_, _>>()?;
    Ok(Json(VerdictsView { results }))
}

async fn read<T: RequestBody>(
    state: &State,
    request: Request,
    bytes_max: usize,
) -> Result<T, Rejection> {
    let body = keyward_admin::read_whole(request.into_body(), bytes_max).await?;
    let known = Known { tiers: &[], now: state.guard().now() };
    // A key may be in any place by mistake, so that no input is sent back.
    T::read(&body, known).map_err(Rejection::masked)
}

fn verdict(state: &State, asker: &Asker, body: &VerifyBody) -> Result<VerdictView, Rejection> {
    let text = body.key.0.as_str();
    let scopes: Vec<&str> = body.scopes.0.iter().map(|scope| scope.0.as_str()).collect();
    let (cost, from) = (body.cost.0, body.address.map(|address| address.0));
    let id = body.request_id.as_ref().map(|id| id.as_str());
    let from_asker = (Door::Verify, asker.name.as_deref());
    let judged = state.once(from_asker, &[text.as_bytes()], (id, cost), |purpose| {
        let required = Required { scopes: &scopes, cost, door: Door::Verify, purpose };
        state.guard().authenticate_text(text, from, required)
    });
    match judged {
        Ok(allowed) => {
            let mut headers = HeaderMap::new();
            state.guard().complete(&mut headers, Some(&allowed));
            Ok(VerdictView::allowed(&allowed, headers))
        }
        Err(rejection) => VerdictView::denied(rejection, state.guard().clock().now().unix),
    }
}
