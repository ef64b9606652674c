//! Promises about the audit trail.

use std::num::NonZeroU32;

use crate::UnixMillis;
use crate::audit::{Actor, Audit, AuditEntry, Chain, ChangeId, Verb};
use crate::change::KeyChange;
use crate::network::Networks;
use crate::query::{AuditFilter, AuditQuery};
use crate::record::Scopes;
use crate::rules::{Change, OwnerChange};
use serde_json::Value;

use super::Store;
use super::sample::{
    audit, change, copy, edit, id, insert, issue, limit, new_key, owner, revoke, rotate, tier,
    trail,
};

/// One of each change.
async fn live(store: &dyn Store) {
    store.put_tier(tier("gold", Vec::new()), audit(10)).await.unwrap();
    store.delete_tier("gold".parse().unwrap(), audit(11)).await.unwrap();
    let key = issue(store, 1).await;
    change(store, key, edit(|edit| edit.name = Some("b".parse().unwrap())), audit(13)).await;
    change(store, key, KeyChange::Suspend, audit(14)).await;
    change(store, key, KeyChange::Resume, audit(15)).await;
    rotate(store, key, 2, 10, 16).await;
    store.set_owner_suspended(owner("org_1"), true, audit(17)).await.unwrap();
    store.set_owner_suspended(owner("org_1"), false, audit(18)).await.unwrap();
    store.import_keys(vec![copy(3), copy(4), copy(3)], false, audit(19)).await.unwrap();
    revoke(store, key, audit(20)).await;
}

pub async fn each_change_is_one_entry_and_the_chain_holds(store: &dyn Store) {
    live(store).await;
    let trail = trail(store).await;
    let mut chain = Chain::default();
    trail.iter().for_each(|entry| chain.follow(entry).unwrap());
    let told: Vec<_> = trail.iter().map(|entry| (entry.verb.as_str(), entry.key_id)).collect();
    let expected = [
        ("put-tier", None),
        ("delete-tier", None),
        ("issue", Some(1)),
        ("edit", Some(1)),
        ("suspend", Some(1)),
        ("resume", Some(1)),
        ("rotate", Some(1)),
        ("suspend-owner", None),
        ("resume-owner", None),
        ("import", Some(2)),
        ("import", Some(3)),
        ("revoke", Some(1)),
    ];
    assert_eq!(told, expected);
    assert!(trail.windows(2).all(|pair| pair[0].id < pair[1].id));
}

/// Every field of every entry, digests and all: each column as the trail has it.
fn lines(trail: &[AuditEntry]) -> String {
    let mut lines = String::new();
    for entry in trail {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let fields = [
            entry.id.0.to_string(),
            entry.at.0.to_string(),
            entry.actor.clone(),
            text(&entry.address),
            entry.verb.clone(),
            number(entry.key_id),
            text(&entry.tier),
            text(&entry.owner),
            text(&entry.request_id),
            text(&entry.details),
            entry.previous.to_string(),
            entry.digest.to_string(),
        ];
        lines.push_str(&fields.join(" | "));
        lines.push('\n');
    }
    lines
}

/// The trail of a store is that of every other, to the byte.
pub async fn the_trail_is_the_same_to_the_byte(store: &dyn Store) {
    live(store).await;
    let mut full = new_key(30);
    full.owner = Some(owner("org_1"));
    full.scopes = Scopes::new(vec!["keys:*".parse().unwrap()]).unwrap();
    full.networks = Networks::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap();
    full.limits = Some(tier("own", vec![limit(7)]).limits);
    full.notes.metadata = r#"{"z":[1,null],"a":"ü'"}"#.parse().unwrap();
    full.expires_at = Some(UnixMillis(90));
    let person = Audit {
        actor: Actor::Person("ada@example.com".to_owned()),
        address: Some("2001:db8::7".parse().unwrap()),
        ..audit(21)
    };
    insert(store, full, person).await;
    let limits = tier("a", vec![limit(5)]).limits;
    let edit = OwnerChange::Edit { limits };
    let edit = Change::Owner { owner: owner("org_1"), change: edit, expected: None };
    store.make(edit, audit(22)).await.unwrap();
    store.set_owner_suspended(owner("org_1"), true, audit(23)).await.unwrap();
    store.accept_clock(audit(24)).await.unwrap();
    let expected = include_str!("trail.txt");
    let trail = lines(&trail(store).await);
    for (line, expected) in trail.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(trail, expected);
}

pub async fn an_entry_says_who_and_from_where(store: &dyn Store) {
    let person = Audit {
        actor: Actor::Person("ada@example.com".to_owned()),
        address: Some("2001:db8::7".parse().unwrap()),
        request_id: Some("request 'one'".to_owned()),
        ..Audit::program(UnixMillis(7))
    };
    let key = insert(store, new_key(1), person).await;
    insert(store, new_key(2), Audit::program(UnixMillis(8))).await;
    let trail = trail(store).await;
    let [entry, plain] = trail.as_slice() else { panic!("two entries, not {trail:?}") };
    assert_eq!((entry.id, entry.at), (ChangeId(1), UnixMillis(7)));
    assert_eq!(entry.actor, "oidc:ada@example.com");
    assert_eq!(entry.address.as_deref(), Some("2001:db8::7"));
    assert_eq!(entry.request_id.as_deref(), Some("request 'one'"));
    assert_eq!((entry.key_id, &entry.tier, &entry.owner), (Some(key.get()), &None, &None));
    assert_eq!(
        (plain.actor.as_str(), &plain.address, &plain.request_id),
        ("program", &None, &None)
    );
}

