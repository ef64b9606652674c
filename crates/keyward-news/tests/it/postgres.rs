//! Articles in a PostgreSQL server of these tests; what else is the same is in all other tests.

#[path = "../../../keyward-postgres/tests/it/starter.rs"]
mod starter;

use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use keyward_axum::keyward::UnixMillis;
use keyward_news::{ADDITION, Articles, ArticlesError, NewArticle, feed};
use keyward_postgres::{Migration, OpenOptions, PostgresStore};
use serde_json::json;
use starter::Started;

use crate::app::App;

fn server() -> &'static Started {
    #[expect(clippy::disallowed_types, reason = "a server takes seconds to start")]
    static SHARED: std::sync::OnceLock<Started> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| match Started::start(&["fsync=off", "full_page_writes=off"]) {
        Ok(started) => started,
        Err(reason) => panic!(
            "these tests need a PostgreSQL server of their own: {reason}\nRun \
             `cargo xtask postgres` once, which installs its programs below `target/`."
        ),
    })
}

/// A schema that no other test has.
fn place() -> OpenOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let options = OpenOptions::new(server().url().parse().unwrap());
    OpenOptions { schema: format!("test_{number}"), without_fsync: true, ..options }
}

async fn migrate(place: &OpenOptions, role: Option<&str>) {
    let additions = vec![ADDITION];
    let serve_role = role.map(str::to_owned);
    let migration = Migration { serve_role, additions, ..Migration::default() };
    PostgresStore::migrate_with(place, &migration).await.unwrap();
}

/// Articles with nothing in them.
pub(crate) async fn articles() -> Articles {
    let place = place();
    migrate(&place, None).await;
    Articles::open_in_postgres(&place).await.unwrap()
}

async fn execute(sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(&server().url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

fn one() -> Vec<NewArticle> {
    let text = "<rss><channel><title>News</title><link>https://a.example/</link>\
                <item><title>One</title><link>/1</link></item></channel></rss>";
    let origin = feed::Origin::file("feed");
    feed::read(origin, text.as_bytes(), UnixMillis(1_767_225_600_000)).unwrap().articles
}

#[tokio::test]
async fn the_owner_makes_the_tables_and_another_role_serves() {
    let place = place();
    let error = Articles::open_in_postgres(&place).await.unwrap_err();
    assert!(error.to_string().contains("run `keyward migrate` once"), "{error}");
    let role = format!("reads_{}", place.schema);
    execute(&format!("CREATE ROLE {role} LOGIN")).await;
    migrate(&place, None).await;
    let url = server().url().replace("keyward@", &format!("{role}@"));
    let serving = OpenOptions { address: url.parse().unwrap(), ..place.clone() };
    assert!(Articles::open_in_postgres(&serving).await.is_err());
    migrate(&place, Some(&role)).await;
    let articles = Articles::open_in_postgres(&serving).await.unwrap();
    let imported = articles.import(one(), UnixMillis(1)).await.unwrap();
    assert_eq!(imported.added, 1);
    let news = format!("{}_news", place.schema);
    execute(&format!("INSERT INTO {news}.keyward_migrations (number) VALUES (99)")).await;
    let error = Articles::open_in_postgres(&serving).await.unwrap_err();
    assert!(matches!(error, ArticlesError::Open(_)), "{error}");
}

/// Two nodes bring the same feed at the same time: each article of it is one.
#[tokio::test]
async fn nodes_that_bring_the_same_articles_take_turns() {
    let place = place();
    migrate(&place, None).await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Articles::open_in_postgres(&place).await.unwrap());
    }
    let imports = nodes.iter().map(|node| node.import(one(), UnixMillis(1)));
    let mut added = 0;
    let mut skipped = 0;
    let imports: Vec<_> = imports.map(Box::pin).collect();
    for imported in futures_util::future::join_all(imports).await {
        let imported = imported.unwrap();
        added += imported.added;
        skipped += imported.skipped;
    }
    assert_eq!((added, skipped), (1, 3));
}

/// A connection that breaks is made anew.
#[tokio::test]
async fn a_server_that_was_restarted_is_found_again() {
    let place = place();
    migrate(&place, None).await;
    let role = format!("ends_{}", place.schema);
    execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    let url = server().url().replace("keyward@", &format!("{role}@"));
    let options = OpenOptions { address: url.parse().unwrap(), ..place.clone() };
    let articles = Articles::open_in_postgres(&options).await.unwrap();
    assert_eq!(articles.import(one(), UnixMillis(1)).await.unwrap().added, 1);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ";
    execute(&format!("{end}'{role}'")).await;
    // An import that was under way may fail; one that comes after it does not.
    while articles.import(one(), UnixMillis(1)).await.is_err() {}
}

/// PostgreSQL cannot hold U+0000, and an identity may be longer than what its indexes take.
#[tokio::test]
async fn odd_texts_are_kept() {
    let app = App::of_postgres().await;
    let odd = json!({ "articles": [{
        "title": "a\0b", "url": "https://a.example/1", "source": "s\0", "guid": "g\0"
    }] });
    assert_eq!(app.import(&odd).await.body["added"], 1);
    assert_eq!(app.import(&odd).await.body["skipped"], 1);
    let listed = app.get("/articles").await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.body["articles"][0]["title"], "a\u{fffd}b");
}
