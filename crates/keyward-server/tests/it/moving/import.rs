//! `keyward import`.

use super::*;

fn csv(rows: &[(&str, &str)]) -> String {
    let row = |(at, (name, tier)): (usize, &(&str, &str))| {
        format!("{name},{},{tier}\n", digest(at as u64 + 1))
    };
    let rows: String = rows.iter().enumerate().map(row).collect();
    format!("name,digest,tier\n{rows}")
}

#[test]
fn the_outcome_of_each_line_is_printed() {
    let desk = Desk::new();
    let server = Server::start(import);
    let text = csv(&[("one", "basic"), ("there", ""), ("three", "gold"), ("", "basic")]);
    let file = desk.write("keys.csv", &text);
    insta::assert_snapshot!(desk.run(&server, &["import", &file]));
    assert_eq!(server.lines(), ["POST /admin/import"]);
    let secrets = json!([{"digest": digest(1), "hint": ""}]);
    let expected = json!({"name": "one", "tier": "basic", "state": "active", "secrets": secrets});
    assert_eq!(server.keys()[0], expected);
}

#[test]
fn a_clean_import_ends_with_status_0() {
    let desk = Desk::new();
    let server = Server::start(import);
    let file = desk.write("keys.csv", &csv(&[("one", "basic")]));
    insta::assert_snapshot!(desk.run(&server, &["import", &file]), @r"
    added  skipped  refused
    1      0        0
    exit status 0
    ");
}

#[test]
fn files_of_other_programs_are_read_or_named() {
    let desk = Desk::new();
    let server = Server::start(import);
    let text = csv(&[("one", "basic"), ("two", "NULL")]).replace(',', ";");
    let text = format!("\u{feff}sep=;\n{text}").replace('\n', "\r\n");
    let sheet = desk.write("keys.csv", &text);
    let array = format!("[{{\"name\": \"three\", \"digest\": \"{}\"}},\n]", digest(3));
    let array = desk.write("keys.json", &array);
    for file in [&sheet, &array] {
        let told = desk.run(&server, &["import", file]);
        assert!(told.ends_with("exit status 0"), "{told}");
    }
    let names: Vec<_> = server.keys().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!(server.keys()[1].get("tier"), None);

    let compressed = desk.write("keys.csv.gz", "");
    std::fs::write(&compressed, b"\x1f\x8b\x08\0\0\0\0\0").unwrap();
    let told = desk.run(&server, &["import", &compressed]);
    assert!(told.contains("is compressed with gzip; decompress it, as in `gzip -dc "), "{told}");
    let text = desk.write("broken.json", "[{\"name\": ");
    let told = desk.run(&server, &["import", &text]);
    assert!(told.contains("broken.json: the file is no JSON at line 1"), "{told}");
}

#[test]
fn json_and_the_report_have_every_rejected_line() {
    let desk = Desk::new();
    let server = Server::start(import);
    let rows: Vec<_> = (0..25).map(|_| ("x", "gold")).collect();
    let file = desk.write("keys.csv", &csv(&rows));
    let report = desk.text("refused.jsonl");

    let story = desk.run(&server, &["import", &file, "--report", &report]);
    assert!(story.contains("line 21: there is no tier `gold`\nand 5 more; --report"), "{story}");
    let refused = std::fs::read_to_string(&report).unwrap();
    assert_eq!(refused.lines().count(), 25);
    let first: Value = serde_json::from_str(refused.lines().next().unwrap()).unwrap();
    assert_eq!(first, json!({"line": 2, "reason": "there is no tier `gold`"}));

    let again = desk.run(&server, &["import", &file, "--report", &report]);
    assert!(again.contains("DIR/refused.jsonl is there already; give --force"), "{again}");
    let over = desk.run(&server, &["import", &file, "--report", &file]);
    assert!(over.contains("DIR/keys.csv is there already; give --force"), "{over}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), csv(&rows));
    assert_eq!(server.lines().len(), 1, "no request is sent before the choice is clear");
    let forced = desk.run(&server, &["import", &file, "--report", &report, "--force"]);
    assert!(forced.ends_with("exit status 1") && !forced.contains("already"), "{forced}");

    let output = keyward(&server.url, &["import", &file, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["refusals"].as_array().unwrap().len(), 25);
    assert_eq!(told["refusals"][24], json!({"line": 26, "reason": "there is no tier `gold`"}));
    assert_eq!((&told["refused"], &told["complete"]), (&json!(25), &json!(true)));
}

#[test]
fn a_dry_run_asks_for_one_and_changes_nothing() {
    let desk = Desk::new();
    let server = Server::start(|request| match request.line.as_str() {
        "GET /admin/tiers" => ok(&json!({"count": 0, "tiers": []})),
        _ => import(request),
    });
    let text = format!(
        "{{\"tier\":{{\"name\":\"gold\",\"limits\":[]}}}}\n{{\"suspended_owner\":\"acme\"}}\n\
         {{\"name\":\"a\",\"digest\":\"{}\"}}\n",
        digest(1)
    );
    let file = desk.write("keys.jsonl", &text);
    insta::assert_snapshot!(desk.run(&server, &["import", &file, "--dry-run"]));
    assert_eq!(server.lines(), ["GET /admin/tiers", "POST /admin/import?dry_run=true"]);
}

#[test]
fn tiers_and_suspended_owners_come_before_keys() {
    let desk = Desk::new();
    let server = Server::start(|request| match request.line.as_str() {
        "GET /admin/tiers" => {
            let limits = json!([{"name": "requests", "amount": 1, "per": "60s", "burst": 1}]);
            let basic = json!({"name": "basic", "limits": limits, "keys": 3});
            ok(&json!({"count": 1, "tiers": [basic]}))
        }
        "PUT /admin/tiers/silver" => ok(&json!({"name": "silver"})),
        "POST /admin/owners/a%2Fb/suspend" => ok(&json!({"owner": "a/b", "state": "suspended"})),
        "POST /admin/owners/two%20words/suspend" => {
            let detail = r#"{"detail":[{"loc":["path","owner"],"msg":"no owner"}]}"#;
            answer("422 Unprocessable Entity", "", detail).into_bytes()
        }
        _ => import(request),
    });
    let lines = [
        json!({"tier": {"name": "basic", "limits": []}}),
        json!({"tier": {"name": "silver", "limits": []}}),
        json!({"suspended_owner": "a/b"}),
        json!({"suspended_owner": "two words"}),
        json!({"name": "k", "tier": "silver", "owner": "a/b", "digest": digest(1)}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = desk.write("keys.ndjson", &text);
    insta::assert_snapshot!(desk.run(&server, &["import", &file]));
    assert_eq!(
        server.lines(),
        [
            "GET /admin/tiers",
            "PUT /admin/tiers/silver",
            "POST /admin/owners/a%2Fb/suspend",
            "POST /admin/owners/two%20words/suspend",
            "POST /admin/import",
        ]
    );
}

#[test]
fn owners_get_limits_where_they_have_none() {
    let desk = Desk::new();
    let limit =
        |amount: u32| json!([{"name": "day", "amount": amount, "per": "86400s", "burst": amount}]);
    let owner = move |limits: Value| {
        let body = json!({"owner": "x", "state": "active", "keys": 1, "limits": limits});
        answer("200 OK", "etag: \"e1\"\r\n", &body.to_string()).into_bytes()
    };
    let server = Server::start(move |request| match request.line.as_str() {
        "GET /admin/owners/new" => {
            answer("404 Not Found", "", r#"{"detail":"Owner not found"}"#).into_bytes()
        }
        "GET /admin/owners/known" | "GET /admin/owners/moving" => owner(json!([])),
        "GET /admin/owners/same" => owner(limit(5)),
        "GET /admin/owners/other" => owner(limit(6)),
        "GET /admin/owners/older" => ok(&json!({"owner": "older", "state": "active", "keys": 1})),
        "PATCH /admin/owners/moving" => {
            let detail = r#"{"detail":"The owner has changed since; read it again"}"#;
            answer("412 Precondition Failed", "", detail).into_bytes()
        }
        "PATCH /admin/owners/older" => {
            let detail = r#"{"detail":"Method Not Allowed"}"#;
            answer("405 Method Not Allowed", "", detail).into_bytes()
        }
        "PATCH /admin/owners/new" | "PATCH /admin/owners/known" => owner(limit(5)),
        _ => import(request),
    });
    let owners = ["new", "known", "same", "other", "moving", "older"];
    let line = |owner: &str| json!({"owner_limits": {"owner": owner, "limits": limit(5)}});
    let mut text: String = owners.iter().map(|owner| format!("{}\n", line(owner))).collect();
    text += "{\"owner_limits\":{\"owner\":\"none\"}}\n";
    text += "{\"owner_limits\":{\"owner\":\"two\",\"limits\":[]},\"name\":\"k\"}\n";
    let file = desk.write("keys.jsonl", &text);
    insta::assert_snapshot!(desk.run(&server, &["import", &file]));
    let asked: Vec<_> = server.lines().into_iter().filter(|line| line.starts_with('P')).collect();
    assert_eq!(
        asked,
        [
            "PATCH /admin/owners/new",
            "PATCH /admin/owners/known",
            "PATCH /admin/owners/moving",
            "PATCH /admin/owners/older"
        ]
    );
    let story = desk.run(&server, &["import", &file, "--dry-run"]);
    assert!(story.contains("note: the owner `new` would get its limits"), "{story}");
    assert_eq!(server.lines().iter().filter(|line| line.starts_with('P')).count(), asked.len());
}

#[test]
fn a_batch_that_is_rejected_as_a_whole_does_not_stop_the_others() {
    let desk = Desk::new();
    let server = Server::start(|request| {
        if request.body.contains(r#""n5""#) {
            let detail = r#"{"detail":[{"loc":["body","keys",4,"name"],"msg":"no"}]}"#;
            return answer("422 Unprocessable Entity", "", detail).into_bytes();
        }
        import(request)
    });
    let names: Vec<_> = (0..2_500).map(|at| format!("n{at}")).collect();
    let rows: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let file = desk.write("keys.csv", &csv(&rows));
    let story = desk.run(&server, &["import", &file]);
    let told = "line 2: the server rejected 1000 keys at once: body.keys.4.name: no\n";
    assert!(story.contains(told), "{story}");
    assert!(story.contains("and 980 more"), "{story}");
    assert!(story.contains("\n1500   0        1000\n"), "{story}");
    assert_eq!(server.keys().len(), 2_500);
}

#[test]
fn a_broken_connection_ends_with_the_advice_to_repeat() {
    let desk = Desk::new();
    let server = Server::start(|request| {
        if request.body.contains(r#""n1000""#) { Vec::new() } else { import(request) }
    });
    let names: Vec<_> = (0..1_001).map(|at| format!("n{at}")).collect();
    let rows: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let file = desk.write("keys.csv", &csv(&rows));
    let story = desk.run(&server, &["import", &file]);
    insta::with_settings!({filters => vec![("cause: .*", "cause: …")]}, {
        insta::assert_snapshot!(story);
    });
}

#[test]
fn a_file_that_cannot_be_read_as_a_whole_ends_with_what_to_do() {
    let desk = Desk::new();
    let server = Server::start(import);
    let header = desk.write("keys.csv", "name,hash\n");
    let other = desk.write("keys.txt", "");
    let absent = desk.text("absent.csv");
    let stories = [&header, &other, &absent].map(|file| desk.run(&server, &["import", file]));
    insta::assert_snapshot!(stories.join("\n\n"));
    assert!(server.lines().is_empty());
}

#[test]
fn the_tutorials_keys_come_with_their_ids_and_states() {
    let desk = Desk::new();
    let server = Server::start(import);
    let database = rusqlite::Connection::open(desk.path("news.db")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    let table = "CREATE TABLE api_keys (id INTEGER NOT NULL PRIMARY KEY, \
                 key_hash VARCHAR(64) NOT NULL, name VARCHAR(100) NOT NULL, \
                 rate_limit_tier VARCHAR(20) NOT NULL, is_active BOOLEAN NOT NULL, \
                 created_at DATETIME NOT NULL, last_used_at DATETIME)";
    database.execute_batch(table).unwrap();
    for (id, active, hash) in [(3, 1, digest(3)), (4, 0, digest(4)), (9, 1, "broken".to_owned())] {
        let insert = "INSERT INTO api_keys VALUES (?1, ?2, 'bot', 'pro', ?3, \
                      '2024-05-01 12:34:56.123456', NULL)";
        database.execute(insert, (id, hash, active)).unwrap();
    }
    // The tutorial still has it open.
    let story =
        desk.run(&server, &["import", "--from", &format!("sqlite:{}", desk.text("news.db"))]);
    insta::assert_snapshot!(story);
    let keys = server.keys();
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0]["key_id"], &keys[0]["state"]), (&json!(3), &json!("active")));
    assert_eq!(keys[0]["created_at"], json!("2024-05-01T12:34:56.123Z"));
    assert_eq!((&keys[1]["key_id"], &keys[1]["state"]), (&json!(4), &json!("revoked")));
    assert_eq!(keys[1]["revoked_reason"], json!("imported as inactive"));
    // For a server that has keys with these ids already, the flag of its advice imports them
    // without ids.
    let taken = Server::start(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let reason = keyward::transfer::ImportRejection::IdTaken.to_string();
        let refused = json!({ "status": "refused", "reason": reason });
        ok(&json!({ "keys": vec![refused; body["keys"].as_array().unwrap().len()] }))
    });
    let told = desk.run(&taken, &["import", "--from", &format!("sqlite:{}", desk.text("news.db"))]);
    assert!(told.contains("id 4: another key has this id; import with --new-ids\n"), "{told}");
    let url = format!("sqlite:{}", desk.text("news.db"));
    desk.run(&server, &["import", "--new-ids", "--from", &url]);
    let again = server.keys().split_off(2);
    assert_eq!(again.len(), 2);
    for (key, first) in again.iter().zip(&keys) {
        assert_eq!(key.get("key_id"), None);
        assert_eq!((&key["secrets"], &key["name"]), (&first["secrets"], &first["name"]));
    }
}
