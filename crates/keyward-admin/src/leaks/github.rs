//! `POST /leaks/github`: findings of GitHub's secret scanning, in the form of its partner
//! programme.
//!
//! See GitHub's page "Secret scanning partner program". The body is signed, and every key that is
//! named in one that GitHub did sign counts as public.

mod public_keys;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{self, FromRef, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use http_body::Body as _;
use keyward::UnixMillis;
use keyward::audit::Actor;
use keyward::digest::Digest;
use keyward::json;
use keyward::key::Presented;
use keyward::store::LeakReport;
use keyward_api::shapes::DigestText;
use keyward_axum::fault::Fault;
use keyward_axum::{Guard, Rejection};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;
use utoipa::ToSchema;

use super::reason::Secrets;
use super::revoke::revoke_leaked;
use crate::body::read_whole;
use crate::failure::broken;
use crate::request_id::RequestId;
use crate::routes::{Access, Routes, route};

use self::public_keys::PublicKeys;

const KEY_IDENTIFIER: HeaderName = HeaderName::from_static("github-public-key-identifier");
const KEY_SIGNATURE: HeaderName = HeaderName::from_static("github-public-key-signature");
/// Most bytes of a body. GitHub sends many matches in one, and does not say how many.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a body that counts as small: some 300 matches. On each of 1 024 connections, the
/// default of `connections_max`, these are 64 MiB.
const SMALL_BYTES_MAX: u64 = 64 * 1024;
/// Most bodies that are not small and are taken at once, since whether a body is GitHub's is
/// unknown until all of it is there: 8 of 8 MiB are 64 MiB. Small ones need not wait for
/// unauthenticated clients that begin to send large ones.
const LARGE_BODIES_MAX: usize = 8;
/// Most matches of a body. If all are real, that is as many revocations, in shared commits.
const MATCHES_MAX: usize = 10_000;

/// The state of reports of GitHub. A clone shares everything.
#[derive(Clone, Debug)]
pub(super) struct GitHub {
    keys: Arc<PublicKeys>,
    /// Each body that is not small has a permit while it is in memory.
    large_bodies: Arc<Semaphore>,
}

#[derive(Clone, FromRef)]
struct State {
    guard: Guard,
    github: GitHub,
}

/// The route of GitHub's reports.
pub(super) fn routes(guard: &Guard, github: &GitHub) -> Routes {
    let state = State { guard: guard.clone(), github: github.clone() };
    Routes::new().add(Access::Open, route!(report_github_leaks)).with_state(&state)
}

impl GitHub {
    /// Believes the keys at this URL.
    pub(super) fn new(url: &Url) -> Self {
        let keys = Arc::new(PublicKeys::at(url));
        Self { keys, large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)) }
    }

    /// Lets a body be read that is small, or else if there are few others.
    fn permit(&self, body: &Body) -> Result<Option<SemaphorePermit<'_>>, Rejection> {
        if body.size_hint().upper().is_some_and(|upper| upper <= SMALL_BYTES_MAX) {
            return Ok(None);
        }
        self.large_bodies.try_acquire().map(Some).map_err(|_| Rejection::unavailable())
    }
}

/// Takes what GitHub's secret scanning found. Each text that is, or was, a key's has the key
/// revoked, and the response says which ones were real.
///
/// A key that could not be revoked makes it 503, so that GitHub sends them again. The server has
/// this only if `github_leaks` is on.
#[utoipa::path(
    post, path = "/leaks/github", tag = "leaks", params(SignatureHeaders),
    request_body = Vec<MatchBody>,
    responses(
        (status = 200, description = "What they were, in their order", body = Vec<Feedback>),
        (status = 403, description = "Invalid signature"),
        (status = 404, description = "Not Found"),
        (status = 503, description = "Service Unavailable"),
    ),
)]
pub(crate) async fn report_github_leaks(
    extract::State(guard): extract::State<Guard>,
    extract::State(github): extract::State<GitHub>,
    request: Request,
) -> Result<Json<Vec<Feedback>>, Rejection> {
    let (parts, body) = request.into_parts();
    let signed = read_signature(&parts.headers).ok_or_else(invalid_signature)?;
    let SignatureHeaders { identifier, signature } = signed;
    let key = github.keys.find(&identifier, guard.clock().now().steady).await;
    let key = key.map_err(|retry_after| Rejection::unavailable().retry_after(retry_after))?;
    let key = key.ok_or_else(invalid_signature)?;
    let _permit = github.permit(&body)?;
    let body = read_whole(body, BODY_BYTES_MAX).await?;
    key.verify(&body, &signature).map_err(|_| invalid_signature())?;

    let matches = read(&body)?;
    let address = guard.client_address(&parts.headers, &parts.extensions);
    let id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
    let secrets = Secrets::of(matches.iter().map(|one| one.token.as_str()));
    let source = Source { address, id, at: guard.clock().now().unix };
    let found: Vec<_> = matches.iter().filter_map(|one| one.leak(&secrets, &source)).collect();
    let real = revoke_leaked(&guard, &found, &Actor::GitHub).await.map_err(broken)?;
    Ok(Json(matches.into_iter().map(|it| Feedback::of(it, &real)).collect()))
}

