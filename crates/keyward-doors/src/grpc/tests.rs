//! Tests of external authorization over gRPC, by frames and messages.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use http_body_util::BodyExt as _;
use keyward_axum::testing;
use keyward_axum::{Guard, GuardOptions};
use prost::Message;
use tower::ServiceExt as _;

use super::messages::{Address, AskedRequest, Peer, RawHeaders, SocketAddress};
use super::*;
use crate::{DoorKey, DoorOptions, Doors};

const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

struct World {
    guard: Guard,
    router: Router,
}

impl World {
    async fn new(options: DoorOptions) -> Self {
        let trusted_proxies =
            keyward_axum::origin::TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let guard_options = GuardOptions { trusted_proxies, ..GuardOptions::default() };
        let (guard, _clock) = testing::guard_with(guard_options).await;
        let router = Doors::new(guard.clone(), options).routes().into_router();
        Self { guard, router }
    }

    /// Sends a message, and returns the response with the code of gRPC.
    async fn send(&self, message: &CheckRequest, door_key: &str) -> (String, CheckResponse) {
        let message = message.encode_to_vec();
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&message);
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
        let request = Request::post(PATH)
            .header("content-type", "application/grpc")
            .header("x-keyward-door", door_key)
            .extension(peer)
            .body(Body::from(frame))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.status, 200);
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or(parts.headers);
        let code = trailers["grpc-status"].to_str().unwrap().to_owned();
        let body = collected.to_bytes();
        let message = CheckResponse::decode(body.get(5..).unwrap_or_default()).unwrap();
        (code, message)
    }

    async fn ask(&self, headers: &[(&str, &str)], words: &[(&str, &str)]) -> HttpResponse {
        let (code, response) = self.send(&asked(headers, words, "192.0.2.1"), "").await;
        assert_eq!(code, "0");
        response.http_response.unwrap()
    }

    /// The status and the body for the client.
    async fn denied(&self, headers: &[(&str, &str)], words: &[(&str, &str)]) -> String {
        let (HttpResponse::Denied(response) | HttpResponse::Error(response)) =
            self.ask(headers, words).await
        else {
            panic!("it was let in");
        };
        format!("{} {}", response.status.unwrap().code, response.body)
    }
}

/// A request with these headers, joined as Envoy joins them, from this address.
fn asked(headers: &[(&str, &str)], words: &[(&str, &str)], from: &str) -> CheckRequest {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let socket_address = Some(SocketAddress { address: from.to_owned() });
    let source = Some(Peer { address: Some(Address { socket_address }) });
    let http = Some(HttpRequest { headers: map(headers), header_map: None });
    let request = Some(AskedRequest { http });
    let context_extensions = map(words);
    CheckRequest { attributes: Some(AttributeContext { source, request, context_extensions }) }
}

fn shown(fields: &[HeaderValueOption]) -> Vec<String> {
    let text = |field: &HeaderValueOption| {
        let header = field.header.as_ref().unwrap();
        assert!(field.append_action == 2 && field.keep_empty_value, "a client's own is replaced");
        format!("{}: {}", header.key, header.value)
    };
    fields.iter().map(text).collect()
}

#[tokio::test]
async fn an_allowed_request_names_the_caller_and_loses_the_key() {
    let world = World::new(DoorOptions::default()).await;
    let secret = testing::issue_with(&world.guard, "weather-bot", &["a:read"]).await;
    let bearer = format!("Bearer {secret}");
    let words = [("keyward-scope", "a:read"), ("keyward-cost", "5")];
    let headers = [("authorization", &*bearer), (":path", "/x?cost=0")];
    let (_, response) = world.send(&asked(&headers, &words, "192.0.2.1"), "").await;
    let Some(HttpResponse::Allowed(allowed)) = response.http_response else { panic!("denied") };
    assert_eq!(
        shown(&allowed.headers),
        [
            "x-keyward-key-id: 1",
            "x-keyward-name: weather-bot",
            "x-keyward-tier: basic",
            "x-keyward-owner: ",
            "x-keyward-scopes: a:read",
        ]
    );
    assert_eq!(allowed.headers_to_remove, ["authorization", "x-api-key"]);
    let limits = shown(&allowed.response_headers_to_add);
    assert!(limits.contains(&"x-ratelimit-remaining: 95".to_owned()), "{limits:?}");
    assert!(limits.iter().all(|field| field.contains("ratelimit")), "{limits:?}");
    let fields = response.dynamic_metadata.unwrap().fields;
    assert_eq!(fields["key_id"].kind, Some(Kind::StringValue("1".to_owned())));
    assert_eq!(fields["owner"].kind, Some(Kind::NullValue(0)));
}

