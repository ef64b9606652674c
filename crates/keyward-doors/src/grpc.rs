//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization/Check`.

mod messages;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use axum::body::Body;
use axum::extract;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use keyward::verify::Purpose;
use keyward_admin::routes::{Access, Routes, route};
use keyward_axum::credentials::X_API_KEY;
use keyward_axum::keyward_http::Form;
use keyward_axum::{Authenticated, Door, Rejection};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tonic::codec::{BufferSettings, Codec};
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::{ProstDecoder, ProstEncoder};

use self::messages::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption,
    HttpRequest, HttpResponse, HttpStatus, OkHttpResponse, RpcStatus,
};
use crate::asker::Asker;
use crate::forward::malformed;
use crate::identity;
use crate::needs::Needs;
use crate::state::State;

/// Most bytes of a request that is asked about: its head, and the operator's words for its route.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of nearly every message; tonic's 8 KiB would be wiped after each.
const MESSAGE_LEN: usize = 1_024;
/// The operator's words for a route.
const SCOPE: &str = "keyward-scope";
const COST: &str = "keyward-cost";

/// The route of Envoy over gRPC.
pub(crate) fn routes() -> Routes<State> {
    Routes::new().add(Access::Door, route!(check).without_description())
}

/// Says whether Envoy may hand a request on.
#[utoipa::path(
    post, path = "/envoy.service.auth.v3.Authorization/Check",
    responses((status = 200, description = "The verdict")),
)]
pub(crate) async fn check(
    extract::State(state): extract::State<State>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let admitted = Asker::admit(&state, &mut parts).map_err(|rejection| unadmitted(&rejection));
    let mut grpc =
        Grpc::new(CheckCodec).apply_max_message_size_config(Some(MESSAGE_BYTES_MAX), None);
    let decide = tower::service_fn(|request: tonic::Request<CheckRequest>| {
        let (state, admitted) = (&state, admitted.as_ref().map_err(Clone::clone));
        async move {
            let decided = decide(state, admitted?, request.into_inner()).await;
            Ok(tonic::Response::new(decided))
        }
    });
    grpc.unary(decide, Request::from_parts(parts, body)).await.map(Body::new)
}

/// The messages of a check, each read and written in a piece of memory of its usual size.
struct CheckCodec;

impl CheckCodec {
    fn buffers() -> BufferSettings {
        BufferSettings::new(MESSAGE_LEN, MESSAGE_LEN)
    }
}

impl Codec for CheckCodec {
    type Encode = CheckResponse;
    type Decode = CheckRequest;
    type Encoder = ProstEncoder<CheckResponse>;
    type Decoder = ProstDecoder<CheckRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(Self::buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(Self::buffers())
    }
}

/// The peer may not ask, which no verdict can say.
fn unadmitted(rejection: &Rejection) -> Status {
    let code = match rejection.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        _ => Code::PermissionDenied,
    };
    Status::new(code, rejection.detail())
}

async fn decide(state: &State, asker: &Asker, request: CheckRequest) -> CheckResponse {
    let attributes = request.attributes.unwrap_or_default();
    let path = path_of(&attributes.context_extensions);
    let from = address_of(&attributes);
    let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
    let mut headers = headers_of(http);
    let judged = match Needs::parse(&path).map_err(|error| malformed(state, error)) {
        Ok(needs) => {
            // Without a peer, there is no address.
            let from = state.guard().trusted_proxies().client_address(&headers, from);
            let (door, purpose) = (Door::Grpc, Purpose::Request);
            state.authenticate_from(door, (&mut headers, from), &needs, purpose).await
        }
        Err(rejection) => Err(rejection),
    };
    asker.note(&judged);
    match judged {
        Ok(allowed) => let_in(state, &allowed),
        Err(rejection) => denied(rejection, Form::of(&headers)),
    }
}

