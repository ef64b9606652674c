//! The document and the router agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, Request, StatusCode};
use keyward::Gate;
use keyward::details::REASON_CHARS_MAX;
use keyward::key::PREFIX_LEN_MAX;
use keyward::limit::{
    AMOUNT_MAX, LIMIT_LABEL_LEN_MAX, LIMIT_NAME_LEN_MAX, LIMITS_MAX, STANDINGS_MAX,
};
use keyward::network::NETWORKS_MAX;
use keyward::query::NAME_PART_CHARS_MIN;
use keyward::record::{KEY_ID_MAX, NAME_CHARS_MAX, OWNER_LEN_MAX, SCOPE_LEN_MAX, SCOPES_MAX};
use keyward::store::Reports;
use keyward::tier::TIER_NAME_LEN_MAX;
use keyward::transfer::{COPY_ID_MAX, COPY_SECRETS_MAX};
use keyward_admin::routes::Routes;
use keyward_admin::{AdminOptions, Backups, Control};
use keyward_api::key::DIGESTS_MAX;
use keyward_api::shapes::HINT_LEN_MAX;
use keyward_api::transfer::BATCH_KEYS_MAX;
use keyward_api::usage::BUCKETS_MAX;
use keyward_api::{audit, export, key, owner, usage};
use keyward_axum::{Clock as _, Guard, GuardOptions, Pulse, SystemClock};
use keyward_cli::environment::Environment;
use keyward_doors::{DoorOptions, Doors};
use keyward_sqlite::SqliteStore;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::front::document;
use super::routes;
use crate::app::{self, App, Listed, Served};
use crate::edge::Edge;
use crate::health::{Stopping, StoreCheck};
use crate::metrics::Metrics;
#[cfg(feature = "news")]
use crate::news::News;
use crate::own_key::UsageCache;
use crate::settings::{Flags, Settings};

const ADMIN_KEY: &str = "an-admin-key-for-these-tests";

/// The router of the real program, over a database in this folder.
pub(crate) async fn served(folder: &Path, more: &[(&str, &str)]) -> Served {
    let (app, control) = app_in(folder).await;
    app::served(&app, &control, &edge(), &everything_on(folder, more))
}

/// The routes of the real program, over a database in this folder.
pub(crate) async fn listed(folder: &Path, more: &[(&str, &str)]) -> Listed {
    let (app, control) = app_in(folder).await;
    app::listed(&app, &control, &everything_on(folder, more))
}

/// The document of a listener with these routes.
fn described(listed: &Routes) -> Value {
    document(listed.iter().chain(routes().iter()))
}

/// The document of the real program.
async fn whole() -> Value {
    let folder = tempfile::tempdir().unwrap();
    described(&listed(folder.path(), &[]).await.public)
}

/// An edge that has time.
pub(crate) fn edge() -> Edge {
    Edge::new(Duration::from_secs(30), 0)
}

/// The app over a database in this folder, and its control plane.
pub(crate) async fn app_in(folder: &Path) -> (App, Control) {
    let (path, clock) = (folder.join("keyward.db"), SystemClock::start());
    let now = clock.now().unix;
    let store: Arc<SqliteStore> = Arc::new(SqliteStore::open(&path, "a test", now).unwrap());
    #[cfg(feature = "news")]
    let articles = keyward_news::Articles::open(&path, now).unwrap();
    let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
    let guard = Guard::new(gate, clock, GuardOptions::default());
    let backups = Backups::new(Arc::clone(&store) as _, &path);
    let settings = everything_on(folder, &[]);
    let options = AdminOptions { backups: Some(backups), ..settings.admin_options() };
    let (store_check, pulse) = (StoreCheck::default(), Pulse::default());
    let (usage_cache, reports) = (UsageCache::default(), store as Arc<dyn Reports>);
    let control = Control::open(guard.clone(), Arc::clone(&reports), options).await.unwrap();
    let doors = Some(Doors::new(guard.clone(), DoorOptions::default()));
    let app = App {
        doors,
        #[cfg(feature = "news")]
        news: News::new(guard.clone(), articles),
        guard,
        reports,
        stopping: Stopping::default(),
        store_check,
        usage_cache,
        pulse,
        metrics: Metrics::of(Vec::new()),
    };
    let control = app.mount(control);
    (app, control)
}

/// Settings with which every route is served.
fn everything_on(folder: &Path, more: &[(&str, &str)]) -> Settings {
    let variables = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_LEAK_REPORTS", "1"),
        ("KEYWARD_GITHUB_LEAKS", "http://127.0.0.1:1/"),
    ];
    Settings::read(
        &Flags::default(),
        &Environment::of(variables.into_iter().chain(more.iter().copied())).unwrap(),
        folder,
    )
    .unwrap()
}

