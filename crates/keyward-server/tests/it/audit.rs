//! The audit trail over HTTP: finding entries, and whether alterations show.

use keyward::UnixMillis;
use keyward::audit::{AuditEntry, Chain, ChainDigest, ChainError, ChangeId};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::sample;
use crate::server::Server;

/// Metadata that a careless writer or reader of JSON would alter.
const NASTY: &str = r#"{"z":1.10,"a":[0.1,1e3,1E-7,-0.0,1.7976931348623157e308,5e-324,18446744073709551615,1.2345678901234568e29],"ü\u0000\ud83d\ude00\"\\\/<>&":{"":{"é":[[],{}]}},"text":"\u2028\ttab\u007f"}"#;

/// Every entry, page by page.
fn entries(server: &Server, query: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.admin("GET", &format!("/admin/audit?{query}{after}"), "").json();
        let list = page["entries"].as_array().unwrap();
        assert_eq!(page["count"], list.len());
        entries.extend(list.iter().cloned());
        let Some(next) = page["next_after"].as_u64() else { return entries };
        after = format!("&after={next}");
    }
}

/// An entry, as a client reads it from the response.
fn entry(value: &Value) -> AuditEntry {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let at: Option<jiff::Timestamp> = value["at"].as_str().unwrap().parse().ok();
    // A time after the last valid one, which an alteration can cause, counts as the last number.
    let at = at.map_or(u64::MAX, |at| at.as_millisecond().cast_unsigned());
    let details = &value["details"];
    AuditEntry {
        id: ChangeId(value["id"].as_u64().unwrap()),
        at: UnixMillis(at),
        actor: text("actor").unwrap(),
        address: text("address"),
        verb: text("verb").unwrap(),
        key_id: value["key_id"].as_u64(),
        tier: text("tier"),
        owner: text("owner"),
        request_id: text("request_id"),
        details: (!details.is_null()).then(|| details.to_string()),
        previous: ChainDigest::from_hex(value["previous"].as_str().unwrap()).unwrap(),
        digest: ChainDigest::from_hex(value["digest"].as_str().unwrap()).unwrap(),
    }
}

fn walk(server: &Server) -> Result<u64, ChainError> {
    let mut chain = Chain::default();
    entries(server, "limit=2").iter().try_for_each(|value| chain.follow(&entry(value)))?;
    Ok(chain.entries())
}

