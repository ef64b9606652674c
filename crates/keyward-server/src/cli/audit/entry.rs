//! Reading an entry of the audit trail as the server shows it.

use jiff::Timestamp;
use keyward::audit::{AuditEntry, ChainDigest, ChangeId};
use keyward::{KeyId, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The members of an entry. Those that are unknown are left aside: the digest does not cover them.
#[derive(Debug, Deserialize)]
struct Members {
    id: u64,
    at: String,
    actor: String,
    address: Option<String>,
    verb: String,
    key_id: Option<u64>,
    tier: Option<String>,
    owner: Option<String>,
    request_id: Option<String>,
    details: Option<Box<RawValue>>,
    previous: String,
    digest: String,
}

/// Reads an entry, its details to the letter.
///
/// # Errors
///
/// Returns what is wrong if it is none.
pub(super) fn parse(text: &str) -> Result<AuditEntry, String> {
    let members: Members = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let at: Timestamp = members.at.parse().map_err(|_| "`at` is no time".to_owned())?;
    let at = u64::try_from(at.as_millisecond());
    let key_id = members.key_id.map(|id| KeyId::new(id).ok_or("`key_id` is none"));
    let tier = members.tier.map(|tier| tier.parse().map_err(|_| "`tier` names none"));
    let owner = members.owner.map(|owner| owner.parse().map_err(|_| "`owner` is none"));
    // `null` is read as no details wherever it comes from.
    let details = members.details.map(|details| details.get().to_owned());
    Ok(AuditEntry {
        id: ChangeId(members.id),
        at: UnixMillis(at.map_err(|_| "its time is before 1970".to_owned())?),
        actor: members.actor,
        address: members.address,
        verb: members.verb,
        key_id: key_id.transpose()?,
        tier: tier.transpose()?,
        owner: owner.transpose()?,
        request_id: members.request_id,
        details: details.filter(|details| details != "null"),
        previous: parse_digest(&members.previous)?,
        digest: parse_digest(&members.digest)?,
    })
}

/// Reads a digest in hex.
pub(super) fn parse_digest(text: &str) -> Result<ChainDigest, String> {
    ChainDigest::from_hex(text).ok_or_else(|| "a digest is 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_its_details_to_the_letter() {
        let digest = "ab".repeat(32);
        let text = format!(
            r#"{{"id":7,"at":"2026-11-24T09:30:00.123Z","actor":"admin-key","address":null,
            "verb":"edit","key_id":3,"tier":null,"owner":null,"request_id":"r1",
            "details":{{"n":1.10,"b":1e3}},"previous":"{digest}","digest":"{digest}","new":1}}"#
        );
        let entry = parse(&text).unwrap();
        assert_eq!(entry.details.as_deref(), Some(r#"{"n":1.10,"b":1e3}"#));
        assert_eq!((entry.id, entry.at), (ChangeId(7), UnixMillis(1_795_512_600_123)));
        assert_eq!(entry.previous, ChainDigest([0xab; 32]));
        let none = text.replace(r#"{"n":1.10,"b":1e3}"#, "null");
        assert_eq!(parse(&none).unwrap().details, None);
        assert!(parse(&text.replace("\"actor\"", "\"who\"")).is_err());
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        for text in ["", "ab", &"g".repeat(64), &"ü".repeat(32), &"a".repeat(65)] {
            assert!(parse_digest(text).is_err(), "{text}");
        }
    }
}
