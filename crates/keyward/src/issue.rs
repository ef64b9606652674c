//! The request for a key, and the result of issuing it.

use crate::details::{Notes, Version, Versions};
use crate::key::{Prefix, Secret};
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KeyId, KeyName, KeyState, Owner, Scopes};
use crate::stored::{OwnedKey, StoredSecret, Unkept};
use crate::tier::TierName;
use crate::time::UnixMillis;

/// A request for a key.
///
/// There is no `Default`: forgetting the expiry must not mean "never".
///
/// ```
/// use keyward::details::Metadata;
/// use keyward::issue::NewKey;
/// use keyward::record::Scopes;
/// use keyward::time::UnixMillis;
///
/// let expires_at = Some(UnixMillis(1_798_761_600_000));
/// let key = NewKey {
///     owner: Some("acme".parse()?),
///     scopes: Scopes::new(vec!["articles:read".parse()?])?,
///     notes: r#"{"ticket":"OPS-17"}"#.parse::<Metadata>()?.into(),
///     ..NewKey::plain("weather-bot".parse()?, "basic".parse()?, expires_at)
/// };
/// assert!(key.scopes.grants("articles:read"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What people will call it.
    pub name: KeyName,
    /// The tier that sets its limits.
    pub tier: TierName,
    /// To whom it will belong.
    pub owner: Option<Owner>,
    /// Its scopes, for requests that require one.
    pub scopes: Scopes,
    /// Where it may be used from.
    pub networks: Networks,
    /// Its own limits, which replace its tier's.
    pub limits: Option<Limits>,
    /// The operators' notes about it.
    pub notes: Notes,
    /// The prefix of its secrets; `None` is the gate's.
    pub prefix: Option<Prefix>,
    /// The first instant at which it no longer works; `None` is never.
    pub expires_at: Option<UnixMillis>,
}

impl NewKey {
    /// A key of a tier with an expiry, or deliberately without one, and nothing else.
    ///
    /// ```
    /// use keyward::issue::NewKey;
    ///
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// assert!(key.scopes.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn plain(name: KeyName, tier: TierName, expires_at: Option<UnixMillis>) -> Self {
        Self {
            name,
            tier,
            owner: None,
            scopes: Scopes::default(),
            networks: Networks::default(),
            limits: None,
            notes: Notes::default(),
            prefix: None,
            expires_at,
        }
    }

    /// The key as a store is asked to keep it.
    #[must_use]
    pub fn with_secret(self, secret: StoredSecret) -> Unkept {
        Unkept {
            id: None,
            version: Version::FIRST,
            name: self.name,
            tier: self.tier,
            tier_id: None,
            tier_gone: false,
            owner: self.owner,
            scopes: self.scopes,
            networks: self.networks,
            limits: self.limits,
            notes: self.notes,
            state: KeyState::Active,
            revoked_reason: None,
            expires_at: self.expires_at,
            created_at: secret.created_at,
            last_used_at: None,
            secret,
            former: Vec::new(),
        }
    }
}

/// A key that was just issued. Of all values only this and [`Rotated`] ever hold both a key's id
/// and its secret; dropping it wipes the secret.
///
/// ```
/// use keyward::issue::Issued;
///
/// /// What the operator is shown, this once.
/// fn shown(issued: &Issued) -> String {
///     format!("key {}: {}", issued.key_id, issued.secret.expose())
/// }
/// ```
#[derive(Debug)]
pub struct Issued {
    /// The key's identity.
    pub key_id: KeyId,
    /// The secret that the caller will present; to be shown now or never.
    pub secret: Secret,
    /// The requested key.
    pub key: NewKey,
    /// The first characters of the secret.
    pub hint: String,
    /// When it was issued.
    pub created_at: UnixMillis,
    /// Its version, and its owner's.
    pub versions: Versions,
    /// Whether every gate over the store knows it by now; `None` if there is one. One that does
    /// not may deny it until it has heard of it, and for as long as a lease at most.
    pub everywhere: Option<bool>,
}

/// A key that was just given another secret, which dropping it wipes.
///
/// ```
/// use keyward::issue::Rotated;
///
/// /// What the operator is shown, this once.
/// fn shown(rotated: &Rotated) -> String {
///     let until = match rotated.grace_until {
///         Some(until) => format!("until {}", until.0),
///         None => "no longer".to_owned(),
///     };
///     format!("{}; the secret before works {until}", rotated.secret.expose())
/// }
/// ```
#[derive(Debug)]
pub struct Rotated {
    /// The secret that the caller will present from now on; to be shown now or never.
    pub secret: Secret,
    /// The first characters of the secret.
    pub hint: String,
    /// Until when the secret before works; `None` if it does not any more.
    pub grace_until: Option<UnixMillis>,
    /// The key as it is now, and its owner.
    pub key: OwnedKey,
}
