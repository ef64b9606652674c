//! Finding keys: filters, orders, pages, totals.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::{Response, Server};

const KEYS: &str = "/admin/api-keys";

fn list(server: &Server, query: &str) -> Response {
    server.admin("GET", &format!("{KEYS}?{query}"), "")
}

fn ids(response: &Response) -> Vec<u64> {
    assert_eq!(response.status, 200, "{}", response.body);
    let json = response.json();
    let keys = json["api_keys"].as_array().unwrap();
    assert_eq!(json["count"], keys.len());
    keys.iter().map(|key| key["key_id"].as_u64().unwrap()).collect()
}

/// Follows `Link` to the last page.
fn all_ids(server: &Server, query: &str) -> Vec<u64> {
    let mut path = format!("{KEYS}?{query}");
    let mut found = Vec::new();
    loop {
        let page = server.admin("GET", &path, "");
        found.extend(ids(&page));
        let cursor = page.json()["next_cursor"].clone();
        let Some(link) = page.header("link") else {
            assert_eq!(cursor, Value::Null);
            return found;
        };
        assert!(link.contains(cursor.as_str().unwrap()) && link.ends_with("; rel=\"next\""));
        let query = link.strip_prefix("<?").unwrap().split('>').next().unwrap();
        path = format!("{KEYS}?{query}");
    }
}

/// Six keys: names, tiers, owners, states and expiries of all kinds.
fn some_keys(server: &Server) {
    let bodies = [
        r#"{"name":"weather-bot","owner":"org_a","expires_in":"10d"}"#,
        r#"{"name":"Weather station","tier":"pro","owner":"org_a","prefix":"acme"}"#,
        r#"{"name":"news & more","tier":"pro","owner":"org_b","expires_in":"60d"}"#,
        r#"{"name":"äther"}"#,
        r#"{"name":"old","expires_in":"1d"}"#,
        r#"{"name":"weather-bot"}"#,
    ];
    for body in bodies {
        assert_eq!(server.admin("POST", KEYS, body).status, 201);
    }
    server.admin("POST", &format!("{KEYS}/2/suspend"), "");
    server.admin("DELETE", &format!("{KEYS}/3"), "");
    server.admin("PATCH", &format!("{KEYS}/5"), r#"{"expires_at":"2020-01-01T00:00:00Z"}"#);
}

#[test]
fn filters_find_keys_that_fit_all_of_them() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    some_keys(&server);
    let check = |query: &str, expected: &[u64]| {
        assert_eq!(all_ids(&server, query), expected, "{query}");
        assert_eq!(all_ids(&server, &format!("{query}&limit=1")), expected, "{query}");
        let counted = list(&server, &format!("{query}&total=true&limit=1")).json();
        assert_eq!(counted["total"], expected.len(), "{query}");
        assert_eq!(counted["total_is_exact"], true, "{query}");
    };
    check("sort=-created", &[6, 5, 4, 3, 2, 1]);
    check("state=active", &[6, 4, 1]);
    check("state=suspended", &[2]);
    check("state=revoked", &[3]);
    check("state=expired", &[5]);
    check("tier=pro", &[3, 2]);
    check("tier=gold", &[]);
    check("owner=org_a", &[2, 1]);
    check("name=weather", &[6, 2, 1]);
    check("name=WEATHER-b", &[6, 1]);
    check("name=%26+m", &[3]);
    check("name=%C3%A4th", &[4]);
    check("hint=acme_", &[2]);
    check("hint=kw_", &[6, 5, 4, 3, 1]);
    check("expires_within=30d", &[1]);
    check("expires_within=61d&tier=basic", &[1]);
    check("idle_for=1s&created_before=2020-01-01T00:00:00Z", &[]);
    check("created_after=2020-01-01T00:00:00Z&owner=org_b", &[3]);
    check("owner=org_a&state=suspended&tier=pro&name=stat", &[2]);
    assert_eq!(list(&server, "").json().get("total"), None);
}

#[test]
fn lists_have_orders_and_each_goes_both_ways() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    some_keys(&server);
    let (secret, id) = {
        let (id, secret) = server.issue("used");
        (secret, id)
    };
    assert_eq!(server.get("/key", &secret).status, 200);
    // Usage is requested, so that the last use is stored.
    server.admin("GET", "/admin/usage", "");
    assert_eq!(all_ids(&server, "sort=created&limit=2"), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(all_ids(&server, "sort=name&limit=2"), [2, 3, 5, 7, 1, 6, 4]);
    assert_eq!(all_ids(&server, "sort=-name&limit=2"), [4, 6, 1, 7, 5, 3, 2]);
    assert_eq!(all_ids(&server, "sort=-last_used&limit=3").first(), Some(&id));
    assert_eq!(all_ids(&server, "sort=last_used&limit=3").last(), Some(&id));
    assert_eq!(all_ids(&server, "sort=expires&limit=1")[..3], [5, 1, 3]);
    let mut backwards = all_ids(&server, "sort=-expires&limit=2");
    backwards.reverse();
    assert_eq!(backwards, all_ids(&server, "sort=expires"));
}

#[test]
fn the_link_to_the_next_page_keeps_every_filter() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for _ in 0..3 {
        server.admin("POST", KEYS, r#"{"name":"a & b","owner":"org/a&b"}"#);
    }
    let query = "name=a+%26+b&owner=org%2Fa%26b&state=active&created_after=2020-01-01T00:00:00Z\
                 &sort=name&limit=1&total=true";
    let page = list(&server, query);
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let link = page.header("link").unwrap();
    let expected = format!(
        "<?state=active&owner=org%2Fa%26b&name=a+%26+b\
         &created_after=2020-01-01T00%3A00%3A00Z&sort=name&limit=1&total=true&cursor={cursor}>; \
         rel=\"next\""
    );
    assert_eq!(link, expected);
    assert_eq!(all_ids(&server, query), [1, 2, 3]);
}

#[test]
fn older_clients_go_on_with_before() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    some_keys(&server);
    assert_eq!(ids(&list(&server, "before=4&limit=2")), [3, 2]);
    assert_eq!(all_ids(&server, "before=4&limit=2"), [3, 2, 1]);
    assert_eq!(list(&server, "before=4&sort=name").status, 422);
}

#[test]
fn invalid_queries_are_rejected_with_every_fault() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let query = "state=dead&tier=Gold&owner=two+words&name=ab&hint=&expires_within=30&idle_for=0s\
                 &created_after=soon&created_before=2030-01-01&sort=age&limit=0&total=yes\
                 &cursor=zzz&before=0&ownr=x";
    insta::assert_snapshot!(list(&server, query).brief());
    let (_, _) = (server.issue("a"), server.issue("b"));
    let cursor = list(&server, "limit=1").json()["next_cursor"].as_str().unwrap().to_owned();
    let check = |query: String| {
        let response = list(&server, &query);
        assert_eq!(response.json()["detail"][0]["type"], json!("value_error"), "{query}");
    };
    check(format!("sort=name&cursor={cursor}"));
    check(format!("sort=created&cursor={cursor}"));
    check(format!("before=2&cursor={cursor}"));
    check("cursor=".to_owned());
    // A whole secret is no hint, and the response does not repeat it.
    let (_, secret) = server.issue("c");
    let response = list(&server, &format!("hint={secret}"));
    assert!(response.status == 422 && !response.body.contains(&secret[8..]), "{}", response.body);
}