/// Six entries about two keys, a tier and an owner.
fn make_changes(server: &Server) {
    let body = format!(r#"{{"name":"one","owner":"acme","metadata":{NASTY}}}"#);
    assert_eq!(server.admin("POST", "/admin/api-keys", &body).status, 201);
    server.issue("two");
    let limits = r#"{"limits":[]}"#;
    assert_eq!(server.admin("PUT", "/admin/tiers/gold", limits).status, 201);
    let body = r#"{"name":"uno","metadata":{"a":1.50,"b":"\ud83d\ude00"}}"#;
    assert_eq!(server.admin("PATCH", "/admin/api-keys/1", body).status, 200);
    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    let reason = "/admin/api-keys/2?reason=found%20%22outside%22";
    assert_eq!(server.admin("DELETE", reason, "").status, 204);
}

#[test]
fn entries_are_found_by_their_subject() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    make_changes(&server);
    let verbs = |query: &str| {
        let found = entries(&server, query);
        found.iter().map(|entry| entry["verb"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["issue", "issue", "put-tier", "edit", "suspend-owner", "revoke"];
    assert_eq!(verbs("limit=4"), all);
    assert_eq!(verbs("order=desc&limit=4"), all.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(verbs("key_id=1"), ["issue", "edit"]);
    assert_eq!(verbs("key_id=2&order=desc&limit=1"), ["revoke", "issue"]);
    assert_eq!(verbs("verb=issue"), ["issue", "issue"]);
    assert_eq!(verbs("actor=admin-key&verb=edit"), ["edit"]);
    assert_eq!(verbs("actor=github"), [""; 0]);
    assert_eq!(verbs("after=4"), ["suspend-owner", "revoke"]);
    assert_eq!(verbs("since=2100-01-01T00:00:00Z"), [""; 0]);
    assert_eq!(verbs("until=2100-01-01T00:00:00Z"), all);
    assert_eq!(verbs("until=2001-01-01T00:00:00Z"), [""; 0]);
    let at = entries(&server, "limit=10")[5]["at"].as_str().unwrap().to_owned();
    assert!(verbs(&format!("since={at}")).contains(&"revoke".to_owned()));
    assert!(!verbs(&format!("until={at}")).contains(&"revoke".to_owned()));
}

#[test]
fn an_entry_has_the_actor_the_address_and_the_states_before_and_after() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    make_changes(&server);
    let admin_key = format!("x-admin-key: {}", crate::server::ADMIN_KEY);
    let headers = [admin_key.as_str(), "x-request-id: mine-7"];
    let edited = server.send("PATCH", "/admin/api-keys/1", &headers, r#"{"owner":null}"#);
    assert_eq!(edited.status, 200, "{}", edited.body);
    let entries = entries(&server, "limit=10");
    let edit = &entries[3]["details"];
    let expected =
        json!({ "name": "one", "metadata": serde_json::from_str::<Value>(NASTY).unwrap() });
    assert_eq!(edit["before"], expected);
    assert_eq!(edit["after"], json!({ "name": "uno", "metadata": { "a": 1.5, "b": "😀" } }));
    let last = &entries[6];
    assert_eq!((&last["actor"], &last["address"]), (&json!("admin-key"), &json!("127.0.0.1")));
    assert_eq!((&last["request_id"], &last["key_id"]), (&json!("mine-7"), &json!(1)));
    assert_eq!(
        last["details"],
        json!({ "before": { "owner": "acme" }, "after": { "owner": null } })
    );
    assert_eq!(entries[5]["details"]["after"]["revoked_reason"], "found \"outside\"");
}

#[test]
fn invalid_queries_of_the_trail_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for query in [
        "after=0",
        "after=x",
        "key_id=0",
        "limit=0",
        "limit=1001",
        "verb=read",
        "order=up",
        "since=yesterday",
        "until=1",
        "actors=x",
    ] {
        assert_eq!(
            server.admin("GET", &format!("/admin/audit?{query}"), "").status,
            422,
            "{query}"
        );
    }
    let many = server.admin("GET", "/admin/audit?order=up&verb=read&x=1", "").json();
    assert_eq!(many["detail"].as_array().unwrap().len(), 3);
}

#[test]
fn a_trail_over_http_is_whole_and_an_edited_or_deleted_entry_shows() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    make_changes(&server);
    let mut key = sample::key("imported", &[], "imported-secret");
    key["metadata"] = serde_json::from_str(NASTY).unwrap();
    sample::add(&server, &[key]);
    assert_eq!(walk(&server), Ok(7));

    let path = folder.path().join("keyward.db");
    let kept = "CREATE TABLE kept AS SELECT at_ms FROM audit WHERE id = 5";
    Connection::open(&path).unwrap().execute_batch(kept).unwrap();
    let tamper = |sql: &str| {
        let file = Connection::open(&path).unwrap();
        assert_eq!(file.execute(sql, []).unwrap(), 1, "{sql}");
    };
    let broken = |edit: &str, undo: &str, expected: ChainError| {
        tamper(edit);
        assert_eq!(walk(&server), Err(expected), "{edit}");
        tamper(undo);
        assert_eq!(walk(&server), Ok(7), "{undo}");
    };
    broken(
        "UPDATE audit SET actor = 'program' WHERE id = 2",
        "UPDATE audit SET actor = 'admin-key' WHERE id = 2",
        ChainError::Altered(ChangeId(2)),
    );
    broken(
        "UPDATE audit SET at_ms = at_ms + 1 WHERE id = 6",
        "UPDATE audit SET at_ms = at_ms - 1 WHERE id = 6",
        ChainError::Altered(ChangeId(6)),
    );
    broken(
        "UPDATE audit SET details = replace(details, 'uno', 'due') WHERE id = 4",
        "UPDATE audit SET details = replace(details, 'due', 'uno') WHERE id = 4",
        ChainError::Altered(ChangeId(4)),
    );
    broken(
        "UPDATE audit SET details = ' ' || details WHERE id = 4",
        "UPDATE audit SET details = trim(details) WHERE id = 4",
        ChainError::Altered(ChangeId(4)),
    );
    broken(
        "UPDATE audit SET details = details || '!' WHERE id = 1",
        "UPDATE audit SET details = rtrim(details, '!') WHERE id = 1",
        ChainError::Altered(ChangeId(1)),
    );
    // The trail can be read with any alteration.
    broken(
        "UPDATE audit SET owner = 'x y', tier = 'A B', key_id = -1, at_ms = -5 WHERE id = 5",
        "UPDATE audit SET owner = 'acme', tier = NULL, key_id = NULL, \
         at_ms = (SELECT at_ms FROM kept) WHERE id = 5",
        ChainError::Altered(ChangeId(5)),
    );
    tamper("DELETE FROM audit WHERE id = 3");
    assert_eq!(walk(&server), Err(ChainError::Unlinked(ChangeId(4))));
}
