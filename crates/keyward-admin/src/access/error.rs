//! Why the sender of a request is turned away, as a response and as a count.

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use keyward_axum::Rejection;

use crate::counts::Reason;

/// Why a request is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AccessError {
    /// Every request is rejected: there is neither an admin key nor an issuer.
    NotConfigured,
    /// Its address is not allowed, or unknown.
    Address,
    /// No admin key, or several.
    AdminKey,
    /// A wrong one.
    WrongKey,
    /// Another wrong admin key after too many.
    TooMany(Duration),
    /// Another token after too many wrong ones.
    TooManyTokens(Duration),
    /// The token is none that the issuer made for us, or its time is not now.
    Token,
    /// It cannot be decided: the issuer's keys could not be read.
    Issuer,
    /// They are who they are, but may not do this.
    Role,
}

impl AccessError {
    /// What it is counted as.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::NotConfigured => Reason::NotConfigured,
            Self::Address => Reason::Address,
            Self::AdminKey => Reason::NoKey,
            Self::WrongKey => Reason::WrongKey,
            Self::TooMany(_) => Reason::TooManyWrongKeys,
            Self::TooManyTokens(_) => Reason::TooManyWrongTokens,
            Self::Token => Reason::WrongToken,
            Self::Issuer => Reason::Unavailable,
            Self::Role => Reason::NoRole,
        }
    }
}

impl From<AccessError> for Rejection {
    fn from(rejected: AccessError) -> Self {
        let forbidden = |detail| Self::new(StatusCode::FORBIDDEN, detail);
        match rejected {
            AccessError::NotConfigured => {
                let detail = "ADMIN_API_KEY is not configured";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
            AccessError::Address => forbidden("Address not allowed"),
            AccessError::AdminKey | AccessError::WrongKey => forbidden("Invalid admin key"),
            AccessError::TooMany(retry_after) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong admin keys")
                    .retry_after(retry_after)
            }
            AccessError::TooManyTokens(retry_after) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many wrong access tokens")
                    .retry_after(retry_after)
            }
            AccessError::Token => {
                let challenge = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
                Self::new(StatusCode::UNAUTHORIZED, "Invalid access token")
                    .header(WWW_AUTHENTICATE, challenge)
            }
            AccessError::Issuer => Self::unavailable(),
            AccessError::Role => forbidden("Insufficient role"),
        }
    }
}
