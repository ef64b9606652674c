//! The news API: articles next to keys in one file, and the commands that bring articles in.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use keyward::Gate;
use keyward::audit::Audit;
use keyward::issue::NewKey;
use keyward::store::KeyStore as _;
use keyward_axum::{Clock as _, SystemClock};
use keyward_sqlite::{OpenOptions, SqliteStore};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::cli::{self, answer, body, keyward, story};
use crate::server::Server;

const ARTICLE: &str = r#"{"articles":[{"source":"s","title":"t","url":"https://a.example/1"}]}"#;

/// The number of articles on the first page, for this caller.
fn articles(server: &Server, secret: &str) -> Value {
    let page = server.get("/articles", secret);
    assert_eq!(page.status, 200, "{}", page.body);
    page.json()["count"].clone()
}

/// Issues a key in the file as a program does that knows of no articles.
fn issue_without_news(path: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let now = SystemClock::start().now().unix;
        let options = OpenOptions { holder: "a test", now, after_restore: None, ledger: true };
        let (store, _) = SqliteStore::open_with(path, &options).unwrap();
        let store = Arc::new(store);
        let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
        let key = NewKey::plain("new".parse().unwrap(), "basic".parse().unwrap(), None);
        let issued = gate.issue(key, Audit::program(now)).await.unwrap();
        store.close().await.unwrap();
        issued.secret.expose().to_owned()
    })
}

#[test]
fn articles_outlive_a_program_without_news() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("before");
    assert_eq!(server.admin("POST", "/admin/articles", ARTICLE).status, 200);
    assert!(server.stop().0.success());
    let new = issue_without_news(&folder.path().join("keyward.db"));
    let server = Server::start(folder.path());
    assert_eq!([articles(&server, &secret), articles(&server, &new)], [1, 1]);
}

#[test]
fn a_database_of_a_program_without_news_gets_articles() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keyward.db");
    let secret = issue_without_news(&path);
    let tables =
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%articles%' OR name LIKE 'news%'";
    let count =
        || Connection::open(&path).unwrap().query_row(tables, [], |row| row.get::<_, i64>(0));
    assert_eq!(count(), Ok(0));
    let server = Server::start(folder.path());
    assert_eq!(articles(&server, &secret), 0);
    assert_eq!(server.admin("POST", "/admin/articles", ARTICLE).status, 200);
    assert_eq!(articles(&server, &secret), 1);
}

#[test]
fn an_import_of_articles_needs_the_admin_key() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let wrong = server.send("POST", "/admin/articles", &["x-admin-key: wrong"], "");
    assert_eq!(wrong.brief(), r#"403 {"detail":"Invalid admin key"}"#);
}

#[test]
fn on_callers_routes_the_last_of_equal_parameters_counts() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("a");
    assert_eq!(server.get("/articles?limit=0&limit=1", &secret).status, 200);
    assert_eq!(server.get("/articles?limit=1&limit=0", &secret).status, 422);
}

#[test]
fn a_broken_feed_does_not_stop_the_others() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let rss = "<rss version=\"2.0\"><channel><title>Paper</title><link>https://paper.example/</link>\
               <description>News</description><item><title>One</title>\
               <link>https://paper.example/1</link></item></channel></rss>";
    fs::write(path("broken.xml"), "<html><head>").unwrap();
    fs::write(path("good.xml"), rss).unwrap();
    let counts = answer("200 OK", "", r#"{"added":1,"updated":0,"skipped":0}"#);
    let server = cli::Server::answering(vec![counts]);
    let feeds = [path("broken.xml"), path("absent.xml"), path("good.xml")];
    let output = keyward(&server.url, &["articles", "import", &feeds[0], &feeds[1], &feeds[2]]);

    let story = story(&server.url, &output).replace(directory.path().to_str().unwrap(), "DIR");
    assert!(story.contains("error: DIR/broken.xml:"), "{story}");
    assert!(story.contains("error: DIR/absent.xml: cannot be read: "), "{story}");
    assert!(story.ends_with("exit status 1"), "{story}");
    let total = story.lines().find(|line| line.starts_with("total")).unwrap();
    assert_eq!(total.split_whitespace().collect::<Vec<_>>(), ["total", "1", "0", "0", "0"]);
    let requests = server.requests.join().unwrap();
    assert!(requests[0].contains("https://paper.example/1"), "{requests:?}");
}

/// A site that responds to each request for a feed with this head and body.
fn site(head: &str, body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/feeds/news", listener.local_addr().unwrap());
    let len = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n{head}\r\n");
    let response = [head.as_bytes(), body].concat();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4_096];
        assert_ne!(stream.read(&mut request).unwrap(), 0);
        stream.write_all(&response).unwrap();
    });
    url
}

#[test]
fn a_feed_is_read_as_its_site_sends_it() {
    let rss =
        b"<rss><channel><title>Caf\xc1</title><item><title>One</title><link>one</link></item>\
                <item><title>Nowhere</title><link>mailto:a</link></item></channel></rss>";
    let counts = answer("200 OK", "", r#"{"added":1,"updated":0,"skipped":0}"#);
    let server = cli::Server::answering(vec![counts]);
    let url = site("Content-Type: application/rss+xml; charset=koi8-r\r\n", rss);
    let output = keyward(&server.url, &["articles", "import", "--json", &url]);

    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("line 1: the entry has no link to a page; left out"), "{errors}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["added"], &printed["left_out"]), (&1.into(), &1.into()));
    assert_eq!(printed["feeds"][0]["notes"].as_array().unwrap().len(), 1);
    assert_eq!(output.status.code(), Some(0));
    let sent: Value = serde_json::from_str(body(&server.requests.join().unwrap()[0])).unwrap();
    let article = &sent["articles"][0];
    assert_eq!(article["url"], url.replace("/news", "/one"));
    assert_eq!((&article["source"], &article["feed"]), (&"Cafа".into(), &url.into()));
}

#[test]
fn a_feed_without_an_article_is_a_failure() {
    let server = cli::Server::answering(vec![answer("200 OK", "", r#"{"added":0}"#)]);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("feed.xml");
    fs::write(&path, "<rss><channel><title>A</title><item/></channel></rss>").unwrap();
    let output = keyward(&server.url, &["articles", "import", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn articles_of_the_tutorial_are_imported_by_its_url_or_its_path() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("news.db");
    let database = Connection::open(&path).unwrap();
    let table = "CREATE TABLE articles (id INTEGER PRIMARY KEY, title, url, published_at);\
                 INSERT INTO articles VALUES (1, 'One', 'https://a.example/1', '2025-06-03 10:00:00')";
    database.execute_batch(table).unwrap();
    let path = path.to_str().unwrap();
    for name in [path, &format!("sqlite:///{path}"), &format!("sqlite:{path}")] {
        let counts = answer("200 OK", "", r#"{"added":1,"updated":0,"skipped":0}"#);
        let server = cli::Server::answering(vec![counts]);
        let output = keyward(&server.url, &["articles", "import", name]);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let requests = server.requests.join().unwrap();
        assert!(requests[0].contains("2025-06-03T10:00:00Z"), "{requests:?}");
    }
}
