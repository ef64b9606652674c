//! Which key a text belongs to, asked by its digest: the text itself stays where it was found.

use axum::Json;
use axum::extract::{Request, State};
use keyward_api::body::{Known, RequestBody as _};
use keyward_api::key::{IdentifyBody, MatchList};
use keyward_axum::{Guard, Rejection};

use crate::body::read_whole;
use crate::failure::broken;

/// Most bytes of a body: that many digests take 67 000 and may be set out in lines.
const BODY_BYTES_MAX: usize = 128 * 1024;

/// Says which keys the secrets with these digests belong, or belonged, to. A digest is SHA-256 of
/// a secret's text; never send the text.
#[utoipa::path(
    post, path = "/admin/api-keys/identify", tag = "keys", request_body = IdentifyBody,
    responses((status = 200, description = "The keys that are known", body = MatchList)),
)]
pub(crate) async fn identify_keys(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Json<MatchList>, Rejection> {
    let body = read_whole(request.into_body(), BODY_BYTES_MAX).await?;
    // A text that is no digest may be the secret itself.
    let now = guard.now();
    let body = IdentifyBody::read(&body, Known { tiers: &[], now }).map_err(Rejection::masked)?;
    let found = guard.gate().store().find_digests(body.digests.0).await.map_err(broken)?;
    Ok(Json(MatchList::of(&found, now.unix)))
}
