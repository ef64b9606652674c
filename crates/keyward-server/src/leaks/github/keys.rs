//! GitHub's public keys: read when one is needed that is not known, and kept.

use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::USER_AGENT;
use keyward::time::SteadyNanos;
use p256::ecdsa::VerifyingKey;
use p256::pkcs8::DecodePublicKey as _;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex as Turn;
use ureq::Agent;
use url::Url;

/// How long reading the keys may take. GitHub waits 30 s for an answer to what it found.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two readings, whatever strangers ask for: GitHub limits them to 60 an hour.
const PAUSE: Duration = Duration::from_secs(60);
/// How long keys are believed without looking whether GitHub still has them.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
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
    /// Held while the keys are read, so that they are read once for all who wait; whoever needs a
    /// key that is known does not.
    turn: Turn<()>,
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What is known of the keys.
#[derive(Default)]
struct Known {
    keys: Vec<(String, VerifyingKey)>,
    /// When they were read.
    read_at: Option<SteadyNanos>,
    /// When reading them was last begun.
    asked_at: Option<SteadyNanos>,
}

/// What to do about a key that is asked for.
enum Next {
    /// This is it.
    Use(VerifyingKey),
    /// Read the keys: it is not known, or has been known for long.
    Ask,
    /// They were read only just; look again after this time.
    Wait(Duration),
}

impl Known {
    fn find(&self, identifier: &str) -> Option<VerifyingKey> {
        self.keys.iter().find(|(known, _)| known == identifier).map(|(_, key)| *key)
    }

    fn next(&self, identifier: &str, now: SteadyNanos) -> Next {
        let since = |at: SteadyNanos| Duration::from_nanos(now.0.saturating_sub(at.0));
        let found = self.find(identifier);
        let is_fresh = self.read_at.is_some_and(|at| since(at) < AGE_MAX);
        let pause = self.asked_at.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(since(at)));
        match found {
            Some(key) if is_fresh || !pause.is_zero() => Next::Use(key),
            Some(_) => Next::Ask,
            None if pause.is_zero() => Next::Ask,
            None => Next::Wait(pause),
        }
    }
}

impl PublicKeys {
    /// The keys at this URL. Nothing is read yet.
    pub(in crate::leaks) fn at(url: &Url) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The keys come from where they are said to be, and not from wherever that points.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(READ_WITHIN))
            .build();
        let (known, turn) = (Mutex::default(), Turn::default());
        Self { agent: config.into(), url: url.to_string(), known, turn }
    }

    /// Finds a key; `None` if GitHub has none of this name.
    ///
    /// # Errors
    ///
    /// Returns how long to wait if nobody can tell now: the keys could not be read, or they were
    /// read only just and the name is a new one.
    pub(super) async fn find(
        &self,
        identifier: &str,
        now: SteadyNanos,
    ) -> Result<Option<VerifyingKey>, Duration> {
        if let Next::Use(key) = self.known().next(identifier, now) {
            return Ok(Some(key));
        }
        let _turn = self.turn.lock().await;
        // Somebody else may have read them meanwhile.
        let next = self.known().next(identifier, now);
        match next {
            Next::Use(key) => return Ok(Some(key)),
            Next::Wait(pause) => return Err(pause),
            Next::Ask => self.known().asked_at = Some(now),
        }
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let read = tokio::task::spawn_blocking(move || read_keys(&agent, &url)).await;
        let mut known = self.known();
        match read.unwrap_or_else(|error| Err(ReadError::Panicked(error))) {
            Ok(keys) => {
                (known.keys, known.read_at) = (keys, Some(now));
                Ok(known.find(identifier))
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(%error, cause, "Could not read GitHub's public keys");
                // What was known before is still the best that is known.
                known.find(identifier).map(Some).ok_or(PAUSE)
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
    /// Nobody answered in time, or the answer was too long.
    #[error("the server of the keys does not answer")]
    Unreachable(#[source] ureq::Error),
    /// It refused.
    #[error("the server of the keys answers with {0}")]
    Status(StatusCode),
    /// What it answered is no list of keys.
    #[error("the list of keys cannot be read")]
    Form(#[source] serde_json::Error),
    /// Reading them panicked.
    #[error("reading the keys ended early")]
    Panicked(#[source] tokio::task::JoinError),
}

fn read_keys(agent: &Agent, url: &str) -> Result<Vec<(String, VerifyingKey)>, ReadError> {
    // GitHub asks for a name of whoever asks.
    let name = concat!("keyward/", env!("CARGO_PKG_VERSION"));
    let answer = agent.get(url).header(USER_AGENT, name).call();
    let mut answer = answer.map_err(ReadError::Unreachable)?;
    if answer.status() != StatusCode::OK {
        return Err(ReadError::Status(answer.status()));
    }
    let list = answer.body_mut().with_config().limit(LIST_BYTES_MAX).read_to_vec();
    parse_keys(&list.map_err(ReadError::Unreachable)?)
}

/// What GitHub publishes.
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
    let List { public_keys } = serde_json::from_slice(list).map_err(ReadError::Form)?;
    let parsed = |Listed { key_identifier, key }| {
        VerifyingKey::from_public_key_pem(&key).ok().map(|key| (key_identifier, key))
    };
    Ok(public_keys.into_iter().take(KEYS_MAX).filter_map(parsed).collect())
}

#[cfg(test)]
mod tests {
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
    fn keys_are_read_at_most_once_a_minute_and_again_after_a_day() {
        let keys = parse_keys(&list("a", PEM)).unwrap();
        let mut known = Known { keys, read_at: Some(at(0)), asked_at: Some(at(0)) };
        let asks = |known: &Known, name, secs| matches!(known.next(name, at(secs)), Next::Ask);
        assert!(matches!(known.next("a", at(86_399)), Next::Use(_)));
        assert!(matches!(known.next("b", at(59)), Next::Wait(pause) if pause.as_secs() == 1));
        assert!(asks(&known, "b", 60));
        assert!(asks(&known, "a", 86_400));
        // Asking was in vain: an old key is better than none, until the next time.
        known.asked_at = Some(at(86_400));
        assert!(matches!(known.next("a", at(86_401)), Next::Use(_)));
        assert!(asks(&known, "a", 86_460));
    }
}
