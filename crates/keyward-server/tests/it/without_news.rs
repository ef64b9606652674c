//! The program without the feature `news`: it has no articles, and loses none.

use std::process::Command;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::server::Server;

/// The tables of articles, as the program with the feature makes them, and an article.
const ARTICLES: [&str; 3] = [
    include_str!("../../../keyward-news/migrations/0001_articles.sql"),
    include_str!("../../../keyward-news/migrations/0002_feeds.sql"),
    "CREATE TABLE news_migrations (number INTEGER PRIMARY KEY, applied_at_ms INTEGER NOT NULL) STRICT;
     INSERT INTO news_migrations VALUES (1, 1), (2, 1);
     INSERT INTO articles (source, identity, title, url, description, category, published_at_ms)
     VALUES ('s', 'i', 't', 'https://a.example/1', '', '', 1);",
];

#[test]
fn there_is_no_route_and_no_command_for_articles() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("caller");
    let unknown = r#"404 {"detail":"Not Found"}"#;
    assert_eq!(server.get("/articles", &secret).brief(), unknown);
    assert_eq!(server.admin("POST", "/admin/articles", r#"{"articles":[]}"#).brief(), unknown);
    let document = server.send("GET", "/openapi.json", &[], "").body;
    for gone in ["/articles", "\"Article\"", "\"articles\""] {
        assert!(!document.contains(gone), "{gone}");
    }
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_keyward")).env_clear().args(words).output().unwrap()
    };
    assert_eq!(run(&["articles", "import", "a.xml"]).status.code(), Some(2));
    let help = String::from_utf8(run(&["help"]).stdout).unwrap();
    assert!(help.contains("serve") && !help.contains("articles"), "{help}");
}

#[test]
fn articles_in_the_database_are_kept() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("caller");
    assert!(server.stop().0.success());
    let path = folder.path().join("keyward.db");
    let database = Connection::open(&path).unwrap();
    ARTICLES.iter().for_each(|sql| database.execute_batch(sql).unwrap());
    drop(database);

    let server = Server::start(folder.path());
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    assert!(server.stop().0.success());
    let database = Connection::open(&path).unwrap();
    let count = "SELECT (SELECT count(*) FROM articles), (SELECT max(number) FROM news_migrations)";
    let found = database.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(found, Ok((1, 2)));
}
