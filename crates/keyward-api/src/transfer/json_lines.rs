//! JSON Lines: one object a line.

use std::io::{self, BufRead, Read as _};
use std::iter;

use keyward::json::{self, first_inexact_number};

use super::line::{Fields, NAMES};
use super::names::explain_unknown;
use super::words::json_fault;
use super::{INEXACT, Item, LINE_BYTES_MAX, Line, ReadError};

/// The byte order mark that Windows programs put in front of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads line after line; empty ones are left out, and counted. After an error nothing follows.
pub fn read_json_lines(mut from: impl BufRead) -> impl Iterator<Item = Result<Line, ReadError>> {
    let mut number = 0;
    let mut bytes = Vec::new();
    let mut ended = false;
    iter::from_fn(move || {
        while !ended {
            let fits = match read_bounded(&mut from, &mut bytes) {
                Ok(Some(fits)) => fits,
                Ok(None) => break,
                Err(error) => {
                    ended = true;
                    return Some(Err(error.into()));
                }
            };
            number += 1;
            let mut line = bytes.trim_ascii();
            if number == 1 {
                line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
            }
            if !fits {
                let item = Err("the line is longer than 64 KiB; no key is that large".to_owned());
                return Some(Ok(Line { number, item }));
            }
            if !line.is_empty() {
                return Some(Ok(Line { number, item: parse(line) }));
            }
        }
        ended = true;
        None
    })
}

/// Reads a line without its end, or as much of it as fits; `None` at the end of the file, and
/// `Some(false)` if it is too long.
fn read_bounded(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let most = LINE_BYTES_MAX + 1;
    let read = from.by_ref().take(most as u64).read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_some() || read < most {
        return Ok((read != 0).then_some(true));
    }
    super::csv::skip_line(from)?;
    Ok(Some(false))
}

pub(super) fn parse(line: &[u8]) -> Result<Item, String> {
    // Serde would take a list as well, field by field.
    if !line.starts_with(b"{") {
        return Err("the line is not a JSON object".to_owned());
    }
    let fields: Fields = json::from_slice(line).map_err(|error| explain(&error))?;
    if str::from_utf8(line).is_ok_and(|line| first_inexact_number(line).is_some()) {
        return Err(INEXACT.to_owned());
    }
    fields.item()
}

