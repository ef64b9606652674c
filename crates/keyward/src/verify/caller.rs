//! A verified key.

use crate::digest::Digest;
use crate::index::Entry;
use crate::limit::{Standing, Standings};
use crate::record::KeyId;
use crate::time::UnixMillis;

use super::KeyRef;

/// A verified key, as a handler sees it: as it was when the request was let in, whatever becomes of
/// the key. Cloning takes no memory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::audit::Audit;
/// use keyward::issue::NewKey;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::record::Scopes;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
/// use keyward::{Asked, Gate};
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// let at = UnixMillis(1_767_225_600_000);
/// let scopes = Scopes::new(vec!["articles:*".parse()?])?;
/// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
/// let key = NewKey { owner: Some("acme".parse()?), scopes, ..key };
/// let secret = gate.issue(key, Audit::program(at)).await?.secret;
/// let asked = Asked::of(secret.expose());
/// let caller = gate.verify(&asked, Now::new(at, SteadyNanos(0))).unwrap();
///
/// assert_eq!((caller.key_id().get(), caller.name()), (1, "weather-bot"));
/// assert_eq!((caller.tier(), caller.owner()), ("basic", Some("acme")));
/// assert!(caller.grants("articles:read") && !caller.grants("keys:read"));
/// assert_eq!(caller.standing().map(|standing| standing.remaining), Some(99));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    key: KeyRef,
    /// Of the secret that was the key's present one.
    digest: Digest,
    standings: Standings,
}

impl Caller {
    #[inline(always)]
    pub(super) fn of(entry: &Entry, standings: Standings) -> Self {
        Self { key: KeyRef::of(entry), digest: *entry.digest(), standings }
    }

    /// The key, as it was when the request was let in.
    #[must_use]
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// The key's identity, which outlives its secrets.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key.key_id()
    }

    /// The digest of the secret that was the key's present one.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What people call the key.
    ///
    /// ```
    /// use keyward::Caller;
    ///
    /// fn greeting(caller: &Caller) -> String {
    ///     format!("Hello, {}!", caller.name())
    /// }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The name of the key's tier.
    #[must_use]
    pub fn tier(&self) -> &str {
        self.key.tier()
    }

    /// To whom the key belongs, if that is known.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.key.owner()
    }

    /// The first instant at which the key no longer works; `None` is never.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.key.expires_at()
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.key.scopes()
    }

    /// Whether the key may do what `asked` names, a `resource:action`.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.key.grants(asked)
    }

    /// The state of the caller's limit with the smallest remaining, after this request; `None`
    /// without a limit.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standings.shown()
    }

    /// The state of each of the caller's limits after this request: first the limits of the key or
    /// its tier, in their order, then the limits of its owner, named `owner:` and their name.
    #[must_use]
    pub fn standings(&self) -> &Standings {
        &self.standings
    }
}
