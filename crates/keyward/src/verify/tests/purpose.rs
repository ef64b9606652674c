//! Requests that need several scopes, that are repeated, and questions about a key.

use super::*;
use crate::details::Metadata;

#[test]
fn a_request_needs_all_of_its_scopes() {
    let change = |key: &mut Key| {
        let scopes = ["articles:read", "feeds:*"].map(|scope| scope.parse().unwrap());
        key.scopes = Scopes::new(scopes.to_vec()).unwrap();
    };
    let check = |scopes: &[&str], word: Option<&str>| {
        let key = OneKey::changed(change);
        let verdict = verify(&key.index, &key.usage, &Asked { scopes, ..Asked::of(TEXT) }, NOW);
        assert_eq!(verdict.err().map(|denied| denied.as_str()), word, "{scopes:?}");
    };
    check(&[], None);
    check(&["articles:read", "feeds:write", "articles:read"], None);
    check(&["articles:read", "articles:write"], Some("out_of_scope"));
    check(&["articles:write", "articles:read"], Some("out_of_scope"));
}

#[test]
fn a_repeated_request_is_judged_anew_and_takes_nothing() {
    let key = OneKey::new();
    let ask = |purpose| {
        let asked = Asked { purpose, scopes: &["articles:read"], ..Asked::of(TEXT) };
        verify(&key.index, &key.usage, &asked, NOW)
    };
    for left in [1, 0] {
        assert_eq!(ask(Purpose::Request).unwrap().standing().unwrap().remaining, left);
        // Its limit is told as it is, and also one that is used up keeps none out.
        assert_eq!(ask(Purpose::Repeat).unwrap().standing().unwrap().remaining, left);
    }
    assert_eq!(ask(Purpose::Request).unwrap_err().as_str(), "limited");
    let digest = Digest::of(Presented::parse(TEXT).unwrap());
    let counted = key.index.look(&digest, |held| held.unwrap().entry.counted(NOW.unix));
    assert_eq!((counted[Outcome::Allowed], counted[Outcome::Limited]), (2, 1));
    let scopes = &["articles:write"];
    let repeated = Asked { purpose: Purpose::Repeat, scopes, ..Asked::of(TEXT) };
    let denied = verify(&key.index, &key.usage, &repeated, NOW).unwrap_err();
    assert_eq!(denied.as_str(), "out_of_scope");
}

#[test]
fn a_question_takes_nothing_and_is_counted_by_itself() {
    let key = OneKey::new();
    let asked = Asked { purpose: Purpose::Introspection, ..Asked::of(TEXT) };
    for _ in 0..5 {
        let caller = verify(&key.index, &key.usage, &asked, NOW).unwrap();
        assert_eq!(caller.standing().unwrap().remaining, 2);
    }
    let rows = Collector::default().take(&key.usage, &key.index, NOW.unix);
    let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
    assert_eq!(row.counts, Counts::from([(Outcome::Introspected, 5)]));
    assert_eq!((row.hour, row.last_used_at), (NOW.unix.hour(), None));
}

#[test]
fn the_metadata_of_a_key_is_shown_in_every_verdict() {
    let plain = OneKey::new();
    assert_eq!(plain.verify(None, NOW).unwrap().key().metadata(), "{}");
    let note = |key: &mut Key| key.notes = r#"{"plan":"gold"}"#.parse::<Metadata>().unwrap().into();
    let noted = OneKey::changed(note);
    assert_eq!(noted.verify(None, NOW).unwrap().key().metadata(), r#"{"plan":"gold"}"#);
    let denied = noted.verify(Some("articles:write"), NOW).unwrap_err();
    let key = denied.key().unwrap();
    assert_eq!((key.name(), key.metadata()), ("Reader", r#"{"plan":"gold"}"#));
    assert!(key.scopes().eq(["articles:read"]) && key.grants("articles:read"));
}
