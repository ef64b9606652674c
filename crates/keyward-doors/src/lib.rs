//! Doors: the ways on which services in any language, and proxies in front of them, ask Keyward
//! whether a request is allowed.
//!
//! Each door gets the same decision, and says it in the form that its client understands:
//!
//! | door | for |
//! |---|---|
//! | `POST /verify`, `/verify/batch` | a service in any language |
//! | `/doors/forwarded` | Traefik, Caddy and whatever asks as they do |
//! | `/doors/nginx` | nginx's `auth_request` |
//! | `/doors/haproxy` | HAProxy, by a script in Lua |
//! | `/doors/envoy` | Envoy's external authorization over HTTP |
//! | gRPC `envoy.service.auth.v3.Authorization/Check` | Envoy, Istio, Contour, the Gateway API |
//! | `POST /introspect` | clients of RFC 7662, such as Apache's modules |
//!
//! [`Doors`] makes their routes for any axum app. They belong on a listener of their own: their
//! clients say where a request comes from, and so pass the networks that a key is restricted to.
//! [`DoorOptions`] says who may ask.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::body::{Body, to_bytes};
//! use axum::extract::ConnectInfo;
//! use http::Request;
//! use keyward_axum::testing;
//! use keyward_doors::{DoorOptions, Doors};
//! use tower::ServiceExt as _;
//!
//! let (guard, _clock) = testing::guard().await;
//! let secret = testing::issue(&guard, "weather-bot").await;
//! let app = Doors::new(guard, DoorOptions::default()).routes().into_router();
//!
//! // From this machine, as the options allow by default.
//! let verify = async |key: &str| {
//!     let body = serde_json::json!({ "key": key }).to_string();
//!     let peer = ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 50_000)));
//!     let request = Request::post("/verify").extension(peer).body(Body::from(body)).unwrap();
//!     let response = app.clone().oneshot(request).await.unwrap();
//!     let body = to_bytes(response.into_body(), 65_536).await.unwrap();
//!     serde_json::from_slice::<serde_json::Value>(&body).unwrap()
//! };
//! let verdict = verify(&secret).await;
//! assert_eq!(verdict["verdict"], "allowed");
//! assert_eq!(verdict["key"]["name"], "weather-bot");
//! assert_eq!(verify("wrong").await["verdict"], "unknown");
//! # Ok(())
//! # }
//! ```
//!
//! Each module uses only those above it in this list.

pub mod door_key;

mod needs;

mod asks;

mod in_order;

mod identity;

mod state;

mod asker;

mod verify;

mod forward;

mod nginx;

mod introspect;

mod grpc;

pub mod doors;

pub use door_key::{DoorKey, DoorKeys};
pub use doors::Doors;
pub use state::DoorOptions;
pub use verify::Resource;
