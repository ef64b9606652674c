//! People: access tokens of an OpenID Connect issuer.
//!
//! A token is taken if the issuer signed it, for us, and its time is now (RFC 7519, RFC 9068).
//! [`token`] reads tokens, [`jwks`] is the issuer's JWKS, [`issuer`] fetches them.

mod claims;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod issuer;
mod jwks;
#[cfg(test)]
mod tests;
mod token;
pub(super) mod verdict;

use std::sync::Arc;

use keyward::Now;

use self::claims::Claims;
use self::issuer::Issuer;
use self::token::Token;
use self::verdict::{Person, TokenError};
use crate::counts::Results;
use crate::people::People;

/// Judges tokens.
pub(super) struct Oidc {
    people: People,
    issuer: Arc<Issuer>,
}

impl Oidc {
    /// Judges by these settings, and counts how often the issuer's keys are fetched. Nothing is
    /// fetched until the first token comes.
    pub(super) fn new(people: People, fetches: &Results) -> Self {
        let issuer = Issuer::new(people.issuer.clone(), &people.trust, fetches.clone());
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
