//! Reports of leaked keys, by GitHub and by any client.

mod github;
mod reports;

use serde_json::Value;

use crate::server::Server;

/// The revocations so far in the audit trail, oldest first: actors and reasons.
fn revocations(server: &Server) -> Vec<(String, String)> {
    let page = server.admin("GET", "/admin/audit?verb=revoke", "").json();
    let told = |entry: &Value| {
        let reason = &entry["details"]["after"]["revoked_reason"];
        (entry["actor"].as_str().unwrap().to_owned(), reason.as_str().unwrap().to_owned())
    };
    page["entries"].as_array().unwrap().iter().map(told).collect()
}

fn works(server: &Server, secret: &str) -> bool {
    server.get("/key", secret).status == 200
}