fn told(entry: &AuditEntry) -> Value {
    serde_json::from_str(entry.details.as_ref().unwrap()).unwrap()
}

pub async fn an_entry_says_what_was_before_and_after(store: &dyn Store) {
    let key = issue(store, 1).await;
    let step = edit(|edit| {
        edit.name = Some("b".parse().unwrap());
        edit.owner = Some(Some(owner("org_1")));
        edit.tier = Some("basic".parse().unwrap());
    });
    change(store, key, step, audit(2)).await;
    change(store, key, KeyChange::Suspend, audit(3)).await;
    rotate(store, key, 2, 10, 4).await;
    let reason = Some("found in public".parse().unwrap());
    change(store, key, KeyChange::Revoke { reason }, audit(5)).await;
    let trail = trail(store).await;
    let details: Vec<_> = trail.iter().map(told).collect();
    assert_eq!((&details[0]["before"], &details[0]["after"]["name"]), (&Value::Null, &"a".into()));
    let edited = r#"{"after":{"name":"b","owner":"org_1"},"before":{"name":"a","owner":null}}"#;
    assert_eq!(details[1], serde_json::from_str::<Value>(edited).unwrap());
    assert_eq!(details[2]["before"]["state"], "active");
    assert_eq!(details[2]["after"]["state"], "suspended");
    assert_eq!(details[3]["before"]["hint"], "kw_1");
    assert_eq!(details[3]["after"]["hint"], "kw_0002");
    assert_eq!(details[3]["after"]["grace_until"], 14);
    assert_eq!(details[4]["after"]["revoked_reason"], "found in public");
}

pub async fn no_entry_holds_a_digest(store: &dyn Store) {
    live(store).await;
    for entry in trail(store).await {
        // Every digest of these tests holds this byte many times.
        let details = entry.details.unwrap_or_default().to_lowercase();
        for spelled in ["5a5a", "wlpa", "90,90"] {
            assert!(!details.contains(spelled), "{details}");
        }
    }
}

async fn page(
    store: &dyn Store,
    filter: AuditFilter,
    after: Option<u64>,
    descending: bool,
    max: u32,
) -> (Vec<u64>, Option<u64>) {
    let (after, max) = (after.map(ChangeId), NonZeroU32::new(max).unwrap());
    let query = AuditQuery { filter, after, descending, max };
    let page = store.audit_entries(query).await.unwrap();
    (page.entries.iter().map(|entry| entry.id.0).collect(), page.next.map(|next| next.0))
}

pub async fn entries_come_in_pages(store: &dyn Store) {
    let all = AuditFilter::default;
    assert_eq!(page(store, all(), None, false, 2).await, (vec![], None));
    for number in 1..=5 {
        issue(store, number).await;
    }
    assert_eq!(page(store, all(), None, false, 2).await, (vec![1, 2], Some(2)));
    assert_eq!(page(store, all(), Some(2), false, 2).await, (vec![3, 4], Some(4)));
    assert_eq!(page(store, all(), Some(4), false, 2).await, (vec![5], None));
    assert_eq!(page(store, all(), Some(3), false, 2).await, (vec![4, 5], None));
    assert_eq!(page(store, all(), Some(5), false, 2).await, (vec![], None));
    assert_eq!(page(store, all(), Some(u64::MAX), false, 2).await, (vec![], None));
    assert_eq!(page(store, all(), None, true, 2).await, (vec![5, 4], Some(4)));
    assert_eq!(page(store, all(), Some(4), true, 2).await, (vec![3, 2], Some(2)));
    assert_eq!(page(store, all(), Some(2), true, 2).await, (vec![1], None));
    assert_eq!(page(store, all(), Some(1), true, 2).await, (vec![], None));
}

/// Every entry that matches, for pages of any size.
async fn fitting(store: &dyn Store, filter: AuditFilter) -> Vec<u64> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (ids, next) = page(store, filter.clone(), after, false, 2).await;
        all.extend(ids);
        if next.is_none() {
            return all;
        }
        after = next;
    }
}

pub async fn entries_are_found_by_what_they_say(store: &dyn Store) {
    live(store).await;
    insert(store, new_key(5), Audit::program(UnixMillis(30))).await;
    let all = AuditFilter::default;
    let check = async |filter: AuditFilter, expected: &[u64]| {
        assert_eq!(fitting(store, filter.clone()).await, expected, "{filter:?}");
    };
    check(AuditFilter { key_id: Some(id(1)), ..all() }, &[3, 4, 5, 6, 7, 12]).await;
    check(AuditFilter { key_id: Some(id(99)), ..all() }, &[]).await;
    check(AuditFilter { verb: Some(Verb::Import), ..all() }, &[10, 11]).await;
    let person = |actor: &str| AuditFilter { actor: Some(actor.to_owned()), ..all() };
    check(person("program"), &[13]).await;
    check(person("admin-key"), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).await;
    check(person("nobody"), &[]).await;
    // The times go down and up again: the key was issued at 1.
    check(AuditFilter { since: Some(UnixMillis(16)), ..all() }, &[7, 8, 9, 10, 11, 12, 13]).await;
    check(AuditFilter { until: Some(UnixMillis(11)), ..all() }, &[1, 3]).await;
    let span = AuditFilter {
        since: Some(UnixMillis(14)),
        until: Some(UnixMillis(16)),
        key_id: Some(id(1)),
        ..all()
    };
    check(span.clone(), &[5, 6]).await;
    check(AuditFilter { verb: Some(Verb::Resume), ..span }, &[6]).await;
}
