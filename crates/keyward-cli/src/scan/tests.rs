//! The output about a key that was found.

use keyward::digest::Digest;
use keyward::key::Presented;

use super::*;
use crate::client::Response;
use crate::matches::Matches;

const KEY: &str = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

fn finding(text: &str) -> Finding {
    let key = Finder::default().find(text.as_bytes()).next().unwrap();
    Finding { place: "logs/\u{1b}a".to_owned(), line: 12, key }
}

fn known(answer: Value) -> Identified {
    let mut matches = Matches::default();
    matches.add(Response::read(answer, None).unwrap());
    Identified::of(matches)
}

/// The response of a server about a key that is presented.
fn answer(text: &str, secret: &str) -> Identified {
    let digest = Digest::of(Presented::parse(text).unwrap());
    let digest: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let one = json!({
        "digest": digest, "key_id": 7, "name": "mobile\u{1b}", "state": "active", "secret": secret,
        "ends_at": null,
    });
    known(json!({ "matches": [one] }))
}

#[test]
fn what_the_server_knows_is_told() {
    let text = finding(KEY).text(&answer(KEY, "current"));
    assert_eq!(text, "logs/\u{fffd}a:12: kw_yhjs… key 7 \"mobile\u{fffd}\" (active)");
    let text = finding(KEY).text(&answer(KEY, "former"));
    assert!(text.ends_with(" (active, former secret)"), "{text}");
}

#[test]
fn what_it_does_not_know_differs_from_what_it_was_not_asked() {
    let nothing = known(json!({ "matches": [] }));
    let text = finding(KEY).text(&nothing);
    assert_eq!(text, "logs/\u{fffd}a:12: kw_yhjs… unknown to the server");
    assert_eq!(finding(KEY).text(&Identified::default()), "logs/\u{fffd}a:12: kw_yhjs…");
}

#[test]
fn the_server_decides_where_a_key_begins() {
    let finding = finding(&format!("api_key_{KEY}"));
    let unsure = finding.text(&Identified::default());
    assert!(unsure.ends_with(": api_key_kw_yhjs…"), "{unsure}");
    let sure = finding.text(&answer(KEY, "current"));
    assert!(sure.contains(": kw_yhjs… key 7"), "{sure}");
}

#[test]
fn a_line_of_json_has_all_of_it() {
    insta::assert_snapshot!(
        format!("{:#}", finding(&format!("api_key_{KEY}")).json(&answer(KEY, "current"))),
        @r#"
    {
      "path": "logs/\u001ba",
      "line": 12,
      "start": 8,
      "end": 60,
      "hint": "kw_yhjs",
      "asked": true,
      "key_id": 7,
      "name": "mobile\u001b",
      "state": "active",
      "secret": "current"
    }
    "#
    );
    insta::assert_snapshot!(format!("{:#}", finding(KEY).json(&Identified::default())), @r#"
    {
      "path": "logs/\u001ba",
      "line": 12,
      "start": 0,
      "end": 52,
      "hint": "kw_yhjs",
      "asked": false,
      "key_id": null,
      "name": null,
      "state": null,
      "secret": null
    }
    "#);
}