/// The operator's words for a route, as the path of any other door has them. Scopes are separated
/// by spaces.
fn path_of(words: &HashMap<String, String>) -> String {
    let scopes = words.get(SCOPE).into_iter().flat_map(|scopes| scopes.split_ascii_whitespace());
    let mut path: String = scopes.map(|scope| format!("/scope/{scope}")).collect();
    if let Some(cost) = words.get(COST) {
        path.push_str("/cost/");
        path.push_str(cost);
    }
    path
}

/// The address of the peer that Envoy sees.
fn address_of(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes.source.as_ref()?.address.as_ref()?.socket_address.as_ref()?;
    address.address.parse().ok()
}

/// The lines of a request. Lines that Envoy joined are taken apart: a comma in one that presents a
/// key is no part of a key, unless each line came by itself.
fn headers_of(request: HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &[u8]| {
        // HTTP/2 has fields for the request line that no header can have.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    };
    for line in request.header_map.into_iter().flat_map(|map| map.headers) {
        let value = if line.raw_value.is_empty() { line.value.as_bytes() } else { &line.raw_value };
        add(&line.key, value);
    }
    for (name, value) in &request.headers {
        let presents_key = [AUTHORIZATION, X_API_KEY].iter().any(|it| it == name.as_str());
        let commas = if presents_key { usize::MAX } else { 1 };
        value.splitn(commas, ',').for_each(|line| add(name, line.as_bytes()));
    }
    headers
}

fn let_in(state: &State, allowed: &Authenticated) -> CheckResponse {
    let (mut identity, mut limits) = (HeaderMap::new(), HeaderMap::new());
    identity::write(&mut identity, allowed.caller.key());
    state.guard().complete(&mut limits, Some(allowed));
    let response = OkHttpResponse {
        headers: fields(&identity),
        headers_to_remove: [AUTHORIZATION, X_API_KEY].map(|name| name.to_string()).to_vec(),
        response_headers_to_add: fields(&only_limits(limits)),
    };
    CheckResponse {
        status: Some(RpcStatus { code: Code::Ok.into() }),
        dynamic_metadata: Some(metadata(allowed)),
        http_response: Some(HttpResponse::Allowed(response)),
    }
}

/// The fields that report limits: an API says by itself what caches may do with its responses.
fn only_limits(headers: HeaderMap) -> HeaderMap {
    let reports = |name: &HeaderName| name.as_str().contains("ratelimit");
    let fields = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    fields.filter(|(name, _)| reports(name)).collect()
}

/// The fields of the caller that other filters of Envoy, and its access log, may use.
fn metadata(allowed: &Authenticated) -> Struct {
    let key = allowed.caller.key();
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let owner = key.owner().map_or(Value { kind: Some(Kind::NullValue(0)) }, text);
    let id = text(&key.key_id().to_string());
    let fields = [("key_id", id), ("tier", text(key.tier())), ("owner", owner)];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Struct { fields: BTreeMap::from(fields) }
}

fn denied(rejection: Rejection, form: Form) -> CheckResponse {
    let is_unknown = rejection.status() == StatusCode::SERVICE_UNAVAILABLE;
    let response: http::Response<Vec<u8>> = rejection.respond(form);
    let (parts, body) = response.into_parts();
    let response = DeniedHttpResponse {
        status: Some(HttpStatus { code: parts.status.as_u16().into() }),
        headers: fields(&parts.headers),
        body: String::from_utf8(body).unwrap_or_default(),
    };
    let (code, response) = if is_unknown {
        (Code::Unavailable, HttpResponse::Error(response))
    } else {
        (Code::PermissionDenied, HttpResponse::Denied(response))
    };
    let status = Some(RpcStatus { code: code.into() });
    CheckResponse { status, dynamic_metadata: None, http_response: Some(response) }
}

fn fields(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        HeaderValueOption::overwriting(name.as_str(), value.as_bytes())
    };
    headers.iter().map(field).collect()
}

#[cfg(test)]
mod tests;
