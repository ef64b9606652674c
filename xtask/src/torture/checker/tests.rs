//! Histories written by hand, good ones and bad ones.

use super::*;

const RULES: Rules = Rules { buckets: Buckets::OfAll, everywhere_within: 100 };

/// Each line as `begin end rest of the JSON`; the trail has the acknowledged changes.
fn checked_with(lines: &[&str], rules: &Rules) -> Vec<(Fault, Vec<usize>)> {
    let history = history(lines);
    let trail = trail(&history);
    let found = violations(&history, &trail, rules);
    found.into_iter().map(|it| (it.fault, it.lines)).collect()
}

fn checked(lines: &[&str]) -> Vec<(Fault, Vec<usize>)> {
    checked_with(lines, &RULES)
}

fn history(lines: &[&str]) -> Vec<Operation> {
    let read = (1..).zip(lines).map(|(number, line)| {
        let mut parts = line.splitn(3, ' ');
        let (begin, end) = (parts.next().unwrap(), parts.next().unwrap());
        let rest = parts.next().unwrap();
        let text = format!(
            r#"{{"begin":{begin},"end":{end},"node":0,"start":0,"request":{number},{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    });
    read.collect()
}

fn trail(history: &[Operation]) -> Vec<Entry> {
    let done = history.iter().filter_map(|operation| match &operation.what {
        What::Change(change) if change.outcome == Outcome::Done => Some(change),
        _ => None,
    });
    let entry = |(id, change): (u64, &crate::torture::history::Change)| Entry {
        id,
        verb: change.effect.verb().to_owned(),
        request: format!("{REQUEST}{}", change.request),
    };
    (1..).zip(done).map(entry).collect()
}

const TIER: &str = r#"0 1 "op":"change","outcome":"done","change":"tier","tier":1,"terms":null"#;
const ISSUE: &str =
    r#"2 4 "op":"change","outcome":"done","change":"issue","key":1,"id":1,"owner":1,"tier":1"#;

fn verify(begin: u64, end: u64, verdict: &str) -> String {
    format!(r#"{begin} {end} "op":"verify","key":1,"secret":0,"cost":1,"verdict":"{verdict}""#)
}

fn change(begin: u64, end: u64, outcome: &str, what: &str) -> String {
    format!(r#"{begin} {end} "op":"change","outcome":"{outcome}",{what}"#)
}

fn tier(begin: u64, end: u64, terms: &str) -> String {
    change(begin, end, "done", &format!(r#""change":"tier","tier":1,"terms":{terms}"#))
}

/// The history of one key, which begins with a tier and the key on lines 1 and 2.
fn of_key(lines: &[String]) -> Vec<(Fault, Vec<usize>)> {
    let lines: Vec<_> = [TIER, ISSUE].into_iter().chain(lines.iter().map(String::as_str)).collect();
    checked(&lines)
}

#[test]
fn a_good_history_has_no_violation() {
    let found = of_key(&[
        verify(5, 6, "allowed"),
        change(10, 20, "done", r#""change":"suspend","key":1"#),
        // While it is suspended, both may be seen, also by one that ends later.
        verify(11, 40, "allowed"),
        verify(12, 13, "suspended"),
        verify(21, 22, "suspended"),
        change(30, 33, "done", r#""change":"resume","key":1"#),
        verify(31, 32, "allowed"),
        verify(34, 35, "allowed"),
        change(40, 50, "done", r#""change":"rotate","key":1,"secret":1"#),
        verify(51, 52, "replaced"),
        change(60, 70, "done", r#""change":"revoke","key":1"#),
        verify(65, 66, "revoked"),
        verify(71, 72, "revoked"),
        verify(73, 74, "unavailable"),
        verify(73, 74, "lost"),
    ]);
    assert_eq!(found, []);
}

#[test]
fn a_key_that_is_accepted_after_its_end_is_found() {
    for end in [
        r#""change":"revoke","key":1"#,
        r#""change":"suspend","key":1"#,
        r#""change":"rotate","key":1,"secret":1"#,
        r#""change":"suspend_owner","owner":1"#,
    ] {
        let ended = change(10, 20, "done", end);
        assert_eq!(of_key(&[ended.clone(), verify(20, 30, "allowed")]), [], "not later");
        let found = of_key(&[ended, verify(21, 30, "allowed")]);
        assert_eq!(found, [(Fault::Accepted, vec![3, 4])], "{end}");
        let open = change(10, 20, "unknown", end);
        assert_eq!(of_key(&[open, verify(21, 30, "allowed")]), [], "not acknowledged: {end}");
        let rejected = change(10, 20, "rejected", end);
        assert_eq!(of_key(&[rejected, verify(21, 30, "allowed")]), [], "not made: {end}");
    }
}

#[test]
fn a_limited_request_shows_that_its_key_works() {
    let found = of_key(&[
        change(10, 20, "done", r#""change":"revoke","key":1"#),
        verify(21, 30, "limited"),
    ]);
    assert_eq!(found, [(Fault::Accepted, vec![3, 4])]);
}

#[test]
fn a_change_that_may_come_late_excuses_what_it_does() {
    let suspend = |begin| change(begin, begin + 5, "done", r#""change":"suspend","key":1"#);
    let resume = |outcome| change(20, 25, outcome, r#""change":"resume","key":1"#);
    let accepted = verify(60, 65, "allowed");
    let found = of_key(&[suspend(10), resume("unknown"), suspend(30), accepted.clone()]);
    assert_eq!(found, [], "it may be made after the second suspension");
    let found = of_key(&[suspend(10), resume("done"), suspend(30), accepted]);
    assert_eq!(found, [(Fault::Accepted, vec![5, 6])]);
}

#[test]
fn a_lost_change_is_found() {
    let resume = |outcome| {
        let suspend = change(10, 20, "done", r#""change":"suspend","key":1"#);
        [suspend, change(30, 40, outcome, r#""change":"resume","key":1"#)]
    };
    let [suspend, resumed] = resume("done");
    let found = of_key(&[suspend, resumed, verify(41, 42, "suspended")]);
    assert_eq!(found, [(Fault::LostChange, vec![4, 5])]);
    assert_eq!(of_key(&[verify(5, 6, "unknown")]), [(Fault::LostChange, vec![2, 3])]);
    assert_eq!(of_key(&[verify(5, 6, "revoked")]), [(Fault::MadeUpDenial, vec![2, 3])]);
    assert_eq!(of_key(&[verify(5, 6, "replaced")]), [(Fault::LostChange, vec![2, 3])]);
    assert_eq!(of_key(&[verify(5, 6, "other")]), [(Fault::MadeUpDenial, vec![3])]);
}

#[test]
fn a_change_that_is_not_everywhere_yet_has_its_time() {
    let issue = ISSUE.replace("done", "done_here");
    let seen = |begin: u64| {
        let verdict = verify(begin, begin + 1, "unknown");
        let history = history(&[TIER, &issue, &verdict]);
        verdicts::violations(&history, &Facts::of(&history, &RULES)).len()
    };
    assert_eq!([seen(104), seen(105)], [0, 1]);
}

#[test]
fn an_old_limit_is_found() {
    let before = &tier(0, 1, r#"{"amount":7,"per":1,"burst":7}"#);
    let edit = &tier(10, 20, r#"{"amount":8,"per":1,"burst":8}"#);
    let seen = |begin: u64, amount: u32| {
        let verdict = verify(begin, 30, "allowed") + &format!(r#","amount":{amount}"#);
        checked(&[before, ISSUE, edit, &verdict])
    };
    assert_eq!(seen(15, 7), []);
    assert_eq!(seen(15, 8), []);
    assert_eq!(seen(21, 8), []);
    assert_eq!(seen(21, 7), [(Fault::OldLimit, vec![3, 4])]);
    assert_eq!(checked(&[before, ISSUE, &verify(5, 6, "allowed")]).len(), 1, "without its limit");
}

#[test]
fn a_key_with_a_limit_of_its_own_is_judged_by_it() {
    let issue = ISSUE.to_owned() + r#","terms":{"amount":5,"per":1,"burst":5}"#;
    let edit = change(
        10,
        20,
        "done",
        r#""change":"limit","key":1,"terms":{"amount":6,"per":1,"burst":6}"#,
    );
    let verdict = |amount| verify(21, 22, "allowed") + &format!(r#","amount":{amount}"#);
    assert_eq!(checked(&[TIER, &issue, &edit, &verdict(6)]), []);
    assert_eq!(checked(&[TIER, &issue, &edit, &verdict(5)]), [(Fault::OldLimit, vec![3, 4])]);
}

/// So many accepted requests at 100 to 200, of two processes in turns, with a limit of 3.
fn burst(count: u64) -> Vec<String> {
    let tier = tier(0, 1, r#"{"amount":3,"per":86400,"burst":3}"#);
    let accepted = |number: u64| {
        let line = verify(100 + number, 200, "allowed") + r#","amount":3"#;
        line + &format!(r#","start":{}"#, number % 2)
    };
    let lines = [tier, ISSUE.to_owned()];
    lines.into_iter().chain((0..count).map(accepted)).collect()
}

fn checked_burst(lines: &[String], buckets: Buckets) -> Vec<(Fault, Vec<usize>)> {
    // A line has its process at its end.
    let texts: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut history = history_without_start(&texts);
    history.iter_mut().zip(lines).for_each(|(operation, line)| {
        operation.start = u32::from(line.ends_with(r#""start":1"#));
    });
    let rules = Rules { buckets, ..RULES };
    let found = violations(&history, &trail(&history), &rules);
    found.into_iter().map(|it| (it.fault, it.lines)).collect()
}

fn history_without_start(lines: &[&str]) -> Vec<Operation> {
    let bare = |line: &&str| line.split(r#","start""#).next().unwrap().to_owned();
    let lines: Vec<_> = lines.iter().map(bare).collect();
    history(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn too_much_in_a_window_is_found() {
    assert_eq!(checked_burst(&burst(3), Buckets::OfAll), []);
    let over = (Fault::OverLimit, vec![3, 4, 5, 6]);
    assert_eq!(checked_burst(&burst(4), Buckets::OfAll), [over]);
    assert_eq!(checked_burst(&burst(6), Buckets::OfEachProcess), []);
    assert_eq!(checked_burst(&burst(7), Buckets::OfEachProcess).len(), 1);
}

#[test]
fn an_owners_limit_holds_for_its_keys_together() {
    let second = ISSUE.replace(r#""key":1,"id":1"#, r#""key":2,"id":2"#);
    let limit = change(
        5,
        6,
        "done",
        r#""change":"limit_owner","owner":1,"terms":{"amount":1,"per":86400,"burst":1}"#,
    );
    let other = verify(9, 10, "allowed").replace(r#""key":1"#, r#""key":2"#);
    let lines =
        |first: u64| checked(&[TIER, ISSUE, &second, &limit, &verify(first, 8, "allowed"), &other]);
    assert_eq!(lines(7), [(Fault::OverLimit, vec![5, 6])]);
    assert_eq!(lines(5), [], "the first may have been before the limit");
}

#[test]
fn a_trail_that_differs_is_found() {
    let revoke = change(10, 20, "done", r#""change":"revoke","key":1"#);
    let again = change(30, 40, "done", r#""again":true,"change":"revoke","key":1"#);
    let rejected = change(50, 60, "rejected", r#""change":"suspend","key":1"#);
    let history = history(&[TIER, ISSUE, &revoke, &again, &rejected]);
    let facts = Facts::of(&history, &RULES);
    let entry = |id, verb: &str, request| Entry {
        id,
        verb: verb.to_owned(),
        request: format!("{REQUEST}{request}"),
    };
    let whole = vec![entry(1, "put-tier", 1), entry(2, "issue", 2), entry(3, "revoke", 3)];
    let seen = |trail: &[Entry]| -> Vec<_> {
        let found = trail::violations(&history, &facts, trail);
        found.into_iter().map(|it| (it.fault, it.lines)).collect()
    };
    assert_eq!(seen(&whole), []);
    assert_eq!(seen(&whole[..2]), [(Fault::NotOnRecord, vec![3])]);
    let with = |more: Entry| -> Vec<Entry> { whole.iter().cloned().chain([more]).collect() };
    assert_eq!(seen(&with(entry(4, "revoke", 3))), [(Fault::NotOnRecord, vec![3])]);
    assert_eq!(seen(&with(entry(4, "suspend", 5))), [(Fault::NotOnRecord, vec![5])]);
    assert_eq!(seen(&with(entry(5, "revoke", 4))), [(Fault::Gap, vec![])]);
    assert_eq!(seen(&with(entry(9, "diverged", 9))), [], "numbers are left out at a loss");
    assert_eq!(seen(&with(entry(3, "diverged", 9))), [(Fault::Gap, vec![])]);
    let swapped = [entry(1, "issue", 2), entry(2, "put-tier", 1), entry(3, "revoke", 3)];
    assert_eq!(seen(&swapped), [(Fault::OutOfOrder, vec![1, 2])]);
}

#[test]
fn a_promotion_may_lose_what_it_says_and_no_end_of_a_key() {
    let lost = r#"1 30 "op":"lost_tail""#;
    let unknown = verify(40, 41, "unknown");
    assert_eq!(checked(&[TIER, ISSUE, lost, &unknown]), []);
    let revoke = change(10, 20, "done", r#""change":"revoke","key":1"#);
    let accepted = verify(40, 41, "allowed");
    let found = checked(&[TIER, ISSUE, lost, &revoke, &accepted]);
    assert_eq!(found, [(Fault::Accepted, vec![4, 5])]);
}

#[test]
fn a_rotation_that_is_lost_may_end_its_key() {
    let lost = r#"15 30 "op":"lost_tail""#;
    let before = change(5, 6, "done", r#""change":"rotate","key":1,"secret":1"#);
    let rotate = change(17, 20, "done", r#""change":"rotate","key":1,"secret":2"#);
    let seen = |secret: u32, verdict: &str| {
        let ask =
            verify(40, 41, verdict).replace(r#""secret":0"#, &format!(r#""secret":{secret}"#));
        checked(&[TIER, ISSUE, &before, lost, &rotate, &ask])
    };
    assert_eq!(seen(2, "unknown"), [], "its secret is lost");
    assert_eq!(seen(1, "revoked"), [], "the secret before it does not work again");
    assert_eq!(seen(1, "unknown"), [(Fault::LostChange, vec![2, 6])], "of an earlier rotation");
}

#[test]
fn a_change_after_a_loss_may_find_that_it_is_made() {
    let lost = r#"15 30 "op":"lost_tail""#;
    let resume = |begin: u64| change(begin, begin + 3, "done", r#""change":"resume","key":1"#);
    let suspend = change(40, 43, "done", r#""change":"suspend","key":1"#);
    let seen = |begin: u64| {
        let history = history(&[TIER, ISSUE, lost, &resume(begin), &suspend]);
        let entries = trail(&history).into_iter().filter(|entry| entry.verb != "suspend");
        let entries: Vec<_> = entries.collect();
        let found = violations(&history, &entries, &RULES);
        found.into_iter().map(|it| it.fault).collect::<Vec<_>>()
    };
    assert_eq!(seen(20), [], "the resumption may be lost");
    assert_eq!(seen(31), [Fault::NotOnRecord]);
}

#[test]
fn an_id_that_is_given_twice_is_found() {
    let twice = ISSUE.replace(r#""key":1"#, r#""key":2"#);
    assert_eq!(checked(&[TIER, ISSUE, &twice]), [(Fault::SharedId, vec![3])]);
}

#[test]
fn what_a_standby_lacked_of_a_slow_limit_may_be_used_once_more() {
    let limited = |amount: u32| {
        let text = format!(r#""terms":{{"amount":{amount},"per":3600,"burst":10}}"#);
        ISSUE.replace(r#""tier":1"#, &format!(r#""tier":1,{text}"#))
    };
    let uses = |from: u64| (0..10).map(move |at| from + 2 * at);
    let found = |amount: u32, between: &str| {
        let issue = limited(amount);
        let ask = |begin: u64| {
            let verdict = format!(r#""verdict":"allowed","amount":{amount}"#);
            verify(begin, begin + 1, "allowed").replace(r#""verdict":"allowed""#, &verdict)
        };
        let mut lines: Vec<_> = uses(10).map(ask).collect();
        lines.push(between.to_owned());
        lines.extend(uses(100).map(ask));
        let lines = [TIER, &issue].into_iter().chain(lines.iter().map(String::as_str));
        checked(&lines.collect::<Vec<_>>()).into_iter().map(|it| it.0).collect::<Vec<_>>()
    };
    let (lost, fault) = (r#"5 50 "op":"lost_tail""#, r#"5 50 "op":"fault","name":"kill""#);
    assert_eq!(found(100, lost), []);
    assert_eq!(found(100, fault), [Fault::OverLimit]);
    // A promotion empties the bucket of a quick one, which counts as used up.
    assert_eq!(found(1_000, lost), [Fault::OverLimit]);
}
