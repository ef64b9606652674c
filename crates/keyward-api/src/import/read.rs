//! Reading one key of an import: a fault rejects that key alone, with a reason in words.

use std::fmt::{self, Display};
use std::str::FromStr;

use keyward::details::{Metadata, Notes, Reason, Version};
use keyward::digest::Digest;
use keyward::key::Presented;
use keyward::limit::Limits;
use keyward::network::Networks;
use keyward::record::{KeyState, Owner, Scopes};
use keyward::scan::holds_key;
use keyward::stored::{FormerSecret, StoredSecret, Unkept};
use keyward::transfer::{COPY_ID_MAX, COPY_SECRETS_MAX};
use keyward::{KeyId, UnixMillis};
use keyward_http::fault::hide_keys;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::object::Object;
use crate::MISPLACED;
use crate::limit::{LimitBody, LimitView};
use crate::shapes::{
    HINT_LEN_MAX, NetworkText, NewNameText, OwnerText, ReasonText, ScopeText, TierText, Time,
    TimeText,
};
use crate::transfer::ImportDigest;

/// A key that came from elsewhere. A field that is left out is empty, or as for a new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportKey)]
pub struct ImportKeyBody {
    /// The id that it is to keep, if no other key has it. Half of all ids are left for new keys.
    #[schema(minimum = 1, maximum = 4_503_599_627_370_495_i64)]
    key_id: Option<u64>,
    #[schema(value_type = NewNameText)]
    name: String,
    #[schema(value_type = Option<TierText>, default = "basic")]
    tier: Option<String>,
    /// That its tier is gone, which goes with the state `revoked` alone. A revoked key whose tier
    /// is not there counts as such a key in any case.
    tier_gone: Option<bool>,
    #[schema(value_type = Option<OwnerText>)]
    owner: Option<String>,
    #[schema(value_type = Option<Vec<ScopeText>>, max_items = 32)]
    scopes: Option<Vec<String>>,
    #[schema(value_type = Option<Vec<NetworkText>>, max_items = 32)]
    networks: Option<Vec<String>>,
    #[schema(value_type = Option<Vec<LimitView>>, max_items = 8)]
    limits: Option<Vec<Object<LimitBody>>>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    state: Option<StateBody>,
    #[schema(value_type = Option<TimeText>)]
    created_at: Option<String>,
    #[schema(value_type = Option<TimeText>)]
    expires_at: Option<String>,
    #[schema(value_type = Option<TimeText>)]
    last_used_at: Option<String>,
    /// When it was revoked; now, if that is not known. It goes with the state `revoked` alone.
    #[schema(value_type = Option<TimeText>)]
    revoked_at: Option<String>,
    /// When it got its present secret, unless that is said there.
    #[schema(value_type = Option<TimeText>)]
    rotated_at: Option<String>,
    /// Why it was revoked. It goes with the state `revoked` alone.
    #[schema(value_type = Option<ReasonText>)]
    revoked_reason: Option<String>,
    /// The digests of its secrets, oldest first; the one without an end is its present one.
    #[schema(value_type = Vec<SecretBody>, min_items = 1, max_items = 100)]
    secrets: Vec<Object<SecretBody>>,
}

/// The operator's decision about a key itself.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateBody {
    #[default]
    Active,
    Suspended,
    Revoked,
}

/// The stored form of a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// SHA-256 of its text: 64 hexadecimal digits, or base64 of either alphabet.
    #[schema(pattern = "^([0-9A-Fa-f]{64}|[0-9A-Za-z+/_-]{43}=?)$")]
    digest: String,
    /// The first characters of its text, by which people recognise it.
    #[schema(max_length = 29)]
    hint: Option<String>,
    #[schema(value_type = Option<TimeText>)]
    created_at: Option<String>,
    /// When its grace ends; `null` for the key's present secret.
    #[schema(value_type = Option<TimeText>)]
    ends_at: Option<String>,
}

impl fmt::Debug for ImportKeyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportKeyBody").finish_non_exhaustive()
    }
}

impl ImportKeyBody {
    /// Reads a key; the error says which field does not fit, and why.
    ///
    /// # Errors
    ///
    /// Returns the reason why the key is rejected, with the name of its field.
    pub fn read(text: &RawValue, now: UnixMillis) -> Result<Unkept, String> {
        let body = serde_json::from_str(text.get());
        let Object(body): Object<Self> = body.map_err(|error| without_line(&error))?;
        body.into_key(now)
    }

    fn into_key(self, now: UnixMillis) -> Result<Unkept, String> {
        let created_at = time("created_at", self.created_at)?.unwrap_or(now);
        let rotated_at = time("rotated_at", self.rotated_at)?;
        let (secret, former) = secrets(self.secrets, created_at, rotated_at)?;
        let revoked_at = time("revoked_at", self.revoked_at)?;
        let revoked_reason = reason(self.revoked_reason)?;
        let state = state(self.state, revoked_at, revoked_reason.as_ref(), now)?;
        let tier_gone = self.tier_gone.unwrap_or_default();
        if tier_gone && !state.is_revoked() {
            return Err("tier_gone: it goes with the state revoked".to_owned());
        }
        let limits = self.limits.map(|limits| {
            let limits = limits.iter().map(|Object(limit)| limit.read()).collect::<Result<_, _>>();
            limits.and_then(|limits| Limits::new(limits).map_err(|error| error.to_string()))
        });
        let key = Unkept {
            id: self.key_id.map(id).transpose()?,
            version: Version::FIRST,
            name: parse("name", &self.name)?,
            tier: parse("tier", self.tier.as_deref().unwrap_or("basic"))?,
            tier_id: None,
            tier_gone,
            owner: self.owner.map(|owner| parse("owner", &owner)).transpose()?,
            scopes: parsed("scopes", Scopes::new(parse_all("scopes", self.scopes)?))?,
            networks: parsed("networks", Networks::new(parse_all("networks", self.networks)?))?,
            limits: parsed("limits", limits.transpose())?,
            notes: Notes { metadata: metadata(self.metadata.as_deref())? },
            state,
            revoked_reason,
            expires_at: time("expires_at", self.expires_at)?,
            created_at,
            last_used_at: time("last_used_at", self.last_used_at)?,
            secret,
            former,
        };
        if let Some(field) = misplaced_in(&key) {
            return Err(format!("{field}: {}", MISPLACED));
        }
        Ok(key)
    }
}

