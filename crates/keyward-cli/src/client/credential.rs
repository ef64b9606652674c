//! How a command authenticates: with the admin key, or as a person.

use http::header::AUTHORIZATION;
use keyward_api::access_token::AccessToken;
use keyward_api::admin_key::AdminKey;

/// The credential that each request carries.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The server's admin key.
    AdminKey(AdminKey),
    /// The access token of a person.
    Token(AccessToken),
}

impl Credential {
    /// The request with the credential.
    pub(super) fn present(&self, request: http::request::Builder) -> http::request::Builder {
        match self {
            Self::AdminKey(key) => request.header("x-admin-key", key.expose()),
            Self::Token(token) => request.header(AUTHORIZATION, token.authorization().as_str()),
        }
    }
}
