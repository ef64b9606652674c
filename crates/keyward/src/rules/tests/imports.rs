//! Adding keys that came from elsewhere.

use super::*;

/// What became of each key, in short.
fn shown(decided: Decided) -> Vec<String> {
    let Decided::Imported { keys, .. } = decided else { panic!("{decided:?}") };
    let show = |one| match one {
        Imported::Added(key) => format!("added {}", key.id),
        Imported::Skipped(id) => format!("skipped {id}"),
        Imported::Rejected(rejection) => format!("{rejection:?}"),
    };
    keys.into_iter().map(show).collect()
}

fn with_id(number: u64, new: Unkept) -> Unkept {
    Unkept { id: Some(id(number)), ..new }
}

fn with_former(new: Unkept, numbers: &[u64]) -> Unkept {
    let former = |number: &u64| FormerSecret { secret: secret(*number, 1), ends_at: UnixMillis(5) };
    Unkept { former: numbers.iter().map(former).collect(), ..new }
}

#[test]
fn keys_keep_their_ids_or_get_the_next_ones() {
    let mut rows = Rows::new_with(&["basic"]);
    let keys = vec![key(1), with_id(7, key(2)), key(3), with_id(5, key(4)), key(5)];
    let told = shown(rows.done(import(keys), &audit(1)));
    assert_eq!(told, ["added 1", "added 7", "added 8", "added 5", "added 9"]);
    assert_eq!(rows.entries.len(), 5);
    assert_eq!(rows.tier("basic").unwrap().keys, 5);
}

#[test]
fn the_first_reason_that_holds_keeps_a_key_out() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(rotate(1, 2, 9), &audit(2));
    rows.done(issue(key(3)), &audit(3));
    let in_gold = |new| Unkept { tier: tier("gold"), ..new };
    let keys = vec![
        // All of its secrets are of one key, even if other fields differ.
        in_gold(with_id(2, key(1))),
        with_former(key(2), &[1]),
        in_gold(with_id(2, with_former(key(9), &[1, 1]))),
        Unkept { tier_gone: true, ..key(9) },
        with_id(2, with_former(key(9), &[1, 1])),
        with_former(key(3), &[9, 1, 1]),
        with_former(key(9), &[8, 8]),
        with_former(key(9), &[9]),
    ];
    let told = shown(rows.unchanged(import(keys), &audit(4)));
    let taken = "DigestTaken(KeyId(1))";
    let expected = [
        "skipped 1",
        "skipped 1",
        "UnknownTier",
        "UnknownTier",
        "IdTaken",
        taken,
        "DigestTwice",
        "DigestTwice",
    ];
    assert_eq!(told, expected);
}

#[test]
fn keys_of_one_import_see_those_before_them() {
    let mut rows = Rows::new_with(&["basic"]);
    let keys = vec![
        with_id(4, with_former(key(1), &[2])),
        with_id(4, key(3)),
        with_former(key(5), &[2]),
        with_former(key(1), &[2]),
        key(2),
    ];
    let told = shown(rows.done(import(keys), &audit(1)));
    let taken = "DigestTaken(KeyId(4))";
    assert_eq!(told, ["added 4", "IdTaken", taken, "skipped 4", "skipped 4"]);
}

#[test]
fn a_revoked_key_needs_no_tier() {
    let mut rows = Rows::new_with(&["basic"]);
    let keys = vec![
        Unkept { tier: tier("gold"), ..revoked(1) },
        Unkept { tier_gone: true, ..revoked(2) },
        Unkept { owner: Some(owner("org")), ..revoked(3) },
    ];
    shown(rows.done(import(keys), &audit(1)));
    let shape = |number| {
        let key = &rows.keys[&id(number)];
        (key.tier.as_str(), key.tier_gone, key.tier_id.is_some())
    };
    assert_eq!([shape(1), shape(2)], [("gold", true, false), ("basic", true, false)]);
    assert_eq!(shape(3), ("basic", false, true));
    assert_eq!(rows.tier("basic").unwrap().keys, 0);
    let row = &rows.owners[&owner("org")];
    assert_eq!((row.keys, row.revoked_keys), (1, 1));
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let mut rows = Rows::new_with(&["basic"]);
    let keys = vec![key_of(1, "org"), key(1), Unkept { tier: tier("gold"), ..key(2) }, key(3)];
    let trial = Change::Import { keys: keys.clone(), dry_run: true };
    let told = shown(rows.unchanged(trial, &audit(1)));
    assert_eq!(told, ["added 1", "skipped 1", "UnknownTier", "added 2"]);
    assert_eq!(shown(rows.done(import(keys), &audit(1))), told);
}

#[test]
fn each_owner_of_added_keys_is_told_once() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(suspend("org-2"), &audit(1));
    let keys = vec![key_of(1, "org-2"), key_of(2, "org-1"), key_of(3, "org-2"), key_of(1, "no")];
    let Decided::Imported { owners, .. } = rows.done(import(keys), &audit(2)) else { panic!() };
    let told: Vec<_> =
        owners.iter().map(|row| (row.owner.as_str(), row.is_suspended(), row.keys)).collect();
    assert_eq!(told, [("org-1", false, 1), ("org-2", true, 2)]);
    assert_eq!(rows.owners.len(), 2);
}

#[test]
fn ids_above_the_highest_are_not_looked_up() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(import(vec![with_id(5, key(1))]), &audit(1));
    let ask = |number| {
        let asked = import(vec![with_id(number, key(2))]);
        needs(&asked, &audit(2), &Facts::new(rows.progress)).contains(&Lookup::Id(id(number)))
    };
    assert!(ask(4) && ask(5));
    assert!(!ask(6));
}
