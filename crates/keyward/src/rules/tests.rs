//! Each rule and each rejection, on rows in memory.

mod entries;
mod golden;
mod imports;
mod keys;
mod owners;
mod random;
mod rows;
mod tiers;

use std::num::NonZeroU32;
use std::time::Duration;

use rows::Rows;

use super::*;
use crate::audit::{Actor, ChainDigest, ChangeId, Verb};
use crate::change::{KeyChange, KeyEdit};
use crate::details::{OwnerVersion, Version, Versions};
use crate::digest::Digest;
use crate::limit::{Limit, Limits};
use crate::once::{Earlier, Once};
use crate::record::{KeyId, KeyState, Owner};
use crate::stored::{FormerSecret, Key, StoredSecret, TierId, Unkept};
use crate::tier::{TIERS_MAX, TierName};
use crate::time::UnixMillis;

/// How long a request that changes something once is remembered.
const DAY: u64 = 24 * 60 * 60 * 1_000;

fn audit(at: u64) -> Audit {
    Audit {
        actor: Actor::AdminKey,
        at: UnixMillis(at),
        address: None,
        request_id: None,
        once: None,
        after: None,
    }
}

fn once(at: u64, name: &str, request: u8) -> Audit {
    let once = Once { name: name.parse().unwrap(), request: [request; 32] };
    Audit { once: Some(once), ..audit(at) }
}

fn id(id: u64) -> KeyId {
    KeyId::new(id).unwrap()
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::from_stored(bytes)
}

fn secret(number: u64, created_at: u64) -> StoredSecret {
    let created_at = UnixMillis(created_at);
    StoredSecret { digest: digest(number), hint: format!("kw_{number}"), created_at }
}

fn tier(name: &str) -> TierName {
    name.parse().unwrap()
}

fn owner(name: &str) -> Owner {
    name.parse().unwrap()
}

fn limits(amount: u32) -> Limits {
    let amount = NonZeroU32::new(amount).unwrap();
    let limit = Limit::new("requests", amount, Duration::from_secs(60), amount).unwrap();
    Limits::of(Some(limit))
}

/// A key in `basic` whose secret no other number has.
fn key(number: u64) -> Unkept {
    Key {
        id: None,
        version: Version::FIRST,
        name: "a".parse().unwrap(),
        tier: tier("basic"),
        tier_id: None,
        tier_gone: false,
        owner: None,
        scopes: crate::record::Scopes::default(),
        networks: crate::network::Networks::default(),
        limits: None,
        notes: crate::details::Notes::default(),
        state: KeyState::Active,
        revoked_reason: None,
        expires_at: None,
        created_at: UnixMillis(number),
        last_used_at: None,
        secret: secret(number, number),
        former: Vec::new(),
    }
}

fn key_of(number: u64, name: &str) -> Unkept {
    Unkept { owner: Some(owner(name)), ..key(number) }
}

fn revoked(number: u64) -> Unkept {
    Unkept { state: KeyState::Revoked { at: UnixMillis(9) }, ..key(number) }
}

fn issue(key: Unkept) -> Change {
    Change::Issue(Box::new(key))
}

fn change(key: u64, change: KeyChange) -> Change {
    Change::Key { id: id(key), change, expected: None }
}

fn edit(key: u64, edit: impl FnOnce(&mut KeyEdit)) -> Change {
    let mut wanted = KeyEdit::default();
    edit(&mut wanted);
    change(key, KeyChange::Edit(Box::new(wanted)))
}

fn rotate(key: u64, number: u64, grace_ms: u64) -> Change {
    let secret = secret(number, 0);
    let grace = Duration::from_millis(grace_ms);
    change(key, KeyChange::Rotate { digest: secret.digest, hint: secret.hint, grace })
}

fn revoke(key: u64) -> Change {
    change(key, KeyChange::Revoke { reason: None })
}

fn import(keys: Vec<Unkept>) -> Change {
    Change::Import { keys, dry_run: false }
}

fn put_tier(name: &str, amount: u32) -> Change {
    Change::PutTier { name: tier(name), limits: limits(amount), before: TierBefore::Any }
}

fn delete_tier(name: &str) -> Change {
    Change::DeleteTier { name: tier(name), before: TierBefore::Any }
}

fn of_owner(name: &str, change: OwnerChange) -> Change {
    Change::Owner { owner: owner(name), change, expected: None }
}

fn suspend(name: &str) -> Change {
    of_owner(name, OwnerChange::Suspend)
}

fn resume(name: &str) -> Change {
    of_owner(name, OwnerChange::Resume)
}

