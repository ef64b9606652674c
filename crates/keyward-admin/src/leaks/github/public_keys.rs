//! GitHub's public keys: read when one is needed that is not known, and kept.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::USER_AGENT;
use keyward::json;
use keyward::time::SteadyNanos;
use keyward_tls::Trust;
use p256::ecdsa::VerifyingKey;
use p256::pkcs8::DecodePublicKey as _;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex as Turn;
use ureq::Agent;
use url::Url;

use crate::fetch;

/// How long reading the keys may take. GitHub waits 30 s for the response to its report.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two readings, for any requests of unauthenticated clients: GitHub limits them to
/// 60 an hour.
const PAUSE: Duration = Duration::from_secs(60);
/// After this long the keys are read again, so that one that was withdrawn stops working.
const FRESH_FOR: Duration = Duration::from_secs(60 * 60);
/// After this long without a response the keys are no longer trusted.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Most bytes of GitHub's list. A key takes 300.
const LIST_BYTES_MAX: u64 = 64 * 1024;
/// Most keys of GitHub's list; there are two or three.
const KEYS_MAX: usize = 100;

/// The keys at one URL.
pub(in crate::leaks) struct PublicKeys {
    agent: Agent,
    url: String,
    /// Locked for one look, never while waiting. It is replaced whole, so a poisoned lock is taken.
    known: Mutex<Known>,
    /// Held while the keys are read, so that they are read once for all waiting requests; a request
    /// that needs a known key does not wait.
    turn: Arc<Turn<()>>,
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The known keys, and when they were read.
#[derive(Default)]
struct Known {
    keys: Vec<(String, VerifyingKey)>,
    /// When they were read.
    read_at: Option<SteadyNanos>,
    /// When reading them was last begun.
    asked_at: Option<SteadyNanos>,
}

/// The action for a requested key.
enum Next {
    /// This is it.
    Use(VerifyingKey),
    /// Read the keys: it is not known, or has been known for long.
    Ask,
    /// They were read only just; look again after this time.
    Wait(Duration),
}

impl Known {
    /// The key of this name, unless it could not be checked for long whether GitHub still has it.
    fn find(&self, identifier: &str, now: SteadyNanos) -> Option<VerifyingKey> {
        let is_kept = self.read_at.is_some_and(|at| since(at, now) < KEPT_FOR);
        let found = self.keys.iter().find(|(known, _)| known == identifier);
        found.filter(|_| is_kept).map(|(_, key)| *key)
    }

    fn next(&self, identifier: &str, now: SteadyNanos) -> Next {
        let is_fresh = self.read_at.is_some_and(|at| since(at, now) < FRESH_FOR);
        let pause = self.asked_at.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(since(at, now)));
        match self.find(identifier, now) {
            Some(key) if is_fresh || !pause.is_zero() => Next::Use(key),
            Some(_) => Next::Ask,
            None if pause.is_zero() => Next::Ask,
            None => Next::Wait(pause),
        }
    }
}

fn since(earlier: SteadyNanos, now: SteadyNanos) -> Duration {
    Duration::from_nanos(now.0.saturating_sub(earlier.0))
}

impl PublicKeys {
    /// The keys at this URL. Nothing is read yet.
    pub(in crate::leaks) fn at(url: &Url) -> Self {
        let agent = fetch::agent(url, READ_WITHIN, &Trust::System);
        Self { agent, url: url.to_string(), known: Mutex::default(), turn: Arc::default() }
    }

