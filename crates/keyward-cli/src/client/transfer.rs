//! Requests of the client that move keys in and out: with bodies that are JSON already, safe to
//! repeat, and with responses of any length.

use std::io::{self, Read as _};
use std::time::Duration;

use http::Method;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Client, ClientError, Extras, RESPONSE_BYTES_MAX, Response, explain};

/// How long a server may take before a long response begins: a copy of a database is made first.
const MADE_WITHIN: Duration = Duration::from_secs(60 * 60);
/// How long a long response may pause. The whole of it may take any time: a database has any size.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How much of a long response is held at one time.
const PIECE_BYTES: usize = 64 * 1024;
/// The advice when it is unknown whether keys were imported.
const REPEAT: &str = "repeat the import: keys that are there already are skipped";

impl Client {
    /// Requests a change that is safe to repeat, with a body that is JSON.
    ///
    /// # Errors
    ///
    /// As for [`Client::post`], with other advice.
    pub fn post_again<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<T>, ClientError> {
        let with = Extras { body: Some(body), ..Extras::default() };
        self.ask(&Method::POST, path, with).map_err(|error| error.advising(REPEAT))
    }

    /// Requests a change that is safe to repeat, without a body.
    ///
    /// # Errors
    ///
    /// As for [`Client::post_again`].
    pub fn act_again(&self, path: &str) -> Result<(), ClientError> {
        self.act::<Value>(path).map(drop).map_err(|error| error.advising(REPEAT))
    }

    /// Requests bytes of any length, and hands them on piece by piece.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server granted it and sent all of it, or the error of
    /// `take`.
    pub fn download(
        &self,
        path: &str,
        content_type: &str,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let explain = |error| explain(&self.server, &Method::GET, error);
        let request = self.request(&Method::GET, path).body(()).map_err(ureq::Error::from);
        let request = self
            .agent
            .configure_request(request.map_err(explain)?)
            .timeout_global(None)
            .timeout_recv_response(Some(MADE_WITHIN))
            .timeout_per_read(Some(PAUSE_MAX))
            .build();
        let mut response = self.agent.run(request).map_err(explain)?;
        let status = response.status();
        if !status.is_success() {
            let bytes = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX).read_to_vec();
            return Err(self.rejection(status, &bytes.map_err(explain)?).into());
        }
        if response.headers().get(CONTENT_TYPE).is_none_or(|found| found != content_type) {
            return Err(self.foreign().into());
        }
        let mut from = response.body_mut().as_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(len) => take(piece.get(..len).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(explain(ureq::Error::Io(error)).into()),
            }
        }
    }
}
