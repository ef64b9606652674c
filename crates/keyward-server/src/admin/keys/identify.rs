//! Which key a text belongs to, asked by its digest: the text itself stays where it was found.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{Request, State};
use keyward::UnixMillis;
use keyward::digest::Digest;
use keyward::stored::OwnedKey;
use keyward_axum::fault::Fault;
use keyward_axum::input::{self, Members};
use keyward_axum::{Guard, Refusal};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::view::StageView;
use crate::admin::members::{Place, Read, list, required};
use crate::body::read_whole;
use crate::failure::broken;
use keyward_api::shapes::{DigestText, KeyNameText, KeyNumber, Time};

/// Most digests of one request.
pub(crate) const DIGESTS_MAX: usize = 1_000;
/// Most bytes of a body: that many digests take 67 000 and may be set out in lines.
const BODY_BYTES_MAX: usize = 128 * 1024;

/// Says which keys the secrets with these digests belong, or belonged, to. A digest is SHA-256 of
/// a secret's text; never send the text.
#[utoipa::path(
    post, path = "/admin/api-keys/identify", tag = "keys", request_body = IdentifyBody,
    responses((status = 200, description = "Those that are known", body = MatchList)),
)]
pub(crate) async fn identify_keys(
    State(guard): State<Guard>,
    request: Request,
) -> Result<Json<MatchList>, Refusal> {
    let body = read_whole(request.into_body(), BODY_BYTES_MAX).await?;
    // What does not fit may be the very secret.
    let digests = IdentifyBody::read(&body).map_err(Refusal::masked)?;
    let found = guard.gate().store().find_digests(digests).await.map_err(broken)?;
    let now = guard.now().unix;
    let matched = |(digest, ends_at, key): &(Digest, Option<UnixMillis>, OwnedKey)| Match {
        digest: digest.to_hex(),
        key_id: key.key.id.get(),
        name: key.key.name.as_str().to_owned(),
        state: StageView::of(key.stage(now)),
        secret: if ends_at.is_none() { SecretView::Current } else { SecretView::Former },
        ends_at: ends_at.map(Time),
    };
    Ok(Json(MatchList { matches: found.iter().map(matched).collect() }))
}

/// Digests to look up.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is a description; `read` reads it")]
pub(crate) struct IdentifyBody {
    #[schema(value_type = Vec<DigestText>, min_items = 1, max_items = 1_000)]
    digests: Vec<String>,
}

impl IdentifyBody {
    fn read(body: &[u8]) -> Result<Vec<Digest>, Refusal> {
        let mut members = Members::new(vec!["body".into()], input::json_object(body)?);
        let digests = required(&mut members, "digests", |place, value| {
            let digests = list(place.clone(), value, DIGESTS_MAX, digest)?;
            if digests.is_empty() {
                let message = "List should have at least 1 item after validation, not 0";
                return Err(vec![Fault::new("too_short", place, message)]);
            }
            Ok(digests)
        });
        let faults = members.finish();
        match digests {
            Some(digests) if faults.is_empty() => {
                let mut seen = HashSet::new();
                let first = |digest: &Digest| seen.insert(*digest.as_bytes());
                Ok(digests.into_iter().filter(first).collect())
            }
            _ => Err(Refusal::unprocessable(faults)),
        }
    }
}

fn digest(place: Place, value: Value) -> Read<Digest> {
    let rule = "a digest is SHA-256 as 64 hexadecimal digits; never send the secret itself";
    let digest = match value {
        Value::String(text) => Digest::from_hex(&text),
        _ => None,
    };
    digest.ok_or_else(|| vec![Fault::value_error(place, Value::Null, rule)])
}

/// The secrets that are known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MatchList {
    #[schema(max_items = 1_000)]
    matches: Vec<Match>,
}

/// A secret that is known, and its key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Match {
    #[schema(value_type = DigestText)]
    digest: String,
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: String,
    state: StageView,
    secret: SecretView,
    /// When a former secret stops working, or stopped; `null` for the present one.
    #[schema(required)]
    ends_at: Option<Time>,
}

/// Which of a key's secrets.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SecretView {
    /// Its present one.
    Current,
    /// One that it had before; it works as long as its grace.
    Former,
}
