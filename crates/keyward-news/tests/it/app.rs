//! The app under test: both routes, a guard in memory and articles in a file. With the feature
//! `postgres` there is another one, whose articles are in PostgreSQL: each request goes to both,
//! and their responses have to be the same.

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
    /// Of the file first.
    sides: Vec<Side>,
}

/// One place of articles, and a key for it.
struct Side {
    router: Router,
    secret: String,
}

impl Side {
    async fn new(guard: &Guard, name: &str, articles: Articles) -> Self {
        let secret = testing::issue(guard, name).await;
        let import = post(import_articles).layer(DefaultBodyLimit::max(IMPORT_BODY_MAX));
        let router = Router::new().route("/articles", get(list_articles));
        let router = router.route("/admin/articles", import);
        let router = router.with_state(State { guard: guard.clone(), articles });
        Self { router, secret }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }
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
        let articles = Articles::open(&dir.path().join("k.db"), guard.clock().now().unix).unwrap();
        let sides = Vec::from([
            Side::new(&guard, "reader", articles).await,
            #[cfg(feature = "postgres")]
            Side::new(&guard, "other reader", crate::postgres::articles().await).await,
        ]);
        Self { dir, clock, sides }
    }

    /// The app of a file alone, for tests that do something to it.
    pub(crate) async fn of_file() -> Self {
        let mut app = Self::open().await;
        app.sides.truncate(1);
        app
    }

    /// The app of PostgreSQL alone.
    #[cfg(feature = "postgres")]
    pub(crate) async fn of_postgres() -> Self {
        let mut app = Self::open().await;
        app.sides.remove(0);
        app
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        // A page a second is within every tier, however many a test reads.
        self.clock.advance(std::time::Duration::from_secs(1));
        let request = |side: &Side| {
            let request = Request::get(path);
            let request = request.header(AUTHORIZATION, format!("Bearer {}", side.secret));
            request.body(Body::empty()).unwrap()
        };
        self.send_each(request).await
    }

    pub(crate) async fn import(&self, body: impl ToString) -> Answer {
        let body = body.to_string();
        let request = |_: &Side| {
            let request = Request::post("/admin/articles");
            request.body(Body::from(body.clone())).unwrap()
        };
        self.send_each(request).await
    }

    /// Sends a request without a body to each side.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let parts = request.into_parts().0;
        self.send_each(|_| Request::from_parts(parts.clone(), Body::empty())).await
    }

    /// Sends a request to each side, whose responses are the same.
    async fn send_each(&self, request: impl Fn(&Side) -> Request<Body>) -> Answer {
        let mut answers = Vec::new();
        for side in &self.sides {
            answers.push(side.send(request(side)).await);
        }
        let first = answers.remove(0);
        for answer in answers {
            assert_eq!(answer.body, first.body);
            assert_eq!((answer.status, &answer.headers), (first.status, &first.headers));
        }
        first
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
