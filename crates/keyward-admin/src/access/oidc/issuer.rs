//! The issuer: where its keys are, reading them, and keeping them for a while.
//!
//! Discovery is that of OpenID Connect Discovery 1.0, section 4.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward::json;
use keyward::time::SteadyNanos;
use keyward_tls::{Flaw, Trust};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;

use super::jwks::Jwks;
use super::token::Token;
use super::verdict::TokenError;
use crate::counts::Results;
use crate::fetch;
use crate::people::{IssuerUrl, secure_url};

/// How long each of the two questions to the issuer may take.
const RESPONSE_WITHIN: Duration = Duration::from_secs(5);
/// Most bytes of a response. The responses of known issuers have some ten thousand.
const RESPONSE_BYTES_MAX: u64 = 256 * 1_024;
/// The remedy if no trusted authority has certified the issuer.
const GIVE_AUTHORITY: &str = "set `oidc_ca_file` to a file with the certificate of its authority";
/// How often the keys are read a minute at most, for any key ids that unauthenticated clients make
/// up.
const READS_PER_MINUTE_MAX: u32 = 6;
/// Pause after a reading that failed, for tokens whose key is known: they would only wait.
const PAUSE: Duration = Duration::from_secs(60);
/// After this long the keys are read again, so that one that was withdrawn stops working.
const FRESH_FOR: Duration = Duration::from_secs(60 * 60);
/// After this long without a response the keys are no longer trusted.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The issuer, and its known JWKS.
pub(super) struct Issuer {
    agent: Agent,
    url: IssuerUrl,
    /// A blocking lock, held for a copy and never across `.await`. A panic inside would leave the
    /// keys that were known before.
    known: Mutex<Known>,
    /// Held while the keys are read, so that this happens once at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    fetches: Results,
}

/// The issuer's known JWKS.
#[derive(Clone, Default)]
struct Known {
    /// The keys, and when they were read; none until that succeeded once.
    keys: Option<(Arc<Jwks>, SteadyNanos)>,
    /// When the last reading was begun, if it failed.
    failed_at: Option<SteadyNanos>,
    /// How many readings have ended; shows whether there was one during a wait.
    reads: u64,
    /// The minute in which readings are counted, and how many there were in it.
    minute: Option<(SteadyNanos, u32)>,
}

/// Why the keys could not be read.
#[derive(Debug, Error)]
enum ReadError {
    /// The issuer does not respond.
    #[error("{url} does not respond")]
    Unreachable {
        url: String,
        #[source]
        cause: Box<ureq::Error>,
    },
    /// The responding server has no certificate of a trusted authority.
    #[error("{url} is not trusted: {flaw}; {}", flaw.advice(GIVE_AUTHORITY))]
    Untrusted { url: String, flaw: Flaw },
    /// It responds with another status.
    #[error("{url} responds with {status}")]
    Status { url: String, status: u16 },
    /// Its response does not have the expected form.
    #[error("{url} is not {what}")]
    Foreign { url: String, what: &'static str },
    /// It calls itself otherwise, so that its tokens would not be taken either.
    #[error("the issuer calls itself `{0}`; set `oidc_issuer` to the very same text")]
    OtherName(String),
    /// It points to an address at which an attacker could respond.
    #[error("the issuer's `jwks_uri` {0}")]
    Place(String),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Known {
    fn keys_within(&self, age_max: Duration, now: SteadyNanos) -> Option<&Arc<Jwks>> {
        let (keys, read_at) = self.keys.as_ref()?;
        (since(*read_at, now) < age_max).then_some(keys)
    }

    /// The keys that need not be read again to judge this token.
    fn keys_at_hand(&self, token: &Token<'_>, now: SteadyNanos) -> Option<&Arc<Jwks>> {
        let failed_just_now = self.failed_at.is_some_and(|at| since(at, now) < PAUSE);
        let age_max = if failed_just_now { KEPT_FOR } else { FRESH_FOR };
        self.keys_within(age_max, now).filter(|keys| keys.have_one_for(token))
    }

    /// Takes one of this minute's readings, if one is left.
    fn may_read(&mut self, now: SteadyNanos) -> bool {
        let (from, reads) = match self.minute {
            Some((from, reads)) if since(from, now) < Duration::from_secs(60) => (from, reads + 1),
            _ => (now, 1),
        };
        let may = reads <= READS_PER_MINUTE_MAX;
        if may {
            self.minute = Some((from, reads));
        }
        may
    }
}

fn since(earlier: SteadyNanos, now: SteadyNanos) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(earlier.0))
}