#[tokio::test]
async fn a_denied_request_gets_the_response_for_the_client() {
    let world = World::new(DoorOptions::default()).await;
    let secret = testing::issue(&world.guard, "weather-bot").await;
    let bearer = format!("Bearer {secret}");
    let two = format!("{bearer},{bearer}");
    let check = async |headers: &[(&str, &str)], words: &[(&str, &str)], expected: &str| {
        assert_eq!(world.denied(headers, words).await, expected);
    };
    check(&[], &[], r#"401 {"detail":"Missing Authorization header"}"#).await;
    check(&[("x-api-key", "wrong")], &[], r#"401 {"detail":"Invalid or inactive API key"}"#).await;
    let several = r#"400 {"detail":"More than one API key in the request"}"#;
    check(&[("authorization", &two)], &[], several).await;
    let scope = [("keyward-scope", "b:write")];
    let lacks = r#"403 {"detail":"Insufficient scope"}"#;
    check(&[("authorization", &bearer)], &scope, lacks).await;
    let cost = [("keyward-cost", "101")];
    let costly = r#"403 {"detail":"Request costs more than its limit ever allows"}"#;
    check(&[("authorization", &bearer)], &cost, costly).await;
    for words in [("keyward-cost", "-1"), ("keyward-scope", "nothing")] {
        let rejected = world.ask(&[("authorization", &bearer)], &[words]).await;
        let HttpResponse::Error(response) = rejected else { panic!("{words:?}") };
        assert_eq!(response.status.unwrap().code, 503);
        assert!(shown(&response.headers).contains(&"retry-after: 1".to_owned()));
    }
    let problem = [("accept", "application/problem+json")];
    assert!(world.denied(&problem, &[]).await.contains(r#""type":"about:blank""#));
}

#[tokio::test]
async fn the_address_is_the_peer_of_envoy_or_the_one_that_a_proxy_names() {
    let world = World::new(DoorOptions::default()).await;
    let of = |from: &str, hops: &str| {
        let request = asked(&[("x-forwarded-for", hops)], &[], from);
        let attributes = request.attributes.unwrap();
        let from = address_of(&attributes);
        let headers = headers_of(attributes.request.unwrap().http.unwrap());
        world.guard.trusted_proxies().client_address(&headers, from).map(|it| it.to_string())
    };
    assert_eq!(of("192.0.2.1", "203.0.113.9").as_deref(), Some("192.0.2.1"));
    assert_eq!(of("10.0.0.1", "203.0.113.9,192.0.2.7").as_deref(), Some("192.0.2.7"));
    assert_eq!(of("", "203.0.113.9"), None);
}

#[tokio::test]
async fn lines_that_came_by_themselves_are_not_taken_apart() {
    let line = |value: &str| messages::HeaderValue {
        key: "x-api-key".to_owned(),
        value: String::new(),
        raw_value: value.as_bytes().to_vec(),
    };
    let raw = RawHeaders { headers: vec![line("imported,key")] };
    let headers = headers_of(HttpRequest { header_map: Some(raw), headers: HashMap::new() });
    assert_eq!(headers["x-api-key"], "imported,key");
    let joined = HashMap::from([("x-api-key".to_owned(), "a,b".to_owned())]);
    let headers = headers_of(HttpRequest { header_map: None, headers: joined });
    assert_eq!(headers.get_all("x-api-key").iter().count(), 2);
}

#[tokio::test]
async fn a_peer_that_may_not_ask_gets_a_code_and_no_verdict() {
    let keys = DoorKey::of("edge", "right").unwrap().into();
    let world = World::new(DoorOptions { keys, ..DoorOptions::default() }).await;
    let request = asked(&[], &[], "192.0.2.1");
    let (code, response) = world.send(&request, "wrong").await;
    assert_eq!((&*code, response.http_response), ("16", None));
    let (code, response) = world.send(&request, "right").await;
    assert_eq!((&*code, response.http_response.is_some()), ("0", true));
    let world = World::new(DoorOptions { networks: Vec::new(), ..DoorOptions::default() }).await;
    assert_eq!(world.send(&request, "").await.0, "7");
}

#[tokio::test]
async fn while_memory_may_decide_nothing_no_request_is_let_in() {
    let world = World::new(DoorOptions::default()).await;
    let secret = testing::issue(&world.guard, "weather-bot").await;
    world.guard.gate().index().lease().end();
    let denied = world.denied(&[("x-api-key", &secret)], &[]).await;
    assert_eq!(denied, r#"503 {"detail":"Service Unavailable"}"#);
}
