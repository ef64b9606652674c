//! The HTTP client of the command line: one server, one credential, JSON both ways.

mod address;
mod credential;
mod document;
mod error;
mod response;
mod transfer;

use std::io;
use std::time::Duration;

use http::header::{DATE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, StatusCode};
use keyward::json;
use keyward_api::transfer::json_fault;
use keyward_tls::{Flaw, Trust};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

pub use address::{Route, ServerUrl};
pub use credential::Credential;
pub use document::{FetchError, Fetcher};
pub use error::ClientError;
pub use response::Response;

/// How long the server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a whole exchange may take. An import of 1 000 keys is the longest there is.
const RESPONSE_WITHIN: Duration = Duration::from_secs(60);
/// Most bytes of a response that are read. A page of the audit trail is the longest.
const RESPONSE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of an error response that are read when nothing else is wanted.
const KNOCK_BYTES_MAX: u64 = 64 * 1024;

/// The advice when the request was not to change anything.
const TRY_AGAIN: &str = "try again";
/// The advice when it is unknown whether a change was made.
const CHECK_FIRST: &str =
    "the change may have been made all the same: look with `keyward key list` before you repeat it";

/// A server whose admin routes we may use.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: ServerUrl,
    credential: Credential,
}

/// The parts of a request in addition to its method and path.
#[derive(Default)]
struct Extras<'a> {
    body: Option<Vec<u8>>,
    if_match: Option<&'a str>,
    if_absent: bool,
}

impl Extras<'_> {
    fn json(body: &impl Serialize) -> Self {
        // A draft is a tree of values, which can always be written.
        let text = serde_json::to_vec(body).unwrap_or_default();
        Self { body: Some(text), ..Self::default() }
    }
}

impl Client {
    /// Makes a client of a server for which trusted authorities vouch. Nothing is sent yet.
    pub fn new(server: ServerUrl, trust: &Trust, credential: Credential) -> Self {
        Self { agent: agent(&server, trust), server, credential }
    }

    /// Requests an object.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server granted it.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Response<T>, ClientError> {
        self.ask(&Method::GET, path, Extras::default())
    }

    /// Requests an object parts of which are kept verbatim.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`].
    pub fn get_verbatim<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (_, bytes) = self.send(&Method::GET, path, Extras::default())?;
        json::from_slice(&bytes).map_err(|_| self.foreign())
    }

    /// Requests a change, with a body.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server granted it. Only after
    /// [`ClientError::Broken`] the change may have been made all the same.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<T>, ClientError> {
        self.ask(&Method::POST, path, Extras::json(body))
    }

    /// Requests an object with a query that is too long for a path.
    ///
    /// # Errors
    ///
    /// As for [`Client::get`]: nothing is changed.
    pub fn question<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<T>, ClientError> {
        self.post(path, body).map_err(|error| error.advising(TRY_AGAIN))
    }

    /// Requests a change without a body.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`].
    pub fn act<T: DeserializeOwned>(&self, path: &str) -> Result<Response<T>, ClientError> {
        self.ask(&Method::POST, path, Extras::default())
    }

    /// Creates or replaces an object.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`].
    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<T>, ClientError> {
        self.ask(&Method::PUT, path, Extras::json(body))
    }

    /// Requests an edit of the version that `etag` names, and of no other.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`]; with status 412 if there is another version by now.
    pub fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        etag: &str,
    ) -> Result<Response<T>, ClientError> {
        self.ask(&Method::PATCH, path, Extras { if_match: Some(etag), ..Extras::json(body) })
    }

    /// Requests an edit that creates an object, and changes no existing one.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`]; with status 412 if it exists.
    pub fn patch_new<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<T>, ClientError> {
        self.ask(&Method::PATCH, path, Extras { if_absent: true, ..Extras::json(body) })
    }

    /// Requests the deletion of an object.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`].
    pub fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.ask::<Value>(&Method::DELETE, path, Extras::default()).map(drop)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        with: Extras<'_>,
    ) -> Result<Response<T>, ClientError> {
        let (headers, bytes) = self.send(method, path, with)?;
        let json = if bytes.is_empty() { Some(Value::Null) } else { parse(&bytes) };
        let json = json.ok_or_else(|| self.foreign())?;
        let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Response::read(json, etag).map_err(|error| ClientError::OtherForm {
            server: self.server.as_str().to_owned(),
            fault: json_fault(&error),
        })
    }

    /// Sends a request, and returns the response if it is a success.
    fn send(
        &self,
        method: &Method,
        path: &str,
        with: Extras<'_>,
    ) -> Result<(HeaderMap, Vec<u8>), ClientError> {
        let mut request = self.request(method, path);
        if with.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(etag) = with.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if with.if_absent {
            request = request.header(IF_NONE_MATCH, "*");
        }
        // An empty body would still have a `content-length`, which a POST should have and a GET
        // should not.
        let is_bare = with.body.is_none() && method != Method::POST;
        let sent = match request.body(with.body.unwrap_or_default()) {
            Ok(request) if is_bare => self.agent.run(request.map(drop)),
            Ok(request) => self.agent.run(request),
            Err(error) => Err(ureq::Error::from(error)),
        };
        let mut response = sent.map_err(|error| explain(&self.server, method, error))?;
        let read = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX).read_to_vec();
        let bytes = read.map_err(|error| explain(&self.server, method, error))?;

        let status = response.status();
        if !status.is_success() {
            return Err(self.rejection(status, &bytes));
        }
        Ok((response.into_parts().0.headers, bytes))
    }

    fn request(&self, method: &Method, path: &str) -> http::request::Builder {
        let request =
            Request::builder().method(method).uri(format!("{}{path}", self.server.as_str()));
        self.credential.present(request)
    }

    fn rejection(&self, status: StatusCode, bytes: &[u8]) -> ClientError {
        let rejection =
            |body| error::rejection(self.server.as_str(), &self.credential, status, &body);
        parse(bytes).map_or_else(|| self.foreign(), rejection)
    }

    fn foreign(&self) -> ClientError {
        ClientError::Foreign { server: self.server.as_str().to_owned() }
    }
}

