//! Credentials never reach a trace, even if all headers are traced.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use keyward_axum::keyward::Asked;
use keyward_axum::{Caller, testing};
use tower::ServiceExt as _;
use tower_http::trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer};
use tracing::Level;

use crate::App;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn at_the_level_of_trace_no_secret_is_written() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _scope = tracing::subscriber::set_default(subscriber);

    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let id = guard.verify(&Asked::of(&secret)).unwrap().key_id();
    let handler = async |caller: Caller, headers: http::HeaderMap| {
        tracing::trace!(?caller, ?headers, "Handling");
    };
    // The layer is the outermost one, so that the keys are hidden before any other layer sees them.
    let router = Router::new()
        .route("/", get(handler))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::TRACE).include_headers(true))
                .on_request(DefaultOnRequest::new().level(Level::TRACE))
                .on_response(DefaultOnResponse::new().level(Level::TRACE).include_headers(true)),
        )
        .layer(guard.layer())
        .with_state(App { guard: guard.clone() });
    let requests = [("authorization", format!("Bearer {secret}")), ("x-api-key", secret.clone())];
    for (name, value) in &requests {
        let request = Request::get("/").header(*name, value).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert!(guard.revoke(id, None, guard.program()).await.unwrap());
    tracing::trace!(?guard, "After");

    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("weather-bot"), "the trace is empty, so it shows nothing");
    // Not even the part after the hint, which a masked format might show.
    assert!(!text.contains(&secret[7..]), "a secret was traced");
}
