//! Keys whose secrets a test knows before any response of the server.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::server::{Response, Server};

/// SHA-256 of a text in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key as an import has it: its present secret last, after its former ones.
pub(crate) fn key(name: &str, former: &[(&str, &str)], secret: &str) -> Value {
    let former = former.iter().map(|(text, end)| json!({"digest": digest(text), "ends_at": end}));
    let secrets: Vec<_> = former.chain([json!({ "digest": digest(secret) })]).collect();
    json!({ "name": name, "secrets": secrets })
}

pub(crate) fn import(server: &Server, keys: &[Value]) -> Response {
    server.admin("POST", "/admin/import", &json!({ "keys": keys }).to_string())
}

/// Imports keys of which each has to be added.
pub(crate) fn add(server: &Server, keys: &[Value]) {
    let response = import(server, keys);
    assert_eq!(response.json()["added"], keys.len(), "{}", response.body);
}
