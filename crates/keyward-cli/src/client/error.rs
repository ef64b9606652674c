//! Why a request had no success, in words that name the remedy.

use http::StatusCode;
use keyward_tls::Flaw;
use serde_json::Value;
use thiserror::Error;

use super::Credential;

/// The advice if no trusted authority vouches for a server.
pub(super) const GIVE_AUTHORITY: &str =
    "give the certificate of its authority with --ca-file FILE or KEYWARD_CA_FILE";

/// Why a request had no success.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No server was reached, so nothing has changed.
    #[error(
        "no server responds at {server}; start one with `keyward serve`, or name another with \
         --server"
    )]
    Unreachable {
        /// The URL of the server.
        server: String,
        /// The error of the connection.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// The peer could not prove that it is the server, so nothing was sent.
    #[error("the server at {server} is not trusted: {flaw}; {}", flaw.advice(GIVE_AUTHORITY))]
    Untrusted {
        /// The URL of the server.
        server: String,
        /// The flaw of its certificate.
        flaw: Flaw,
    },
    /// The connection ended before the response did, so the outcome is unknown.
    #[error("the connection to {server} broke before the response came; {advice}")]
    Broken {
        /// The URL of the server.
        server: String,
        /// The advice.
        advice: &'static str,
        /// The error of the connection.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// The server has no such object.
    #[error("{detail}")]
    NotFound {
        /// The server's explanation.
        detail: String,
    },
    /// The server rejected the request, or failed.
    #[error("the server at {server} rejected the request with {status}: {detail}{advice}")]
    Rejected {
        /// The server that rejected it.
        server: String,
        /// Its status.
        status: StatusCode,
        /// Its explanation.
        detail: String,
        /// The advice, if there is any; begins with `; `.
        advice: &'static str,
    },
    /// The response lacks a field, or has it in another form.
    #[error(
        "the response of the server at {server} has another form: {fault}; it is of another \
         version: use its own `keyward`"
    )]
    OtherForm {
        /// The server that responded.
        server: String,
        /// The fault.
        fault: String,
    },
    /// The response is none that a Keyward server gives.
    #[error("the server at {server} is no Keyward server; name the right one with --server")]
    Foreign {
        /// The server that responded.
        server: String,
    },
}

impl ClientError {
    /// The same with other advice, if it is about a connection that broke.
    pub(super) fn advising(mut self, what: &'static str) -> Self {
        if let Self::Broken { advice, .. } = &mut self {
            *advice = what;
        }
        self
    }
}

/// Turns a response that is no success into an error.
pub(super) fn rejection(
    server: &str,
    credential: &Credential,
    status: StatusCode,
    body: &Value,
) -> ClientError {
    let server = server.to_owned();
    let Some(detail) = body.get("detail").map(detail_text) else {
        return ClientError::Foreign { server };
    };
    // A missing route is not the same as a missing key.
    if status == StatusCode::NOT_FOUND && detail != "Not Found" {
        return ClientError::NotFound { detail };
    }
    let advice = advice(credential, status, &detail);
    ClientError::Rejected { server, status, detail, advice }
}

fn advice(credential: &Credential, status: StatusCode, detail: &str) -> &'static str {
    match (status, credential) {
        (StatusCode::UNAUTHORIZED, Credential::Token(_)) => {
            "; the token has expired, or is for another service: sign in again, and give the new \
             one; `--log keyward=debug` makes the server's log say why"
        }
        (StatusCode::FORBIDDEN, _) if detail == "Address not allowed" => {
            "; ask from an address that the server's setting `admin_networks` has"
        }
        (StatusCode::FORBIDDEN, _) if detail == "Insufficient role" => {
            "; ask the person who manages your roles for one that may do this (viewer, issuer or \
             admin), and sign in again"
        }
        (StatusCode::FORBIDDEN, Credential::Token(_)) => {
            "; the server takes no access tokens, or does not get them through the proxy before \
             it: set `oidc_issuer` where it runs, or use its admin key"
        }
        (StatusCode::FORBIDDEN, Credential::AdminKey(_)) => {
            "; set ADMIN_API_KEY to the key that the server has"
        }
        (StatusCode::INTERNAL_SERVER_ERROR, _) if detail.contains("ADMIN_API_KEY") => {
            "; set ADMIN_API_KEY where the server runs, and start it again"
        }
        (StatusCode::NOT_FOUND, _) => {
            "; it may be older than this client, no Keyward server, or have its admin routes at \
             another address: name that with --server"
        }
        (StatusCode::PRECONDITION_FAILED, _) => {
            "; nothing was changed: look at the key with `keyward key show`, and repeat the \
             command if you still mean it"
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => "; wait a minute and try again",
        (StatusCode::SERVICE_UNAVAILABLE, _) => "; try again, and look into its log if it persists",
        _ => "",
    }
}

/// The server's explanation: a text, or a list of faults with the location of each.
fn detail_text(detail: &Value) -> String {
    match detail {
        Value::String(text) => text.clone(),
        Value::Array(faults) => faults.iter().map(fault_text).collect::<Vec<_>>().join("; "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => detail.to_string(),
    }
}

fn fault_text(fault: &Value) -> String {
    let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
    let place = fault.get("loc").and_then(Value::as_array);
    let place: Vec<_> = place.into_iter().flatten().map(step).collect();
    let message = fault.get("msg").and_then(Value::as_str).unwrap_or("does not fit");
    format!("{}: {message}", place.join("."))
}

#[cfg(test)]
mod tests {
    use keyward_api::access_token::AccessToken;
    use keyward_api::admin_key::AdminKey;
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_told_with_their_place() {
        let detail = json!([
            {"loc": ["body", "name"], "msg": "Field required"},
            {"loc": ["body", "scopes", 0], "msg": "Input should be a valid string"},
        ]);
        let text = "body.name: Field required; body.scopes.0: Input should be a valid string";
        assert_eq!(detail_text(&detail), text);
    }

    #[test]
    fn rejections_name_the_remedy() {
        let told_to = |credential: &Credential, status: u16, detail: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            rejection("http://x", credential, status, &json!({ "detail": detail })).to_string()
        };
        let key = Credential::AdminKey(AdminKey::parse("x").unwrap());
        let token = Credential::Token(AccessToken::parse("x").unwrap());
        let told = |status, detail| told_to(&key, status, detail);
        let all = [
            told(403, "Invalid admin key"),
            told(403, "Insufficient role"),
            told(403, "Address not allowed"),
            told(404, "Not Found"),
            told(404, "Tier not found"),
            told(409, "Tier is used by 12 keys"),
            told(412, "The key has changed since; read it again"),
            told(429, "Too many wrong admin keys"),
            told(500, "ADMIN_API_KEY is not configured"),
            told(503, "The change cannot be recorded"),
            told_to(&token, 401, "Invalid access token"),
            told_to(&token, 403, "Invalid admin key"),
            told_to(&token, 403, "Insufficient role"),
            told_to(&token, 429, "Too many wrong access tokens"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
