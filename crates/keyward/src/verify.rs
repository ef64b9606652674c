//! The decision: who is calling, and are they allowed?

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::count::Outcome;
use crate::digest::Digest;
use crate::index::{Entry, Index, Stage};
use crate::key::Presented;
use crate::limit::{Exceeded, Standing};
use crate::record::KeyId;
use crate::time::Now;
use crate::usage::Usage;

/// What [`verify()`] answers.
pub type Verdict = Result<Caller, Denied>;

/// Decides about one request that presents `text` as its key and needs `scope`, if one is named.
///
/// Waits for nothing, allocates nothing and reads no clock. Cheap checks come first; what is
/// refused consumes nothing of the key's limit. Every request is counted, each in one outcome.
///
/// # Errors
///
/// Returns the reason as [`Denied`]. Someone who does not hold the key's secret learns nothing
/// but [`Denied::Unknown`].
pub fn verify(index: &Index, usage: &Usage, text: &str, scope: Option<&str>, now: Now) -> Verdict {
    let found = Presented::parse(text).ok().and_then(|text| index.find(&Digest::of(text)));
    let Some(entry) = found else {
        usage.count_unknown();
        return Err(Denied::Unknown);
    };
    let admitted = admit(&entry, scope, now);
    let outcome = admitted.as_ref().map_or_else(Denied::outcome, |_| Some(Outcome::Allowed));
    if let Some(outcome) = outcome {
        usage.count(&entry, outcome, now.unix);
    }
    admitted.map(|standing| Caller { entry, standing })
}

fn admit(entry: &Entry, scope: Option<&str>, now: Now) -> Result<Option<Standing>, Denied> {
    match entry.stage(now.unix) {
        Stage::Usable => {}
        Stage::Suspended => return Err(Denied::Suspended),
        Stage::Revoked => return Err(Denied::Revoked),
        Stage::Expired => return Err(Denied::Expired),
    }
    if scope.is_some_and(|scope| !entry.grants(scope)) {
        return Err(Denied::OutOfScope);
    }
    entry.tier().limits().take(entry.meter(), now.steady).map_err(Denied::Limited)
}

/// Why a request is refused. Holds neither the key's text nor anything about other keys.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No such key was ever issued, or the text cannot be a key.
    #[error("key is unknown")]
    Unknown,
    /// The key is suspended.
    #[error("key is suspended")]
    Suspended,
    /// The key is revoked.
    #[error("key is revoked")]
    Revoked,
    /// The key has expired.
    #[error("key has expired")]
    Expired,
    /// The key works but lacks the scope that was asked for.
    #[error("key lacks the scope")]
    OutOfScope,
    /// The key works but its limit is reached.
    #[error("limit is reached")]
    Limited(Exceeded),
}

impl Denied {
    /// When to try again, where waiting helps.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(exceeded) => Some(exceeded.retry_after),
            Self::Unknown | Self::Suspended | Self::Revoked | Self::Expired | Self::OutOfScope => {
                None
            }
        }
    }

    /// How the refusal is counted; `None` if there is no key to count it for.
    fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Unknown => None,
            Self::Suspended => Some(Outcome::Suspended),
            Self::Revoked => Some(Outcome::Revoked),
            Self::Expired => Some(Outcome::Expired),
            Self::OutOfScope => Some(Outcome::OutOfScope),
            Self::Limited(_) => Some(Outcome::Limited),
        }
    }
}

/// A verified key, as a handler sees it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Caller {
    entry: Arc<Entry>,
    standing: Option<Standing>,
}

impl Caller {
    /// The key's identity, which outlives its secrets.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.entry.id()
    }

    /// What people call the key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// The name of the key's tier.
    #[must_use]
    pub fn tier(&self) -> &str {
        self.entry.tier().name().as_str()
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.entry.scopes()
    }

    /// Whether the key may do what `asked` names, a `resource:action`.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.entry.grants(asked)
    }

    /// How the key stands with the tightest of its limits after this request; `None` if its tier
    /// sets none.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }
}

#[cfg(test)]
mod tests;
