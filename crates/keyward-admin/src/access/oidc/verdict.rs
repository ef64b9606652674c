//! The verdicts on tokens.

use thiserror::Error;

use crate::role::Role;

/// Whom a token is about.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::access) struct Person {
    /// Their name in the audit trail.
    pub(in crate::access) name: String,
    /// The highest of their roles, if they have one.
    pub(in crate::access) role: Option<Role>,
}

/// Why a token does not identify a person.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::access) enum TokenError {
    /// It is none, or not for us, or not now.
    Invalid(Invalid),
    /// It is unknown: the issuer's keys could not be read, or the clock is in doubt and the token
    /// is good by one of its readings only.
    Unknown,
}

/// The fault of a token. This is for our log; the client learns nothing of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(in crate::access) enum Invalid {
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
    #[error("it names no person")]
    Nobody,
}