    /// Finds a key; `None` if GitHub has none of this name.
    ///
    /// # Errors
    ///
    /// Returns how long to wait if it cannot be decided now: the keys could not be read, or they
    /// were read only just and the name is a new one.
    pub(super) async fn find(
        self: &Arc<Self>,
        identifier: &str,
        now: SteadyNanos,
    ) -> Result<Option<VerifyingKey>, Duration> {
        if let Next::Use(key) = self.known().next(identifier, now) {
            return Ok(Some(key));
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Another request may have read them meanwhile.
        let next = self.known().next(identifier, now);
        match next {
            Next::Use(key) => return Ok(Some(key)),
            Next::Wait(pause) => return Err(pause),
            Next::Ask => self.known().asked_at = Some(now),
        }
        // The keys read are kept even if the client hangs up meanwhile: otherwise an attacker that
        // hangs up could, once a minute, waste the only reading.
        let keys = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let is_read = keys.read(now);
            drop(turn);
            is_read
        });
        let is_read = reading.await.unwrap_or(false);
        let found = self.known().find(identifier, now);
        // If they could not be read, the key known before is still the best one.
        if is_read { Ok(found) } else { found.map(Some).ok_or(PAUSE) }
    }

    /// Reads the keys, and returns whether that succeeded.
    fn read(&self, now: SteadyNanos) -> bool {
        match read_keys(&self.agent, &self.url) {
            Ok(keys) => {
                let mut known = self.known();
                (known.keys, known.read_at) = (keys, Some(now));
                true
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(%error, cause, "Could not read GitHub's public keys");
                false
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the keys could not be read.
#[derive(Debug, Error)]
enum ReadError {
    /// There was no response in time, or it was too long.
    #[error("the server of the keys does not respond")]
    Unreachable(#[source] ureq::Error),
    /// It responded with an error.
    #[error("the server of the keys responds with {0}")]
    Status(StatusCode),
    /// Its response is no list of keys.
    #[error("the list of keys cannot be read")]
    Form(#[source] serde_json::Error),
}

fn read_keys(agent: &Agent, url: &str) -> Result<Vec<(String, VerifyingKey)>, ReadError> {
    // GitHub requires a user agent.
    let name = concat!("keyward/", env!("CARGO_PKG_VERSION"));
    let response = agent.get(url).header(USER_AGENT, name).call();
    let mut response = response.map_err(ReadError::Unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(ReadError::Status(response.status()));
    }
    let list = response.body_mut().with_config().limit(LIST_BYTES_MAX).read_to_vec();
    parse_keys(&list.map_err(ReadError::Unreachable)?)
}

/// The document that GitHub publishes.
#[derive(Deserialize)]
struct List {
    public_keys: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    key_identifier: String,
    /// PEM of a `SubjectPublicKeyInfo`.
    key: String,
}

/// Keys of another kind are left out: nothing that they sign is taken.
fn parse_keys(list: &[u8]) -> Result<Vec<(String, VerifyingKey)>, ReadError> {
    let List { public_keys } = json::from_slice(list).map_err(ReadError::Form)?;
    let parsed = |Listed { key_identifier, key }| {
        VerifyingKey::from_public_key_pem(&key).ok().map(|key| (key_identifier, key))
    };
    Ok(public_keys.into_iter().take(KEYS_MAX).filter_map(parsed).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    /// A key in the form in which GitHub publishes them.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n\
        HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n\
        -----END PUBLIC KEY-----\n";

    fn list(name: &str, pem: &str) -> Vec<u8> {
        let key = serde_json::json!({ "key_identifier": name, "key": pem, "is_current": true });
        serde_json::json!({ "public_keys": [key] }).to_string().into_bytes()
    }

    fn at(secs: u64) -> SteadyNanos {
        SteadyNanos(secs * 1_000_000_000)
    }

    #[test]
    fn keys_of_another_kind_are_left_out() {
        assert_eq!(parse_keys(&list("a", PEM)).unwrap().len(), 1);
        assert_eq!(parse_keys(&list("a", "ssh-ed25519 AAAA")).unwrap().len(), 0);
        assert!(parse_keys(b"{}").is_err());
        assert!(parse_keys(b"<html>").is_err());
    }

    #[test]
    fn keys_are_read_at_most_once_a_minute_and_again_after_an_hour() {
        let keys = parse_keys(&list("a", PEM)).unwrap();
        let mut known = Known { keys, read_at: Some(at(0)), asked_at: Some(at(0)) };
        let asks = |known: &Known, name, secs| matches!(known.next(name, at(secs)), Next::Ask);
        assert!(matches!(known.next("a", at(3_599)), Next::Use(_)));
        assert!(matches!(known.next("b", at(59)), Next::Wait(pause) if pause.as_secs() == 1));
        assert!(asks(&known, "b", 60));
        assert!(asks(&known, "a", 3_600));
        // Asking was in vain: an old key is better than none, until the next time.
        known.asked_at = Some(at(3_600));
        assert!(matches!(known.next("a", at(3_601)), Next::Use(_)));
        assert!(asks(&known, "a", 3_660));
    }

    #[test]
    fn keys_that_could_not_be_read_again_are_kept_a_day() {
        let keys = parse_keys(&list("a", PEM)).unwrap();
        let known = Known { keys, read_at: Some(at(0)), asked_at: Some(at(86_380)) };
        assert!(matches!(known.next("a", at(86_399)), Next::Use(_)));
        assert!(matches!(known.next("a", at(86_400)), Next::Wait(pause) if pause.as_secs() == 40));
        assert!(known.find("a", at(86_400)).is_none());
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_the_keys_to_later_ones() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let (release, released) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            assert!(lines.take_while(|line| !line.is_empty()).count() != 0);
            released.recv().unwrap();
            let body = list("a", PEM);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
        });
        let keys = Arc::new(PublicKeys::at(&url));
        // It is polled once, and dropped: like a request whose client has gone.
        let gone = tokio::time::timeout(Duration::ZERO, keys.find("a", at(0))).await;
        assert!(gone.is_err(), "no response came yet");
        release.send(()).unwrap();
        assert!(matches!(keys.find("a", at(1)).await, Ok(Some(_))));
    }
}
