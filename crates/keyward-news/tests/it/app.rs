//! The app under test: both routes, a guard in memory and articles in a file.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use keyward_axum::{Guard, testing};
use keyward_news::{Articles, IMPORT_BODY_MAX, import_articles, list_articles};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

#[derive(Clone)]
struct State {
    guard: Guard,
    articles: Articles,
}

impl FromRef<State> for Guard {
    fn from_ref(state: &State) -> Self {
        state.guard.clone()
    }
}

impl FromRef<State> for Articles {
    fn from_ref(state: &State) -> Self {
        state.articles.clone()
    }
}

pub(crate) struct App {
    pub(crate) dir: TempDir,
    pub(crate) clock: testing::FakeClock,
    router: Router,
    secret: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl App {
    pub(crate) async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let (guard, clock) = testing::guard().await;
        let secret = testing::issue(&guard, "reader").await;
        let articles = Articles::open(&dir.path().join("k.db"), guard.clock().now().unix).unwrap();
        let import = post(import_articles).layer(DefaultBodyLimit::max(IMPORT_BODY_MAX));
        let router = Router::new().route("/articles", get(list_articles));
        let router = router.route("/admin/articles", import);
        let router = router.with_state(State { guard, articles });
        Self { dir, clock, router, secret }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        // A page a second is within every tier, however many a test reads.
        self.clock.advance(std::time::Duration::from_secs(1));
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", self.secret));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn import(&self, body: impl ToString) -> Answer {
        let request = Request::post("/admin/articles").body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The ids on a page.
    pub(crate) async fn ids(&self, path: &str) -> Vec<i64> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.ids()
    }
}

impl Answer {
    pub(crate) fn ids(&self) -> Vec<i64> {
        let articles = self.body["articles"].as_array().unwrap();
        assert_eq!(self.body["count"], articles.len());
        articles.iter().map(|article| article["id"].as_i64().unwrap()).collect()
    }

    /// Where the next page is.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        let path = link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="next""#));
        Some(path.expect(link).to_owned())
    }
}