/// The same for everything that can be wrong with a signature.
fn invalid_signature() -> Rejection {
    Rejection::new(StatusCode::FORBIDDEN, "Invalid signature")
}

/// Which key is said to have signed, and the signature.
fn read_signature(headers: &HeaderMap) -> Option<SignatureHeaders> {
    let only = |name| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
    };
    let identifier = only(KEY_IDENTIFIER)?.to_owned();
    let signature = STANDARD.decode(only(KEY_SIGNATURE)?).ok()?;
    Some(SignatureHeaders { identifier, signature: Signature::from_der(&signature).ok()? })
}

/// Reads the matches. GitHub may add fields; they are ignored.
fn read(body: &[u8]) -> Result<Vec<MatchBody>, Rejection> {
    // The parser's message may quote the body, so only the kind of its error is reported.
    let rejected = |kind, message| {
        Rejection::unprocessable(vec![Fault::new(kind, vec!["body".into()], message)])
    };
    let matches: Vec<MatchBody> = json::from_slice(body).map_err(|error| {
        if error.is_data() {
            rejected("list_type", "Input should be a valid list of matches, with token and type")
        } else {
            rejected("json_invalid", "JSON decode error")
        }
    })?;
    if MATCHES_MAX < matches.len() {
        return Err(rejected("too_long", "List should have at most 10000 items after validation"));
    }
    Ok(matches)
}

/// The headers that sign the body.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct SignatureHeaders {
    /// Which of GitHub's public keys verifies the signature.
    #[param(rename = "Github-Public-Key-Identifier")]
    identifier: String,
    /// ECDSA over P-256 with SHA-256 of the body as it was sent: ASN.1 in DER, in base64.
    #[param(rename = "Github-Public-Key-Signature", value_type = String)]
    signature: Signature,
}

/// Where a message came from, and when.
struct Source {
    address: Option<IpAddr>,
    /// Of the request.
    id: Option<String>,
    at: UnixMillis,
}

/// A text that has the form of a key, and where it was found.
#[derive(Deserialize, ToSchema)]
#[schema(as = GitHubMatch)]
pub(crate) struct MatchBody {
    /// The text.
    token: String,
    /// The name of the form, as it is registered with GitHub.
    #[serde(rename = "type")]
    kind: String,
    /// Where it was found; may be empty.
    url: Option<String>,
    /// In what it was found, such as `commit` or `issue_title`.
    source: Option<String>,
}

impl MatchBody {
    /// The digest to look up, if the text can be a key at all.
    fn leak(&self, secrets: &Secrets<'_>, from: &Source) -> Option<LeakReport> {
        let presented = Presented::parse(&self.token).ok()?;
        let source = self.source.as_deref().filter(|source| !source.is_empty());
        let words = source.map_or_else(
            || "found by GitHub".to_owned(),
            |source| format!("found by GitHub in {source}"),
        );
        let reason = secrets.reason(&words, self.url.as_deref().unwrap_or_default());
        let (digest, request_id) = (Digest::of(presented), from.id.clone());
        Some(LeakReport { digest, reason, address: from.address, request_id, at: from.at })
    }
}

/// What a text was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GitHubFeedback)]
pub(crate) struct Feedback {
    /// SHA-256 of the text.
    #[schema(value_type = DigestText)]
    token_hash: String,
    /// What the match said of its form.
    token_type: String,
    label: Label,
}

/// Whether a text was a key's.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Label {
    /// It is or was a secret of a key, which is revoked.
    TruePositive,
    /// It is none of ours.
    FalsePositive,
}

impl Feedback {
    fn of(it: MatchBody, real: &HashSet<[u8; 32]>) -> Self {
        let hash: [u8; 32] = Sha256::digest(it.token.as_bytes()).into();
        let label = if real.contains(&hash) { Label::TruePositive } else { Label::FalsePositive };
        let token_hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { token_hash, token_type: it.kind, label }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_on_githubs_page_is_one() {
        // As its page has it; the number `s` in it is a byte shorter than most.
        let signature = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/\
                         AO1RtBY66YcAdjxji410VQV4xg==";
        let mut headers = HeaderMap::new();
        assert!(read_signature(&headers).is_none());
        headers.insert(KEY_IDENTIFIER, "bcb5".parse().unwrap());
        assert!(read_signature(&headers).is_none());
        headers.insert(KEY_SIGNATURE, signature.parse().unwrap());
        assert_eq!(read_signature(&headers).unwrap().identifier, "bcb5");
        headers.append(KEY_SIGNATURE, signature.parse().unwrap());
        assert!(read_signature(&headers).is_none());
    }

    #[test]
    fn matches_may_have_more_and_fewer_members() {
        let read = |text: &str| read(text.as_bytes()).map(|matches| matches.len()).ok();
        assert_eq!(read("[]"), Some(0));
        assert_eq!(
            read(r#"[{"token":"t","type":"k","url":"","source":"commit","new":1}]"#),
            Some(1)
        );
        assert_eq!(
            read(r#"[{"token":"t","type":"k"},{"token":"u","type":"k","url":null}]"#),
            Some(2)
        );
        assert_eq!(read(r#"[{"token":"t"}]"#), None);
        assert_eq!(read(r#"{"token":"t","type":"k"}"#), None);
        assert_eq!(read("[{"), None);
    }
}
