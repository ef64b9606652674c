//! The key that a secret belongs to, found by its digest: the secret itself is not sent.

use std::collections::HashSet;

use keyward::UnixMillis;
use keyward::digest::Digest;
use keyward::stored::OwnedKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::body;
use crate::body::{At, Field, Read, list};
use crate::shapes::{DigestText, KeyNameText, KeyNumber, PrefixText, Time};
use crate::words::{StageWord, Word};

/// Most digests of one request.
pub const DIGESTS_MAX: usize = 1_000;

/// Digests to look up.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentifyBody {
    #[schema(value_type = Vec<DigestText>, min_items = 1, max_items = 1_000)]
    pub digests: Digests,
}

body!(IdentifyBody as IdentifyDraft { digests });

/// Digests, each once; at least one.
#[derive(Clone, Debug)]
pub struct Digests(pub Vec<Digest>);

impl Field for Digests {
    fn read(at: &At<'_>, value: Value) -> Read<Self> {
        let mut digests = list::<Digest>(at, value, DIGESTS_MAX)?;
        if digests.is_empty() {
            let message = "List should have at least 1 item after validation, not 0";
            return Err(at.fault("too_short", message, Value::Null));
        }
        let mut seen = HashSet::new();
        digests.retain(|digest| seen.insert(*digest.as_bytes()));
        Ok(Self(digests))
    }
}

/// The secrets that are known.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MatchList {
    #[schema(max_items = 1_000)]
    pub matches: Vec<Match>,
}

/// A secret that is known, and its key.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Match {
    pub digest: DigestText,
    pub key_id: KeyNumber,
    pub name: KeyNameText,
    #[schema(value_type = StageWord)]
    pub state: Word<StageWord>,
    #[schema(value_type = SecretView)]
    pub secret: Word<SecretView>,
    /// When a former secret stops working, or stopped; `null` for the present one.
    #[schema(required)]
    pub ends_at: Option<Time>,
}

/// Which of a key's secrets.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretView {
    /// Its present one.
    Current,
    /// One that it had before; it works as long as its grace.
    Former,
}

impl MatchList {
    /// The keys of these digests; one of a former secret has an end.
    #[must_use]
    pub fn of(found: &[(Digest, Option<UnixMillis>, OwnedKey)], now: UnixMillis) -> Self {
        let matched = |(digest, ends_at, key): &(Digest, Option<UnixMillis>, OwnedKey)| Match {
            digest: DigestText(digest.to_hex()),
            key_id: key.key.id.into(),
            name: KeyNameText(key.key.name.as_str().to_owned()),
            state: Word::Known(StageWord(key.stage(now))),
            secret: Word::Known(match ends_at {
                None => SecretView::Current,
                Some(_) => SecretView::Former,
            }),
            ends_at: ends_at.map(Time),
        };
        Self { matches: found.iter().map(matched).collect() }
    }
}

/// The prefixes of the secrets of keys.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct PrefixList {
    #[schema(value_type = Vec<PrefixText>)]
    pub prefixes: Vec<String>,
}
