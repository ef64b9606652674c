//! The command line with a person's access token, against the real server.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::tempdir;

use crate::issuer::{FakeIssuer, SigningKey};
use crate::server::{ADMIN_KEY, Server};

fn keyward(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().envs(variables.iter().copied()).current_dir(folder);
    command.args(arguments).output().unwrap()
}

/// The error message, and the exit status.
fn complaint(output: &Output, url: &str) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap().replace(url, "URL");
    format!("{errors}exit status {}", output.status.code().unwrap())
}

#[test]
fn people_use_the_command_line_with_their_token() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let url = issuer.url();
    let server = Server::start_with(
        folder.path(),
        &[
            ("ADMIN_API_KEY", ADMIN_KEY),
            ("KEYWARD_OIDC_ISSUER", &url),
            ("KEYWARD_OIDC_AUDIENCE", "keyward"),
            // The server ignores variables that a shell may have set for the commands.
            ("KEYWARD_TOKEN", "eyJh.e30.c2ln"),
            ("KEYWARD_TOKEN_FILE", "no/such/file"),
            ("KEYWARD_CA_FILE", "no/such/file"),
        ],
    );
    let url = format!("http://{}", server.address);
    let token = |changes| issuer.token(&key, &changes);
    let ann = json!({ "email": "ann@example.com", "email_verified": true, "roles": "issuer" });
    fs::write(folder.path().join("token"), format!("{}\n", token(ann))).unwrap();

    let issue = ["key", "issue", "--name", "hers", "--quiet", "--server", &url];
    let by_file = [&issue[..], &["--token-file", "token"]].concat();
    let issued = keyward(folder.path(), &[("ADMIN_API_KEY", "wrong")], &by_file);
    assert_eq!(complaint(&issued, &url), "exit status 0");
    let text = token(json!({ "sub": "7f3c", "roles": ["viewer"] }));
    let text = [("KEYWARD_TOKEN", text.as_str())];
    let list = ["audit", "list", "--json", "--server", &url];
    let trail = keyward(folder.path(), &text, &list);
    assert_eq!(complaint(&trail, &url), "exit status 0");
    let trail = String::from_utf8(trail.stdout).unwrap();
    assert!(trail.contains("oidc:ann@example.com"), "{trail}");

    let role = complaint(&keyward(folder.path(), &text, &issue), &url);
    insta::assert_snapshot!(role);
    let expired = token(json!({ "exp": 1_000_000_000 }));
    let expired = keyward(folder.path(), &[("KEYWARD_TOKEN", &expired)], &list);
    insta::assert_snapshot!(complaint(&expired, &url));
    let both = [text[0], ("ADMIN_API_KEY", ADMIN_KEY)];
    insta::assert_snapshot!(complaint(&keyward(folder.path(), &both, &list), &url));
    let by_key = [&list[..], &["--admin-api-key-file", "key"]].concat();
    fs::write(folder.path().join("key"), ADMIN_KEY).unwrap();
    assert_eq!(complaint(&keyward(folder.path(), &both, &by_key), &url), "exit status 0");
}

#[test]
fn a_server_without_an_issuer_tells_people_so() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let url = format!("http://{}", server.address);
    let token = [("KEYWARD_TOKEN", "eyJh.e30.c2ln")];
    let refused = keyward(folder.path(), &token, &["tier", "list", "--server", &url]);
    insta::assert_snapshot!(complaint(&refused, &url));
}