/// The fault, without the values: one of them may be a secret in the wrong field.
fn explain(error: &serde_json::Error) -> String {
    let (text, column) = (json_fault(error), error.column());
    if !error.is_data() {
        return format!("the line is not JSON: {text}, at column {column}");
    }
    let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    if let Some((name, _)) = unknown {
        return explain_unknown("field", name, &NAMES);
    }
    format!("{text}, before column {column}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Tier;
    use super::super::digest::ImportDigest;
    use super::super::key::{ImportSecret, State};
    use super::super::line::ImportKey;
    use super::super::time::Time;
    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        read_json_lines(text).collect::<Result<_, _>>().unwrap()
    }

    fn fault(text: &str) -> String {
        read(text.as_bytes()).remove(0).item.unwrap_err()
    }

    #[test]
    fn tiers_and_suspended_owners_stand_on_lines_of_their_own() {
        let text = b"\xef\xbb\xbf{\"tier\":{\"name\":\"gold\",\"limits\":[]}}\r\n\n\
                     {\"suspended_owner\":\"acme\"}";
        let tier = Tier { name: "gold".to_owned(), limits: json!([]) };
        let owner = "acme".to_owned();
        assert_eq!(
            read(text),
            [
                Line { number: 1, item: Ok(Item::Tier(tier)) },
                Line { number: 3, item: Ok(Item::SuspendedOwner(owner)) },
            ]
        );
    }

    #[test]
    fn faults_say_what_to_do_and_repeat_no_value() {
        let digest = "ab".repeat(32);
        let faults: Vec<_> = [
            "{".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"name":"a"}"#.to_owned(),
            r#"{"name":"a","tire":"basic"}"#.to_owned(),
            r#"{"name":"a","api_key":"kw_secret"}"#.to_owned(),
            r#"{"name":"a","digest":"kw_secret"}"#.to_owned(),
            r#"{"name":"a","scopes":"kw_secret"}"#.to_owned(),
            format!(r#"{{"name":"a","digest":"{digest}","key_id":4503599627370496}}"#),
            r#"{"name":"a","state":"kw_secret"}"#.to_owned(),
            r#"{"name":"a","expires_at":"soon"}"#.to_owned(),
            r#"{"name":"a","secrets":[]}"#.to_owned(),
            format!(r#"{{"name":"a","digest":"{digest}","secrets":[]}}"#),
            format!(r#"{{"name":"a","digest":"{digest}","state":"active","is_active":1}}"#),
            format!(r#"{{"name":"a","digest":"{digest}","revoked_at":"2026-01-01T00:00:00Z"}}"#),
            format!(r#"{{"name":"a","digest":"{digest}","state":"active","revoked_reason":"x"}}"#),
            format!(r#"{{"name":"a","digest":"{digest}","is_active":1,"revoked_reason":"x"}}"#),
            r#"{"name":"a","tier":{"name":"gold","limits":[]}}"#.to_owned(),
            r#"{"name":"a","tier":7}"#.to_owned(),
            r#"{"suspended_owner":"acme","name":"a"}"#.to_owned(),
            r#"{"name":"a","networks":["10.0.0.0/8"],"networks":[]}"#.to_owned(),
            r#"{"name":"a","metadata":{"b":{"c":1,"c":2}}}"#.to_owned(),
            format!(r#"{{"name":"a","digest":"{digest}","metadata":{{"n":{}}}}}"#, "1".repeat(23)),
        ]
        .iter()
        .map(|line| fault(line))
        .collect();
        let text = faults.join("\n");
        assert!(!text.contains("kw_secret"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_read() {
        let fits = format!("{{}}{}\n", " ".repeat(LINE_BYTES_MAX - 2));
        let long = format!("{{}}{}\n", " ".repeat(LINE_BYTES_MAX - 1));
        let last = "{\"suspended_owner\":\"acme\"}";
        let lines = read([fits, long, last.to_owned()].concat().as_bytes());
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(lines[0].item, Err("`name` is missing".to_owned()));
        assert!(lines[1].item.as_ref().unwrap_err().contains("longer than 64 KiB"));
        assert!(lines[2].item.is_ok());
    }

    fn times() -> impl Strategy<Value = Option<Time>> {
        let now = 0..4_000_000_000_000_u64;
        let ever = 253_402_200_000_000..=253_402_300_799_999_u64;
        prop::option::of(prop_oneof![now, ever].prop_map(|at| Time(keyward::UnixMillis(at))))
    }

    prop_compose! {
        fn secrets()(digest in any::<[u8; 32]>(), hint in ".{0,8}", created_at in times())
            -> ImportSecret
        {
            let digest = ImportDigest(keyward::digest::Digest::from_stored(digest));
            ImportSecret { digest, hint, created_at, ends_at: None }
        }
    }

    prop_compose! {
        fn keys()(
            key_id in prop::option::of(1..=keyward::transfer::COPY_ID_MAX),
            name in "\\PC{1,20}",
            texts in [prop::option::of(".{0,9}"), prop::option::of(".{0,9}")],
            reason in prop::option::of(".{0,9}"),
            lists in [prop::collection::vec(".{0,9}", 0..3), prop::collection::vec(".{0,9}", 0..3)],
            limits in prop::option::of(Just(json!([{"name": "requests", "amount": 5}]))),
            metadata in prop::collection::btree_map(".{0,5}", ".{0,5}", 0..3),
            state in prop_oneof![Just(State::Active), Just(State::Suspended), Just(State::Revoked)],
            times in [times(), times(), times(), times(), times()],
            mut former in prop::collection::vec(secrets(), 0..3),
            current in secrets(),
        ) -> ImportKey {
            for secret in &mut former {
                secret.ends_at = Some(Time(keyward::UnixMillis(5)));
            }
            former.push(current);
            let [tier, owner] = texts;
            let [scopes, networks] = lists;
            let [expires_at, created_at, last_used_at, revoked_at, rotated_at] = times;
            let is_revoked = state == State::Revoked;
            let revoked_at = revoked_at.filter(|_| is_revoked);
            let revoked_reason = reason.filter(|_| is_revoked);
            let metadata = metadata.into_iter().map(|(name, value)| (name, value.into())).collect();
            let mut key = ImportKey::plain(name, former);
            (key.key_id, key.tier, key.owner, key.state) = (key_id, tier, owner, state);
            key.tier_gone = is_revoked.then_some(true);
            (key.scopes, key.networks) = (scopes, networks);
            (key.limits, key.metadata) = (limits, metadata);
            (key.expires_at, key.created_at) = (expires_at, created_at);
            (key.last_used_at, key.rotated_at) = (last_used_at, rotated_at);
            (key.revoked_at, key.revoked_reason) = (revoked_at, revoked_reason);
            key
        }
    }

    proptest! {
        #[test]
        fn a_key_comes_back_as_it_went(key in keys()) {
            let text = serde_json::to_string(&key).unwrap();
            let lines = read(text.as_bytes());
            prop_assert_eq!(&lines, &[Line { number: 1, item: Ok(Item::Key(Box::new(key))) }]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = read(&bytes);
            prop_assert!(lines.len() <= bytes.split(|byte| *byte == b'\n').count());
        }
    }
}
