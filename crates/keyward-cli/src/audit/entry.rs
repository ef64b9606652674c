//! Reading an entry of the audit trail as the server shows it.

use jiff::Timestamp;
use keyward::UnixMillis;
use keyward::audit::{AuditEntry, ChainDigest, ChangeId};
use keyward::json;
use keyward_api::shapes::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of an entry. Unknown fields are ignored: the digest does not cover them.
#[derive(Debug, Deserialize)]
struct Fields {
    id: u64,
    at: String,
    actor: String,
    address: Option<String>,
    verb: String,
    /// A plain number, as the tier and the owner are texts: the trail is checked as it was written.
    key_id: Option<u64>,
    tier: Option<String>,
    owner: Option<String>,
    request_id: Option<String>,
    details: Option<Box<RawValue>>,
    previous: String,
    digest: String,
}

/// Reads an entry, with its details verbatim.
///
/// # Errors
///
/// Returns the fault if the text is no entry.
pub(super) fn parse(text: &str) -> Result<AuditEntry, String> {
    let fields: Fields = json::from_str(text).map_err(|error| error.to_string())?;
    let at = parse_time(&fields.at).ok_or("`at` is no time")?;
    // `null` is read as no details, from any source.
    let details = fields.details.map(|details| details.get().to_owned());
    Ok(beyond_names(AuditEntry {
        id: ChangeId(fields.id),
        at,
        actor: fields.actor,
        address: fields.address,
        verb: fields.verb,
        key_id: fields.key_id,
        tier: fields.tier,
        owner: fields.owner,
        request_id: fields.request_id,
        details: details.filter(|details| details != "null"),
        previous: parse_digest(&fields.previous)?,
        digest: parse_digest(&fields.digest)?,
    }))
}

/// Reads a time. One before 1970, which no program wrote, is a number of the upper half.
fn parse_time(text: &str) -> Option<UnixMillis> {
    let time =
        || Some(UnixMillis(text.parse::<Timestamp>().ok()?.as_millisecond().cast_unsigned()));
    // A `Timestamp` ends a day before the year 9999 does.
    Time::parse(text).map(|Time(at)| at).or_else(time)
}

/// The entry as it was written, if its time cannot be written in RFC 3339: the server shows all of
/// these as the last time that can.
fn beyond_names(entry: AuditEntry) -> AuditEntry {
    const LAST: UnixMillis = UnixMillis(253_402_300_799_999);
    if entry.at != LAST || entry.seal() == entry.digest {
        return entry;
    }
    AuditEntry { at: UnixMillis(u64::MAX), ..entry }
}

/// Reads a digest in hex.
pub(super) fn parse_digest(text: &str) -> Result<ChainDigest, String> {
    ChainDigest::from_hex(text).ok_or_else(|| "a digest is 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use keyward_api::audit::AuditView;

    use super::super::chain::testing::trail;
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
    fn an_entry_is_read_whatever_was_made_of_it() {
        let digest = "ab".repeat(32);
        let text = format!(
            r#"{{"id":7,"at":"1969-12-31T23:59:59.999Z","actor":"","address":"x","verb":"frob",
            "key_id":0,"tier":"A B","owner":"x y","request_id":null,"details":null,
            "previous":"{digest}","digest":"{digest}"}}"#
        );
        let entry = parse(&text).unwrap();
        assert_eq!((entry.at, entry.key_id), (UnixMillis(u64::MAX), Some(0)));
        let last = text.replace("1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z");
        assert_eq!(parse(&last).unwrap().at, UnixMillis(u64::MAX));
        assert_eq!((entry.tier.as_deref(), entry.owner.as_deref()), (Some("A B"), Some("x y")));
    }

    #[test]
    fn an_entry_of_the_last_day_that_has_a_name_is_as_it_was_written() {
        for at in [253_402_207_200_000, 253_402_214_400_000, 253_402_300_799_999, u64::MAX] {
            let mut entry = AuditEntry { at: UnixMillis(at), ..trail(1).remove(0) };
            entry.digest = entry.seal();
            let shown = serde_json::to_string(&AuditView::of(entry.clone())).unwrap();
            assert_eq!(parse(&shown).unwrap(), entry, "{shown}");
        }
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        for text in ["", "ab", &"g".repeat(64), &"ü".repeat(32), &"a".repeat(65)] {
            assert!(parse_digest(text).is_err(), "{text}");
        }
    }
}