/// The paths of a router, which only its `Debug` form shows.
fn paths_served(router: &app::Front) -> BTreeSet<String> {
    let text = format!("{router:?}");
    // The fallback for unknown paths is a router of its own, with these two.
    let text = text.replacen("\"/\"", "", 1).replace("\"/{*__private__axum_fallback}\"", "");
    let pieces = text.split("RouteId(").filter_map(|piece| piece.split_once("): \""));
    pieces.filter_map(|(_, rest)| rest.split('"').next().map(str::to_owned)).collect()
}

fn paths_described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |item: &Value| {
        let methods = item.as_object().unwrap().keys();
        methods.map(|method| method.to_uppercase()).collect()
    };
    let paths = document["paths"].as_object().unwrap();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let router = served(folder.path(), &[]).await.public;
    let described = paths_described(&whole().await);
    let served = paths_served(&router);
    assert!(9 < served.len(), "the paths are found: {served:?}");
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), served);
    for (path, mut methods) in described {
        // Where GET is served, HEAD is, too.
        methods.extend(methods.contains("GET").then(|| "HEAD".to_owned()));
        let uri = path.replace(['{', '}'], "");
        let request = Request::builder().method(Method::TRACE).uri(uri);
        let request = request.header("host", "test").header("x-admin-key", ADMIN_KEY);
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1_234)));
        let request = request.extension(peer).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap();
        let allowed: BTreeSet<_> = allowed.split(',').map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[tokio::test]