fn agent(server: &ServerUrl, trust: &Trust) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // The credential goes to the named server, not through a proxy and not on to the target of
        // a redirect.
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_global(Some(RESPONSE_WITHIN));
    // Reading the system's certificates takes longer than a request on loopback.
    let config = if server.is_https() { config.tls_config(trust.tls()) } else { config };
    config.build().into()
}

fn explain(server: &ServerUrl, method: &Method, error: ureq::Error) -> ClientError {
    let server = server.as_str().to_owned();
    if let Some(flaw) = Flaw::of(&error) {
        return ClientError::Untrusted { server, flaw };
    }
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
        return ClientError::Unreachable { server, cause };
    }
    let advice = match *method {
        Method::GET => TRY_AGAIN,
        _ => CHECK_FIRST,
    };
    ClientError::Broken { server, advice, cause }
}

/// Asks whether a Keyward server is there, without any credential, and returns the time of its
/// clock.
///
/// # Errors
///
/// Returns [`ClientError`] if no server responds, or a server of another kind.
pub fn knock(server: &ServerUrl, trust: &Trust) -> Result<Option<String>, ClientError> {
    let failed = |error| explain(server, &Method::GET, error);
    let url = format!("{}/key", server.as_str());
    let mut response = agent(server, trust).get(url).call().map_err(failed)?;
    let read = response.body_mut().with_config().limit(KNOCK_BYTES_MAX).read_to_vec();
    // Without a key every route rejects the request, in this project's form.
    let rejection = parse(&read.map_err(failed)?).filter(|body| body.get("detail").is_some());
    if rejection.is_none() {
        return Err(ClientError::Foreign { server: server.as_str().to_owned() });
    }
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    Ok(date.map(str::to_owned))
}

/// Asks a server whether it is ready, and returns its explanation if it is not.
pub fn complaint(server: &ServerUrl, trust: &Trust) -> Option<String> {
    let url = format!("{}/readyz", server.as_str());
    let mut response = agent(server, trust).get(url).call().ok()?;
    if response.status() != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let read = response.body_mut().with_config().limit(KNOCK_BYTES_MAX).read_to_vec();
    let detail = parse(&read.ok()?)?.get("detail")?.as_str()?.to_owned();
    Some(detail)
}

fn parse(bytes: &[u8]) -> Option<Value> {
    json::from_slice(bytes).ok()
}
