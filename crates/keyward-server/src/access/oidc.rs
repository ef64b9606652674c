//! People: access tokens of an OpenID Connect issuer.
//!
//! A token is taken if the issuer signed it, for us, and its time is now (RFC 7519, RFC 9068).
//! [`token`] reads tokens, [`keys`] knows the issuer's keys, [`issuer`] fetches them.

mod claims;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod issuer;
mod keys;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use keyward::Now;
use thiserror::Error;

use self::claims::Claims;
use self::issuer::Issuer;
use self::token::Token;
use crate::role::Role;
use crate::settings::People;

/// Judges tokens.
pub(super) struct Oidc {
    people: People,
    issuer: Arc<Issuer>,
}

/// Whom a token is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Their name in the audit trail.
    pub(super) name: String,
    /// The highest of their roles, if they have one.
    pub(super) role: Option<Role>,
}

/// Why a token does not identify a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenError {
    /// It is none, or not for us, or not now.
    Invalid(Invalid),
    /// It is unknown: the issuer's keys could not be read, or the clock is in doubt and the token
    /// is good by one of its readings only.
    Unknown,
}

/// The fault of a token. This is for our log; the client learns nothing of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Invalid {
    /// It does not have the form.
    #[error("it is not a signed token")]
    Form,
    /// An algorithm that is not taken, `none` and all that need a shared secret among them.
    #[error("its algorithm is not RS256, ES256, EdDSA or Ed25519")]
    Algorithm,
    /// It has extensions that must be understood, and are not.
    #[error("it has critical extensions")]
    Critical,
    /// The issuer has no such key for this algorithm.
    #[error("the issuer has no such key")]
    Key,
    /// The signature is not that of the key.
    #[error("its signature is wrong")]
    Signature,
    /// Another issuer made it.
    #[error("its issuer is another")]
    Issuer,
    /// It is for another audience.
    #[error("its audience is another")]
    Audience,
    /// It has expired, or has no expiry.
    #[error("it has expired")]
    Expired,
    /// It will be good later, or was made in the future.
    #[error("it is not good yet")]
    NotYet,
    /// It names no person.
    #[error("it names nobody")]
    Nobody,
}

impl Oidc {
    /// Judges by these settings. Nothing is fetched until the first token comes.
    pub(super) fn new(people: People) -> Self {
        let issuer = Issuer::new(people.issuer.clone(), &people.trust);
        Self { people, issuer: Arc::new(issuer) }
    }

    /// The settings that it judges by.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// Returns the person of a token.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError`] if it is not good, or if that cannot be known.
    pub(super) async fn identify(&self, text: &str, now: Now) -> Result<Person, TokenError> {
        let token = Token::parse(text).map_err(TokenError::Invalid)?;
        let keys = self.issuer.keys_for(&token, now.steady).await?;
        let claims = keys.verify(&token).map_err(TokenError::Invalid)?;
        let claims = Claims::parse(&claims).map_err(TokenError::Invalid)?;
        let judged = claims.judge(&self.people, now.unix);
        // A clock that was set back must not make a token good again.
        let differs = || judged.is_ok() != claims.judge(&self.people, now.latest()).is_ok();
        if now.is_in_doubt() && differs() {
            return Err(TokenError::Unknown);
        }
        judged.map_err(TokenError::Invalid)
    }
}
