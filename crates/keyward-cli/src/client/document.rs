//! Documents of any server, such as feeds.

use std::cell::OnceCell;

use keyward_tls::{Flaw, Trust};
use thiserror::Error;
use ureq::{Agent, ResponseExt as _};
use url::Url;

use super::error::GIVE_AUTHORITY;
use super::{CONNECT_WITHIN, RESPONSE_WITHIN};

/// A client that fetches documents.
#[derive(Debug)]
pub struct Fetcher {
    trust: Trust,
    /// Made once it is needed, since that reads the system's certificates.
    agent: OnceCell<Agent>,
}

/// A document, and the headers that are needed to read it.
#[derive(Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// Its URL after all redirects.
    pub address: Option<Url>,
    /// Its charset, if a header named one.
    pub charset: Option<String>,
}

/// Why a document could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No trusted authority vouches for the server that has it.
    #[error("{flaw}; {}", flaw.advice(GIVE_AUTHORITY))]
    Untrusted {
        /// The flaw of its certificate.
        flaw: Flaw,
    },
    /// It is not there, or not all of it came.
    #[error(transparent)]
    Failed(Box<ureq::Error>),
}

impl From<ureq::Error> for FetchError {
    fn from(error: ureq::Error) -> Self {
        match Flaw::of(&error) {
            Some(flaw) => Self::Untrusted { flaw },
            None => Self::Failed(Box::new(error)),
        }
    }
}

impl Fetcher {
    /// Fetches over TLS from servers for which a trusted authority vouches, and without TLS from
    /// any server.
    pub fn new(trust: Trust) -> Self {
        Self { trust, agent: OnceCell::new() }
    }

    /// Fetches a document of at most `len_max` bytes.
    ///
    /// No credential goes with it, redirects are followed, and a proxy is used if the environment
    /// names one.
    ///
    /// # Errors
    ///
    /// Returns [`FetchError`] unless all of it came.
    pub fn fetch(&self, url: &str, len_max: usize) -> Result<Fetched, FetchError> {
        let agent = self.agent.get_or_init(|| {
            let config = Agent::config_builder()
                // A URL of `http:` may lead on to one of `https:`.
                .tls_config(self.trust.tls())
                .timeout_connect(Some(CONNECT_WITHIN))
                .timeout_global(Some(RESPONSE_WITHIN));
            config.build().into()
        });
        let mut response = agent.get(url).call()?;
        let address = Url::parse(&response.get_uri().to_string()).ok();
        let charset = response.body().charset().map(str::to_owned);
        let body = response.body_mut().with_config().limit(len_max as u64);
        Ok(Fetched { bytes: body.read_to_vec()?, address, charset })
    }
}
