//! Token introspection (RFC 7662).

use keyward::{KeyRef, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;

/// A question about a key.
#[derive(Debug, ToSchema)]
pub struct IntrospectionForm {
    /// The key.
    #[schema(min_length = 1, max_length = 512)]
    pub token: String,
    /// It is not read: every token is a key.
    pub token_type_hint: Option<String>,
    /// The door key, unless it is in `Authorization`.
    pub client_secret: Option<String>,
}

/// Whether a key works; nothing else of one that does not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Introspection)]
pub struct IntrospectionView {
    pub active: bool,
    #[serde(flatten)]
    #[schema(inline)]
    fields: Option<ActiveFields>,
}

/// The fields of a key that works (RFC 7662, section 2.2).
#[derive(Debug, Serialize, ToSchema)]
struct ActiveFields {
    /// Its scopes, separated by spaces.
    scope: Option<String>,
    /// Its id.
    client_id: Option<String>,
    /// Its owner; `key:` and its id if it has none.
    sub: Option<String>,
    /// Its name.
    username: Option<String>,
    /// `Bearer`.
    token_type: Option<&'static str>,
    /// The first second at which it no longer works.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    /// When it was issued, in seconds.
    iat: Option<u64>,
    /// Who issued it.
    iss: Option<&'static str>,
    /// Its id.
    jti: Option<String>,
    /// Its tier.
    keyward_tier: Option<String>,
}

impl IntrospectionView {
    /// A key that does not work, or may not be used from just anywhere.
    #[must_use]
    pub fn inactive() -> Self {
        Self { active: false, fields: None }
    }

    /// A key that works.
    #[must_use]
    pub fn active(key: &KeyRef, created_at: UnixMillis) -> Self {
        let id = key.key_id().to_string();
        let scopes: Vec<&str> = key.scopes().collect();
        let fields = ActiveFields {
            scope: Some(scopes.join(" ")),
            client_id: Some(id.clone()),
            sub: Some(key.owner().map_or_else(|| format!("key:{id}"), str::to_owned)),
            username: Some(key.name().to_owned()),
            token_type: Some("Bearer"),
            exp: key.expires_at().map(UnixMillis::ceil_secs),
            iat: Some(created_at.0 / 1_000),
            iss: Some("keyward"),
            jti: Some(id),
            keyward_tier: Some(key.tier().to_owned()),
        };
        Self { active: true, fields: Some(fields) }
    }
}
