//! The HTTP client of the command line: one server, one admin key, JSON both ways.

mod transfer;

use std::io;
use std::time::Duration;

use http::header::LINK;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;

use crate::settings::AdminKey;

pub(crate) use transfer::path_segment;

/// How long the server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a whole exchange may take. An import of 100 articles is the longest there is.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Most bytes of an answer that are read. A key's whole usage is below 1 MiB.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What to do when nobody knows whether a change was made.
const CHECK_FIRST: &str =
    "the change may have been made all the same: look with `keyward key list` before you repeat it";

/// A server whose admin routes we may use.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    server: ServerUrl,
    admin_key: AdminKey,
}

/// What the server said to a request that it granted.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The JSON; `null` if the answer was empty.
    pub body: Value,
    /// Where the next page begins, if there is one.
    pub next_before: Option<u64>,
}

/// Where the server is: `http://` or `https://`, host and port, and perhaps a path, without a
/// slash at the end.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl(String);

impl ServerUrl {
    /// Takes a URL as somebody typed it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong and what to do.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fits = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
                // A password in a URL would end up in messages.
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        if !fits {
            return Err("write it like http://127.0.0.1:8000".to_owned());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The URL as text, to which a path can be added.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request had no success.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// Nobody was there, so nothing has changed.
    #[error(
        "no server answers at {server}; start one with `keyward serve`, or name another with \
         --server"
    )]
    Unreachable {
        /// Where we looked.
        server: String,
        /// What the connection said.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// The connection ended before the answer did, so nobody knows.
    #[error("the connection to {server} broke before the answer came; {advice}")]
    Broken {
        /// Where we asked.
        server: String,
        /// What to do.
        advice: &'static str,
        /// What the connection said.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// The server knows no such thing.
    #[error("{detail}")]
    NotFound {
        /// The server's words.
        detail: String,
    },
    /// The server refused, or failed.
    #[error("the server at {server} refused with {status}: {detail}{advice}")]
    Refused {
        /// Who refused.
        server: String,
        /// Its status.
        status: StatusCode,
        /// Its words.
        detail: String,
        /// What to do, if we know; begins with `; `.
        advice: &'static str,
    },
    /// The answer is none that a Keyward server gives.
    #[error("what answers at {server} is no Keyward server; name the right one with --server")]
    Foreign {
        /// Who answered.
        server: String,
    },
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    pub(crate) fn new(server: ServerUrl, admin_key: AdminKey) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The admin key goes to the server that was named, not through a proxy and not on to
            // wherever an answer points.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN))
            .build();
        Self { agent: config.into(), server, admin_key }
    }

    /// The server that is asked.
    pub(crate) fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server granted it.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(&Method::GET, path, None)
    }

    /// Asks for a change, with a body.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server granted it. Only after
    /// [`ClientError::Broken`] the change may have been made all the same.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send(&Method::POST, path, Some(body))
    }

    /// Asks for an end to something.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`].
    pub(crate) fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(&Method::DELETE, path, None)
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        self.send_text(method, path, body.map(|body| body.to_string().into_bytes()))
    }

    fn request(&self, method: &Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.as_str()))
            .header("x-admin-key", self.admin_key.expose())
    }

    fn send_text(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ClientError> {
        let request = self.request(method, path);
        let sent = match body {
            // An empty body would still be announced, which a GET should not do.
            None => request.body(()).map(|request| self.agent.run(request)),
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body);
                request.map(|request| self.agent.run(request))
            }
        };
        let sent = sent.unwrap_or_else(|error| Err(ureq::Error::from(error)));
        let mut response = sent.map_err(|error| self.explain(method, error))?;
        let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| self.explain(method, error))?;

        let status = response.status();
        let json = if bytes.is_empty() { Some(Value::Null) } else { parse(&bytes) };
        let Some(body) = json else {
            return Err(ClientError::Foreign { server: self.server.0.clone() });
        };
        if !status.is_success() {
            return Err(self.refusal(status, &body));
        }
        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
        Ok(Answer { body, next_before: link.and_then(next_before) })
    }

    fn explain(&self, method: &Method, error: ureq::Error) -> ClientError {
        let server = self.server.0.clone();
        let was_turned_away = matches!(
            &error,
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused
        );
        let found_nobody = matches!(
            error,
            ureq::Error::HostNotFound
                | ureq::Error::ConnectionFailed
                | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
        );
        let cause = Box::new(error);
        if was_turned_away || found_nobody {
            ClientError::Unreachable { server, cause }
        } else {
            let advice = match *method {
                Method::GET => "try again",
                _ => CHECK_FIRST,
            };
            ClientError::Broken { server, advice, cause }
        }
    }

    fn refusal(&self, status: StatusCode, body: &Value) -> ClientError {
        let server = self.server.0.clone();
        let Some(detail) = body.get("detail").map(detail_text) else {
            return ClientError::Foreign { server };
        };
        // A route that is not there is not the same as a key that is not there.
        if status == StatusCode::NOT_FOUND && detail != "Not Found" {
            return ClientError::NotFound { detail };
        }
        let advice = match status {
            StatusCode::FORBIDDEN => "; set ADMIN_API_KEY to the key that the server has",
            StatusCode::INTERNAL_SERVER_ERROR if detail.contains("ADMIN_API_KEY") => {
                "; set ADMIN_API_KEY where the server runs, and start it again"
            }
            StatusCode::NOT_FOUND => "; it may be older than this client, or no Keyward server",
            StatusCode::SERVICE_UNAVAILABLE => "; try again, and look into its log if it persists",
            _ => "",
        };
        ClientError::Refused { server, status, detail, advice }
    }
}

/// Fetches a feed of at most `len_max` bytes.
///
/// No admin key goes with it, redirects are followed, and a proxy is used if the environment
/// names one.
pub(crate) fn fetch_feed(url: &str, len_max: usize) -> Result<Vec<u8>, Box<ureq::Error>> {
    let config = Agent::config_builder()
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_global(Some(ANSWER_WITHIN))
        .build();
    let mut response = Agent::from(config).get(url).call()?;
    let body = response.body_mut().with_config().limit(len_max as u64);
    Ok(body.read_to_vec()?)
}

fn parse(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// The server's words: a text, or a list of faults with the place of each.
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

/// The `before` of a `Link` header to the next page.
fn next_before(link: &str) -> Option<u64> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    let (_, query) = target.split_once('?').filter(|_| rest.contains("rel=\"next\""))?;
    let before = query.split('&').find_map(|member| member.strip_prefix("before="))?;
    before.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn server_is_a_url_with_scheme_and_host() {
        for (text, kept) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("https://keys.example/api/", "https://keys.example/api"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().as_str(), kept);
        }
        for text in ["", "localhost", "localhost:8000", "ftp://x", "http://", "http://u:p@x"] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn next_page_is_read_from_the_link() {
        let link = "</admin/api-keys?limit=100&before=17>; rel=\"next\"";
        assert_eq!(next_before(link), Some(17));
        for other in
            ["", "</admin/api-keys?before=17>; rel=\"prev\"", "</a?before=x>; rel=\"next\""]
        {
            assert_eq!(next_before(other), None, "{other}");
        }
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let detail = json!([
            {"loc": ["body", "name"], "msg": "Field required"},
            {"loc": ["body", "scopes", 0], "msg": "Input should be a valid string"},
        ]);
        let text = "body.name: Field required; body.scopes.0: Input should be a valid string";
        assert_eq!(detail_text(&detail), text);
    }
}
