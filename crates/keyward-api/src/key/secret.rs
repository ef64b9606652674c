//! Responses with a secret, which is shown only once.

use std::fmt;
use std::io;

use keyward::issue::{Issued, Rotated};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::limit::LimitView;
use crate::shapes::{KeyNameText, KeyNumber, NetworkText, OwnerText, ScopeText, TierText, Time};

/// The text of a secret, in memory that is wiped.
pub struct SecretText(pub Zeroizing<String>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

/// A key that was just issued: it is shown with its secret this once.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct IssuedKey {
    /// The secret. It is shown this once and stored nowhere.
    #[schema(value_type = String, example = "kw_EXAMPLE-shown-once-and-never-again")]
    pub api_key: SecretText,
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    pub tier: TierText,
    pub created_at: Time,
    /// The first characters of its secret, by which people recognise it.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    #[schema(max_items = 32)]
    pub scopes: Vec<ScopeText>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    pub expires_at: Option<Time>,
    #[schema(required)]
    pub owner: Option<OwnerText>,
    #[schema(max_items = 32)]
    pub networks: Vec<NetworkText>,
    /// Its own limits in place of its tier's; `[]` is no limit, and `null` its tier's.
    #[schema(required, max_items = 8)]
    pub limits: Option<Vec<LimitView>>,
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Its version: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub version: u64,
}

impl From<&Issued> for IssuedKey {
    fn from(issued: &Issued) -> Self {
        let Issued { key_id, secret, key, hint, created_at, versions } = issued;
        Self {
            api_key: SecretText(Zeroizing::new(secret.expose().to_owned())),
            key_id: (*key_id).into(),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            created_at: Time(*created_at),
            hint: hint.clone(),
            scopes: key.scopes.iter().cloned().map(ScopeText).collect(),
            expires_at: key.expires_at.map(Time),
            owner: key.owner.clone().map(OwnerText),
            networks: key.networks.iter().copied().map(NetworkText).collect(),
            limits: key.limits.as_ref().map(LimitView::all),
            metadata: key.metadata.to_json(),
            version: versions.key.get(),
        }
    }
}

/// A key that was just given another secret: it is shown with it this once.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct RotatedKey {
    /// The new secret. It is shown this once and stored nowhere.
    #[schema(value_type = String, example = "kw_EXAMPLE-shown-once-and-never-again")]
    pub api_key: SecretText,
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    pub tier: TierText,
    /// The first characters of the new secret.
    #[schema(example = "kw_Ab3d")]
    pub hint: String,
    /// Until when the secret before works; `null` if it does not any more.
    #[schema(required)]
    pub grace_until: Option<Time>,
    /// The first instant at which the key no longer works; `null` is never.
    #[schema(required)]
    pub expires_at: Option<Time>,
    /// Its version.
    #[schema(minimum = 2)]
    pub version: u64,
}

impl From<&Rotated> for RotatedKey {
    fn from(rotated: &Rotated) -> Self {
        let Rotated { secret, hint, grace_until, key: owned } = rotated;
        let key = &*owned.key;
        Self {
            api_key: SecretText(Zeroizing::new(secret.expose().to_owned())),
            key_id: key.id.into(),
            name: KeyNameText(key.name.as_str().to_owned()),
            tier: TierText(key.tier.clone()),
            hint: hint.clone(),
            grace_until: grace_until.map(Time),
            expires_at: key.expires_at.map(Time),
            version: key.version.get(),
        }
    }
}

/// A body as JSON, in memory that is wiped. It never grows, since growing would leave a copy of the
/// secret in memory.
///
/// # Errors
///
/// Returns the error of a body that cannot be written.
pub fn wiped_json(body: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    struct Counted(usize);

    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, body)?;
    let mut text = Zeroizing::new(Vec::with_capacity(counted.0));
    serde_json::to_writer(&mut *text, body)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_a_secret_is_written_into_memory_that_does_not_grow() {
        let secret = SecretText(Zeroizing::new("kw_\"ü".to_owned()));
        let text = wiped_json(&secret).unwrap();
        assert_eq!(
            &**text,
            br#""kw_\""#.iter().chain("ü\"".as_bytes()).copied().collect::<Vec<_>>()
        );
        assert_eq!(text.capacity(), text.len());
        assert_eq!(format!("{secret:?}"), "SecretText(…)");
    }
}
