//! An entry of the audit trail as the server shows it, and the fields that its digest covers.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One change, as it stands in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) at_ms: u64,
    pub(super) actor: String,
    pub(super) address: Option<String>,
    pub(super) verb: String,
    pub(super) key_id: Option<u64>,
    pub(super) tier: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) request_id: Option<String>,
    /// Compact JSON, letter by letter as it was stored.
    pub(super) details: Option<String>,
    /// What this entry says the digest of the one before it is.
    pub(super) previous: [u8; 32],
    /// What this entry says its own digest is.
    pub(super) digest: [u8; 32],
}

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

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let members: Members = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let at: Timestamp = members.at.parse().map_err(|_| "`at` is no time".to_owned())?;
        let at_ms = u64::try_from(at.as_millisecond());
        // `null` is read as no details wherever it comes from.
        let details = members.details.map(|details| details.get().to_owned());
        Ok(Self {
            id: members.id,
            at_ms: at_ms.map_err(|_| "its time is before 1970".to_owned())?,
            actor: members.actor,
            address: members.address,
            verb: members.verb,
            key_id: members.key_id,
            tier: members.tier,
            owner: members.owner,
            request_id: members.request_id,
            details: details.filter(|details| details != "null"),
            previous: parse_digest(&members.previous)?,
            digest: parse_digest(&members.digest)?,
        })
    }
}

/// Reads a digest in hex.
pub(super) fn parse_digest(text: &str) -> Result<[u8; 32], String> {
    let problem = || "a digest is 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(problem());
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).ok_or_else(problem)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| problem())?;
    }
    Ok(digest)
}

/// Writes a digest in hex.
pub(super) fn digest_text(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
        let entry = Entry::parse(&text).unwrap();
        assert_eq!(entry.details.as_deref(), Some(r#"{"n":1.10,"b":1e3}"#));
        assert_eq!((entry.id, entry.at_ms), (7, 1_795_512_600_123));
        assert_eq!(entry.previous, [0xab; 32]);
        let none = text.replace(r#"{"n":1.10,"b":1e3}"#, "null");
        assert_eq!(Entry::parse(&none).unwrap().details, None);
        assert!(Entry::parse(&text.replace("\"actor\"", "\"who\"")).is_err());
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(digest_text(&parse_digest(&text).unwrap()), text);
        for text in ["", "ab", &"g".repeat(64), &"ü".repeat(32), &"a".repeat(65)] {
            assert!(parse_digest(text).is_err(), "{text}");
        }
    }
}