impl Issuer {
    /// The issuer at this URL, to be verified by these trusted authorities, whose responses are
    /// counted. No request is sent yet.
    pub(super) fn new(url: IssuerUrl, trust: &Trust, fetches: Results) -> Self {
        let agent = fetch::agent(url.location(), RESPONSE_WITHIN, trust);
        Self { agent, url, known: Mutex::default(), turn: Arc::default(), fetches }
    }

    /// The keys by which to judge this token: the known ones, or if they are old or lack the
    /// token's key, the ones that the issuer has now.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Unknown`] if the token's key is not known, and the issuer does not
    /// respond or may not be asked again this minute.
    pub(super) async fn keys_for(
        self: &Arc<Self>,
        token: &Token<'_>,
        now: SteadyNanos,
    ) -> Result<Arc<Jwks>, TokenError> {
        let known = self.known().clone();
        if let Some(keys) = known.keys_at_hand(token, now) {
            return Ok(Arc::clone(keys));
        }
        self.read_again(known.reads, now).await;
        let reads_before = known.reads;
        let known = self.known().clone();
        let was_read_anew = known.reads != reads_before && known.failed_at.is_none();
        match known.keys_within(KEPT_FOR, now) {
            // If the issuer has just said that it has no such key, the token is not good.
            Some(keys) if was_read_anew || keys.have_one_for(token) => Ok(Arc::clone(keys)),
            // The key may be one that would be known, had the issuer responded.
            _ => Err(TokenError::Unknown),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the keys, unless they were read since `reads`, or too often this minute. It goes on if
    /// the client hangs up, so that the response is not lost.
    async fn read_again(self: &Arc<Self>, reads: u64, now: SteadyNanos) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        {
            let mut known = self.known();
            if known.reads != reads || !known.may_read(now) {
                return;
            }
        }
        let issuer = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let read = issuer.read();
            issuer.fetches.count(read.is_ok());
            let mut known = issuer.known();
            // Requests that waited meanwhile share this result.
            known.reads += 1;
            known.failed_at = read.is_err().then_some(now);
            match read {
                Ok(keys) => known.keys = Some((Arc::new(keys), now)),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "Could not read the keys of the issuer");
                }
            }
            drop(turn);
        });
        if reading.await.is_err() {
            self.known().failed_at = Some(now);
        }
    }

    /// Asks the issuer where its keys are, and for the keys.
    fn read(&self) -> Result<Jwks, ReadError> {
        let base = self.url.as_str().trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let what = "an OpenID Connect discovery document";
        let found = self.get(&url)?;
        let found: Discovery =
            json::from_slice(&found).map_err(|_| ReadError::Foreign { url, what })?;
        if found.issuer != self.url.as_str() {
            return Err(ReadError::OtherName(found.issuer));
        }
        let url = secure_url(&found.jwks_uri).map_err(ReadError::Place)?;
        let set = self.get(url.as_str())?;
        let set = json::from_slice::<Value>(&set).ok();
        set.and_then(|set| Jwks::parse(&set)).ok_or_else(|| {
            let (url, what) = (found.jwks_uri, "a set of keys");
            ReadError::Foreign { url, what }
        })
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, ReadError> {
        let unreachable = |cause: ureq::Error| {
            let url = url.to_owned();
            match Flaw::of(&cause) {
                Some(flaw) => ReadError::Untrusted { url, flaw },
                None => ReadError::Unreachable { url, cause: Box::new(cause) },
            }
        };
        let mut response = self.agent.get(url).call().map_err(unreachable)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(ReadError::Status { url: url.to_owned(), status });
        }
        let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX);
        body.read_to_vec().map_err(unreachable)
    }
}