/// The field with a whole key in it, if there is one. The fields that are not checked are too short
/// for one.
fn misplaced_in(key: &Unkept) -> Option<&'static str> {
    // Written anew, since a key may be sent with an escape sequence in it.
    let metadata = key.notes.metadata.to_json().to_string();
    let fields = [
        ("name", Some(key.name.as_str())),
        ("owner", key.owner.as_ref().map(Owner::as_str)),
        ("revoked_reason", key.revoked_reason.as_ref().map(Reason::as_str)),
        ("metadata", Some(metadata.as_str())),
    ];
    let scopes = key.scopes.iter().map(|scope| ("scopes", Some(scope.as_str())));
    let mut fields = fields.into_iter().chain(scopes);
    fields.find(|(_, text)| text.is_some_and(holds_key)).map(|(field, _)| field)
}

fn id(number: u64) -> Result<KeyId, String> {
    let id = KeyId::new(number).filter(|id| id.get() <= COPY_ID_MAX);
    id.ok_or_else(|| format!("key_id: a whole number from 1 to {COPY_ID_MAX}"))
}

/// The state of a key. One with a revocation and another state is rejected: its author meant it to
/// be dead.
fn state(
    said: Option<StateBody>,
    revoked_at: Option<UnixMillis>,
    reason: Option<&Reason>,
    now: UnixMillis,
) -> Result<KeyState, String> {
    let state = match said.unwrap_or_default() {
        StateBody::Revoked => {
            return Ok(KeyState::Revoked { at: revoked_at.unwrap_or(now) });
        }
        StateBody::Active => KeyState::Active,
        StateBody::Suspended => KeyState::Suspended,
    };
    let lone = revoked_at.map(|_| "revoked_at").or(reason.map(|_| "revoked_reason"));
    lone.map_or(Ok(state), |field| Err(format!("{field}: it goes with the state revoked")))
}

/// The present secret, and the former ones with their ends.
type Secrets = (StoredSecret, Vec<FormerSecret>);

fn secrets(
    bodies: Vec<Object<SecretBody>>,
    created_at: UnixMillis,
    rotated_at: Option<UnixMillis>,
) -> Result<Secrets, String> {
    if COPY_SECRETS_MAX < bodies.len() {
        return Err(format!("secrets: at most {COPY_SECRETS_MAX}"));
    }
    let (mut present, mut former) = (None, Vec::new());
    for Object(body) in bodies {
        let digest = parsed("secrets", ImportDigest::parse(&body.digest))?.0;
        let hint = body.hint.unwrap_or_default();
        if Presented::parse(&hint).is_ok_and(|text| Digest::of(text) == digest) {
            return Err(
                "secrets: a hint is the beginning of a secret, and not all of it".to_owned()
            );
        }
        if HINT_LEN_MAX < hint.len() || !hint.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("secrets: a hint has at most {HINT_LEN_MAX} visible characters"));
        }
        let ends_at = time("secrets: ends_at", body.ends_at)?;
        let since = rotated_at.filter(|_| ends_at.is_none()).unwrap_or(created_at);
        let secret = StoredSecret {
            digest,
            hint,
            created_at: time("secrets: created_at", body.created_at)?.unwrap_or(since),
        };
        match ends_at {
            Some(ends_at) => former.push(FormerSecret { secret, ends_at }),
            None if present.is_some() => {
                return Err("secrets: more than one has no ends_at".to_owned());
            }
            None => present = Some(secret),
        }
    }
    let present = present.ok_or("secrets: one without ends_at is needed, the present one")?;
    Ok((present, former))
}

/// The metadata, which is read from its text: all digits of a number are there alone.
fn metadata(text: Option<&RawValue>) -> Result<Metadata, String> {
    text.map_or(Ok(Metadata::default()), |text| parse("metadata", text.get()))
}

fn reason(text: Option<String>) -> Result<Option<Reason>, String> {
    text.map(|text| parse("revoked_reason", &text)).transpose()
}

fn parsed<T, E: Display>(field: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{field}: {error}"))
}

fn parse<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, String> {
    parsed(field, text.parse())
}

fn parse_all<T: FromStr<Err: Display>>(
    field: &str,
    texts: Option<Vec<String>>,
) -> Result<Vec<T>, String> {
    texts.unwrap_or_default().iter().map(|text| parse(field, text)).collect()
}

fn time(field: &str, text: Option<String>) -> Result<Option<UnixMillis>, String> {
    let Some(text) = text else { return Ok(None) };
    let at = Time::parse(&text).ok_or_else(|| {
        format!("{field}: a time is RFC 3339 from 1970 on, such as 2030-01-31T12:00:00Z")
    })?;
    Ok(Some(at.0))
}

/// The parser's message, without the line number, which counts within one key alone.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // It quotes names and words that it does not know, and one of them may be a key.
    hide_keys(text.split(" at line ").next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
