//! `keyward export` and `keyward backup`.

use super::*;

/// A key of an export.
fn exported(id: u64, tier: &str) -> Value {
    let at = "2026-11-24T09:30:00.000Z";
    let secret =
        json!({"digest": digest(id), "hint": "kw_abcd", "created_at": at, "ends_at": null});
    json!({"key_id": id, "name": "k", "tier": tier, "owner": null, "scopes": [], "networks": [],
        "limits": null, "metadata": {}, "state": "active", "created_at": at, "secrets": [secret]})
}

/// Two pages, of which the first has the tiers and owners that keys need.
fn export(request: &Request) -> Vec<u8> {
    let key = |id: u64| exported(id, "basic");
    match request.line.as_str() {
        "GET /admin/export?after=0&limit=500" => ok(&json!({
            "tiers": [{"name": "basic", "limits": []}],
            "suspended_owners": ["acme"],
            "owner_limits": [{"owner": "acme", "limits": []}],
            "keys": [key(1), key(2)],
            "next_after": 2,
        })),
        "GET /admin/export?after=2&limit=500" => ok(&json!({
            "owner_limits": [{"owner": "acme", "limits": []}, {"owner": "globex", "limits": []}],
            "keys": [key(5)],
            "next_after": null,
        })),
        "GET /admin/owners/acme" | "GET /admin/owners/globex" => {
            let state = json!({"owner": "x", "state": "active", "keys": 1, "limits": []});
            ok(&state)
        }
        "GET /admin/tiers" => {
            ok(&json!({"count": 1, "tiers": [{"name": "basic", "limits": [], "keys": 1}]}))
        }
        "POST /admin/owners/acme/suspend" => ok(&json!({})),
        _ => import(request),
    }
}

#[test]
fn an_import_reads_an_export() {
    let desk = Desk::new();
    let server = Server::start(export);
    let output = keyward(&server.url, &["export"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    insta::assert_snapshot!(desk.story(&server.url, &output));

    let file = desk.write("keys.jsonl", &text);
    let story = desk.run(&server, &["import", &file]);
    assert!(story.ends_with("\n3      0        0\nexit status 0"), "{story}");
    let ids: Vec<_> = server.keys().iter().map(|key| key["key_id"].clone()).collect();
    assert_eq!(ids, [1, 2, 5]);
}

#[test]
fn an_exported_file_is_its_owners_and_whole() {
    let desk = Desk::new();
    let server = Server::start(export);
    let file = desk.text("keys.jsonl");
    insta::assert_snapshot!(desk.run(&server, &["export", "--output", &file]));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 7);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = desk.run(&server, &["export", "--output", &file]);
    assert!(again.contains("DIR/keys.jsonl is there already; give --force"), "{again}");
    let output = keyward(&server.url, &["export", "--output", &file, "--force", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, json!({"file": file, "keys": 3}));
    let streamed = keyward(&server.url, &["export", "--json"]);
    assert_eq!(streamed.stdout, std::fs::read(&file).unwrap());
}

#[test]
fn an_export_that_breaks_leaves_no_file() {
    let desk = Desk::new();
    let server = Server::start(|request| match request.line.as_str() {
        "GET /admin/export?after=2&limit=500" => Vec::new(),
        _ => export(request),
    });
    let file = desk.text("keys.jsonl");
    let story = desk.run(&server, &["export", "--output", &file]);
    assert!(story.ends_with("exit status 3"), "{story}");
    assert_eq!(std::fs::read_dir(desk.directory.path()).unwrap().count(), 0);
}

#[test]
fn a_tier_that_is_made_during_an_export_precedes_its_keys() {
    let server = Server::start(|request| {
        let basic = json!({"name": "basic", "limits": [], "keys": 1});
        match request.line.as_str() {
            "GET /admin/export?after=0&limit=500" => {
                let tiers = json!([basic]);
                ok(&json!({"tiers": tiers, "keys": [exported(1, "basic")], "next_after": 1}))
            }
            "GET /admin/export?after=1&limit=500" => {
                let keys = [exported(2, "basic"), exported(3, "late")];
                ok(&json!({"keys": keys, "next_after": 3}))
            }
            "GET /admin/tiers" => {
                let late = json!({"name": "late", "limits": [], "keys": 1});
                ok(&json!({"count": 2, "tiers": [basic, late]}))
            }
            _ => ok(&json!({"keys": [exported(4, "late")], "next_after": null})),
        }
    });
    let output = keyward(&server.url, &["export"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = |line: Value| match line.get("key_id") {
        Some(id) => id.to_string(),
        None => line["tier"]["name"].as_str().unwrap().to_owned(),
    };
    assert_eq!(lines.map(told).collect::<Vec<_>>(), ["basic", "1", "late", "2", "3", "4"]);
    // The tiers are requested only when one is missing.
    let asked = server.lines().iter().filter(|line| *line == "GET /admin/tiers").count();
    assert_eq!(asked, 1);
}

/// The bytes of a database with a table.
fn database() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (7)").unwrap();
    drop(database);
    std::fs::read(path).unwrap()
}

const KIND: &str = "application/vnd.sqlite3";

fn sending(bytes: &[u8], announced: usize, content_type: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {announced}\r\n\
         connection: close\r\n\r\n"
    );
    [head.as_bytes(), bytes].concat()
}

#[test]
fn a_backup_is_the_database_with_advice_on_restoring_it() {
    let desk = Desk::new();
    let server = Server::start(|_| {
        let bytes = database();
        sending(&bytes, bytes.len(), KIND)
    });
    let file = desk.text("backup.db");
    insta::assert_snapshot!(desk.run(&server, &["backup", &file]));
    let copy = rusqlite::Connection::open(&file).unwrap();
    let value: i64 = copy.query_row("SELECT b FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!(value, 7);
    assert_eq!(server.lines(), ["GET /admin/backup"]);

    let again = desk.run(&server, &["backup", &file]);
    assert!(again.contains("DIR/backup.db is there already; give --force"), "{again}");
    assert!(again.ends_with("exit status 1"), "{again}");
    assert_eq!(server.lines().len(), 1);
    let forced = keyward(&server.url, &["backup", &file, "--force", "--json"]);
    let told: Value = serde_json::from_slice(&forced.stdout).unwrap();
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert_eq!(told, json!({"file": file, "bytes": bytes}));
}

#[test]
fn a_backup_that_is_not_whole_leaves_no_file() {
    let check = |answer: fn() -> Vec<u8>, told: &str| {
        let desk = Desk::new();
        let server = Server::start(move |_| answer());
        let story = desk.run(&server, &["backup", &desk.text("backup.db")]);
        assert!(story.contains(told), "{story}");
        assert_eq!(std::fs::read_dir(desk.directory.path()).unwrap().count(), 0);
    };
    check(|| sending(&database()[..4_096], 4_096, KIND), "4096 of 8192 bytes came");
    check(|| sending(&database()[..5_000], 8_192, KIND), "broke before the response came");
    check(|| sending(b"<html>", 6, "text/html"), "is no Keyward server");
    check(|| sending(b"hello", 5, KIND), "is not a SQLite database");
    check(
        || answer("403 Forbidden", "", r#"{"detail":"Invalid admin key"}"#).into_bytes(),
        "Invalid admin key",
    );
}