#[test]
fn what_was_not_looked_up_is_named() {
    let rows = Rows::new_with(&["basic"]);
    let facts = Facts::new(rows.progress);
    let asked = [
        issue(key_of(1, "org")),
        revoke(1),
        import(vec![key(1)]),
        put_tier("basic", 1),
        delete_tier("basic"),
        suspend("org"),
        Change::AcceptClock,
    ];
    for change in asked {
        let wanted = needs(&change, &audit(1), &facts);
        let fault = decide(change, &audit(1), &facts).unwrap_err();
        let DecideError::Unknown(lookup) = fault else { panic!("{fault}") };
        assert!(wanted.contains(&lookup), "{lookup:?} is not in {wanted:?}");
    }
}

#[test]
fn numbers_that_are_used_up_are_a_fault() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.progress.key = KeyId::new(crate::record::KEY_ID_MAX);
    assert_eq!(rows.fault(issue(key(1)), &audit(1)), DecideError::NoNumberLeft("key"));
    rows.progress.key = None;
    rows.progress.change = ChangeId(u64::MAX);
    assert_eq!(rows.fault(issue(key(1)), &audit(1)), DecideError::NoNumberLeft("change"));
    assert_eq!(rows.entries.len(), 0);
}

#[test]
fn no_number_is_given_again_that_a_node_knows_of() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    let (key_id, tier) = (KeyId::new(9), TierId::new(30));
    let (change, digest) = (ChangeId(40), ChainDigest([0xab; 32]));
    let known = Progress { change, digest, key: key_id, tier };
    rows.done(Change::Diverged(known), &audit(2));
    let hex = "ab".repeat(32);
    let told = format!(r#"{{"before":{{"change":40,"digest":"{hex}"}},"after":{{"change":1}}}}"#);
    assert_eq!(rows.told(), ("diverged", told.as_str()));
    assert_eq!(rows.progress, Progress { change: ChangeId(41), ..known_at(&rows, known) });
    // The store knows of more than this node.
    let less = Progress { change: ChangeId(3), key: KeyId::new(2), tier: None, ..known };
    rows.done(Change::Diverged(less), &audit(3));
    assert_eq!(rows.progress, Progress { change: ChangeId(42), ..known_at(&rows, known) });
    rows.done(issue(key(2)), &audit(4));
    assert_eq!(rows.progress.key, KeyId::new(10));
}

/// Each change but the record of a loss follows the entry that its node knows.
#[test]
fn nothing_is_changed_in_a_trail_that_lacks_what_a_node_knows() {
    let mut rows = Rows::new_with(&["basic"]);
    let asked = || {
        [
            issue(key(9)),
            revoke(1),
            import(vec![key(9)]),
            Change::Import { keys: vec![key(9)], dry_run: true },
            put_tier("basic", 1),
            delete_tier("basic"),
            suspend("org"),
            Change::AcceptClock,
        ]
    };
    let after = |after| Audit { after: Some(after), ..audit(1) };
    let other = |change| Mark { change: ChangeId(change), digest: ChainDigest([0xab; 32]) };
    rows.done(issue(key(1)), &after(Mark::START));
    let first = rows.progress.mark();
    rows.done(issue(key(2)), &after(first));
    for lost in [other(1), other(2), other(3)] {
        for change in asked() {
            assert_eq!(rows.fault(change, &after(lost)), DecideError::WentBack(lost));
        }
        let known = Progress { change: lost.change, digest: lost.digest, key: None, tier: None };
        assert!(rows.decide(Change::Diverged(known), &after(lost)).unwrap().outcome.is_ok());
    }
    for change in asked() {
        assert!(rows.decide(change, &after(first)).is_ok());
    }
}

/// A node that knows the newest entry costs no look-up, nor do those of the same batch after it.
#[test]
fn the_newest_entry_is_known_without_a_look_up() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(issue(key(2)), &audit(1));
    let mut facts = Facts::new(rows.progress);
    let newest = Audit { after: Some(rows.progress.mark()), ..audit(1) };
    let older = Mark { change: ChangeId(1), digest: rows.entries[0].digest };
    let older = Audit { after: Some(older), ..audit(1) };
    for _ in 0..2 {
        let looks = |audit| needs(&Change::AcceptClock, audit, &facts);
        let is_entry = |lookup: &Lookup| matches!(lookup, Lookup::Entry(_));
        assert!(!looks(&newest).iter().any(is_entry));
        assert!(looks(&older).iter().any(is_entry));
        let decided = rows.decide_with(Change::AcceptClock, &newest, &mut facts).unwrap();
        facts.apply(&decided.writes);
    }
}

fn known_at(rows: &Rows, known: Progress) -> Progress {
    Progress { digest: rows.progress.digest, ..known }
}

#[test]
fn the_clock_is_taken_for_right_whichever_is_later() {
    let mut rows = Rows { reading: Some(UnixMillis(90)), ..Rows::default() };
    rows.done(Change::AcceptClock, &audit(7));
    assert_eq!(rows.reading, Some(UnixMillis(7)));
    let told = r#"{"before":{"latest_at":90},"after":{"latest_at":7}}"#;
    assert_eq!(rows.told(), ("accept-clock", told));
}