async fn each_of_two_listeners_describes_what_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let apart = [("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0")];
    let Served { public, control, metrics, doors } = served(folder.path(), &apart).await;
    assert!(metrics.is_none(), "they are on the listener of the control plane");
    let served_at_doors = paths_served(&doors.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let apart = listed(folder.path(), &apart).await;
    let documents = (described(&apart.public), described(&apart.control.unwrap()));
    let paths = |document| paths_described(document).into_keys().collect::<BTreeSet<_>>();
    let (callers, operators) = (paths(&documents.0), paths(&documents.1));
    assert_eq!(callers, paths_served(&public));
    assert_eq!(operators, paths_served(&control.unwrap()));
    let at_doors = paths(&described(&apart.doors.unwrap()));
    // The paths below that of a door are described with it, and OpenAPI cannot describe gRPC.
    let is_its_own = |path: &&String| {
        let is_below = path.starts_with("/doors/") || path.starts_with("/envoy.");
        at_doors.contains(*path) || !is_below
    };
    assert_eq!(at_doors, served_at_doors.iter().filter(is_its_own).cloned().collect());
    let both: Vec<_> = callers.intersection(&operators).map(String::as_str).collect();
    assert_eq!(both, ["/docs", "/docs/{file}", "/healthz", "/openapi.json", "/readyz"]);
    let document = documents.0;
    let names = |place| {
        let names = document["components"][place].as_object().unwrap().keys();
        names.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(names("securitySchemes"), ["key", "key_header"]);
    assert!(names("schemas").contains(&"OwnKey") && !names("schemas").contains(&"KeyView"));
    assert_eq!(names("schemas").contains(&"Article"), cfg!(feature = "news"));
    let tags = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str());
    let mut expected = vec!["caller", "leaks", "articles", "health", "description"];
    expected.retain(|tag| cfg!(feature = "news") || *tag != "articles");
    assert!(tags.flatten().eq(expected));
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        match value {
            Value::Array(list) => list.iter().for_each(|value| check(document, value)),
            Value::Object(members) => members.values().for_each(|value| check(document, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let apart = [("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0")];
    let Listed { public, control, doors, metrics: _ } = listed(folder.path(), &apart).await;
    let (control, doors) = (described(&control.unwrap()), described(&doors.unwrap()));
    for document in [whole().await, described(&public), control, doors] {
        check(&document, &document);
    }
}

#[tokio::test]
async fn bounds_are_those_that_hold() {
    let document = whole().await;
    let schema = |path: &str| {
        let found = document.pointer(&format!("/components/schemas/{path}"));
        found.unwrap_or_else(|| panic!("{path} is not there")).clone()
    };
    let check = |path: &str, bound: u64| assert_eq!(schema(path), json!(bound), "{path}");
    let count = |path: &str, bound: usize| check(path, bound as u64);
    check("KeyNumber/maximum", KEY_ID_MAX);
    check("ImportKey/properties/key_id/maximum", COPY_ID_MAX);
    count("KeyNameText/maxLength", NAME_CHARS_MAX);
    count("NewNameText/maxLength", NAME_CHARS_MAX);
    count("TierText/maxLength", TIER_NAME_LEN_MAX);
    count("OwnerText/maxLength", OWNER_LEN_MAX);
    count("ReasonText/maxLength", REASON_CHARS_MAX);
    count("PrefixText/maxLength", PREFIX_LEN_MAX);
    count("ScopeText/maxLength", SCOPE_LEN_MAX);
    count("LimitNameText/maxLength", LIMIT_NAME_LEN_MAX);
    count("LimitLabelText/maxLength", LIMIT_LABEL_LEN_MAX);
    count("OwnKey/properties/limits/maxItems", STANDINGS_MAX);
    count("SecretBody/properties/hint/maxLength", HINT_LEN_MAX);
    check("Limit/properties/amount/maximum", AMOUNT_MAX.into());
    check("Limit/properties/burst/maximum", u32::MAX.into());
    for body in ["PutTierBody", "TierView", "EditOwnerBody", "OwnerView", "OwnerLimits"] {
        count(&format!("{body}/properties/limits/maxItems"), LIMITS_MAX);
    }
    for body in ["NewKeyBody", "EditKeyBody", "ImportKey", "KeyView", "ExportedKey"] {
        count(&format!("{body}/properties/scopes/maxItems"), SCOPES_MAX);
        count(&format!("{body}/properties/networks/maxItems"), NETWORKS_MAX);
        count(&format!("{body}/properties/limits/maxItems"), LIMITS_MAX);
    }
    count("ImportKey/properties/secrets/maxItems", COPY_SECRETS_MAX);
    count("ExportedKey/properties/secrets/maxItems", COPY_SECRETS_MAX);
    count("IdentifyBody/properties/digests/maxItems", DIGESTS_MAX);
    count("MatchList/properties/matches/maxItems", DIGESTS_MAX);
    count("ImportBody/properties/keys/maxItems", BATCH_KEYS_MAX);
    count("ImportReport/properties/keys/maxItems", BATCH_KEYS_MAX);
    check("KeyList/properties/api_keys/maxItems", key::PAGE_MAX.into());
    check("AuditPageView/properties/entries/maxItems", audit::PAGE_MAX.into());
    check("ExportPage/properties/keys/maxItems", export::PAGE_MAX.into());
    check("OwnerPage/properties/suspended_owners/maxItems", owner::PAGE_MAX.into());
    check("UsageView/properties/hours/maxItems", BUCKETS_MAX.into());
    check("UsageView/properties/days/maxItems", BUCKETS_MAX.into());
}

#[tokio::test]
async fn bounds_of_parameters_are_those_that_hold() {
    let document = whole().await;
    let check = |path: &str, name: &str, bound: &str, expected: u64| {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
        assert_eq!(parameter["schema"][bound], json!(expected), "{path} {name}");
    };
    check("/admin/api-keys", "limit", "maximum", key::PAGE_MAX.into());
    check("/admin/api-keys", "name", "minLength", NAME_PART_CHARS_MIN as u64);
    check("/admin/api-keys", "name", "maxLength", NAME_CHARS_MAX as u64);
    check("/admin/api-keys", "hint", "maxLength", HINT_LEN_MAX as u64);
    check("/admin/audit", "limit", "maximum", audit::PAGE_MAX.into());
    check("/admin/export", "limit", "maximum", export::PAGE_MAX.into());
    check("/admin/export", "after", "maximum", KEY_ID_MAX);
    check("/admin/owners", "limit", "maximum", owner::PAGE_MAX.into());
    check("/admin/usage", "top", "maximum", usage::TOP_MAX.into());
}

#[tokio::test]
async fn each_operation_names_its_audience_and_rejections() {
    let document = whole().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{place} has a sentence");
            assert!(operation["tags"][0].is_string(), "{place} has a tag");
            let statuses = operation["responses"].as_object().unwrap();
            let has = |status: &str| statuses.contains_key(status);
            assert!(has("400") && has("408") && has("500"), "{place}");
            let admin = path.starts_with("/admin/");
            assert_eq!(operation["security"] == json!([{"admin_key":[]},{"person":[]}]), admin);
            assert!(has("403") || operation["security"] == json!([]), "{place}");
            let body = operation.get("requestBody").is_some();
            assert_eq!(has("413"), body || admin, "{place}");
            let parameters = operation.get("parameters").is_some();
            assert_eq!(has("422"), body || parameters || admin, "{place}");
        }
    }
}
