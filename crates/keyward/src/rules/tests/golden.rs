//! The trail of the version before, made again by the rules: every entry is the same to the byte,
//! and so is its digest.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::audit::{AuditEntry, ChainDigest};
use crate::details::{Metadata, NotesEdit};

/// The trail of the last program of schema 11, as it printed it; see the tests of the store in
/// SQLite.
fn trail() -> Vec<AuditEntry> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keyward-sqlite/tests/it/golden");
    let text = fs::read_to_string(store.join("schema-11.jsonl")).unwrap();
    text.lines().map(|line| entry(&serde_json::from_str(line).unwrap())).collect()
}

fn entry(line: &Value) -> AuditEntry {
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    let link = |name: &str| ChainDigest::from_hex(line[name].as_str().unwrap()).unwrap();
    AuditEntry {
        id: ChangeId(line["id"].as_u64().unwrap()),
        at: UnixMillis(line["at_ms"].as_u64().unwrap()),
        actor: text("actor").unwrap(),
        address: text("address"),
        verb: text("verb").unwrap(),
        key_id: line["key_id"].as_u64(),
        tier: text("tier"),
        owner: text("owner"),
        request_id: text("request_id"),
        details: text("details"),
        previous: link("previous"),
        digest: link("digest"),
    }
}

/// The actor and the time of an entry's change.
fn audit_of(entry: &AuditEntry) -> Audit {
    let actor = match entry.actor.as_str() {
        "admin-key" => Actor::AdminKey,
        "github" => Actor::GitHub,
        "leak-report" => Actor::LeakReport,
        "program" => Actor::Program,
        person => Actor::Person(person.strip_prefix("oidc:").unwrap().to_owned()),
    };
    let address = entry.address.as_ref().map(|address| address.parse().unwrap());
    let request_id = entry.request_id.clone();
    Audit { actor, address, request_id, ..Audit::program(entry.at) }
}

fn limits_of(list: &Value) -> Limits {
    let number =
        |value: &Value| NonZeroU32::new(value.as_u64().unwrap().try_into().unwrap()).unwrap();
    let limit = |it: &Value| {
        let per = Duration::from_secs(it["per_secs"].as_u64().unwrap());
        let name = it["name"].as_str().unwrap();
        Limit::new(name, number(&it["amount"]), per, number(&it["burst"])).unwrap()
    };
    Limits::new(list.as_array().unwrap().iter().map(limit).collect()).unwrap()
}

fn at(value: &Value) -> Option<UnixMillis> {
    value.as_u64().map(UnixMillis)
}

/// The values of a list of words.
fn list<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> Vec<T> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().parse().unwrap()).collect()
}

/// The change, as far as its entry has it. `number` makes secrets that no other change has.
fn change_of(entry: &AuditEntry, details: &Value, number: u64) -> Change {
    let after = &details["after"];
    let text = |name: &str| after[name].as_str();
    let key_change = |change| Change::Key { id: id(entry.key_id.unwrap()), change, expected: None };
    let reason = || text("revoked_reason").map(|text| text.parse().unwrap());
    let owner = || entry.owner.as_ref().unwrap().parse().unwrap();
    let tier = || entry.tier.as_ref().unwrap().parse().unwrap();
    let of_owner = |change| Change::Owner { owner: owner(), change, expected: None };
    match Verb::of(&entry.verb).unwrap() {
        Verb::Issue => issue(new_key(entry, after, number)),
        Verb::Import => import(vec![new_key(entry, after, number)]),
        Verb::Edit => key_change(KeyChange::Edit(Box::new(edit_of(after)))),
        Verb::Suspend => key_change(KeyChange::Suspend),
        Verb::Resume => key_change(KeyChange::Resume),
        Verb::Rotate => {
            let hint = text("hint").unwrap().to_owned();
            let ends_at = at(&after["grace_until"]).unwrap();
            let grace = Duration::from_millis(ends_at.0 - entry.at.0);
            key_change(KeyChange::Rotate { digest: digest(number), hint, grace })
        }
        Verb::Revoke => key_change(KeyChange::Revoke { reason: reason() }),
        Verb::PutTier => {
            let limits = limits_of(after);
            Change::PutTier { name: tier(), limits, before: TierBefore::Any }
        }
        Verb::DeleteTier => Change::DeleteTier { name: tier(), before: TierBefore::Any },
        Verb::SuspendOwner => of_owner(OwnerChange::Suspend),
        Verb::ResumeOwner => of_owner(OwnerChange::Resume),
        Verb::EditOwner => of_owner(OwnerChange::Edit { limits: limits_of(&after["limits"]) }),
        Verb::AcceptClock => Change::AcceptClock,
        Verb::AcceptRestore | Verb::Diverged | Verb::Migrate => panic!("it is not in this trail"),
    }
}

fn new_key(entry: &AuditEntry, after: &Value, number: u64) -> Unkept {
    let text = |name: &str| after[name].as_str();
    let state = match text("state").unwrap() {
        "active" => KeyState::Active,
        "suspended" => KeyState::Suspended,
        "revoked" => KeyState::Revoked { at: entry.at },
        other => panic!("{other}"),
    };
    let hint = text("hint").unwrap().to_owned();
    let former = at(&after["grace_until"]);
    let former = former.map(|ends_at| FormerSecret { secret: secret(number + 500, 1), ends_at });
    Unkept {
        id: entry.key_id.and_then(KeyId::new),
        name: text("name").unwrap().parse().unwrap(),
        tier: text("tier").unwrap().parse().unwrap(),
        owner: text("owner").map(|owner| owner.parse().unwrap()),
        scopes: crate::record::Scopes::new(list(&after["scopes"])).unwrap(),
        networks: crate::network::Networks::new(list(&after["networks"])).unwrap(),
        limits: Some(&after["limits"]).filter(|list| !list.is_null()).map(limits_of),
        notes: after["metadata"].to_string().parse::<Metadata>().unwrap().into(),
        expires_at: at(&after["expires_at"]),
        state,
        revoked_reason: text("revoked_reason").map(|text| text.parse().unwrap()),
        secret: StoredSecret { hint, ..secret(number, entry.at.0) },
        former: former.into_iter().collect(),
        ..key(number)
    }
}

fn edit_of(after: &Value) -> KeyEdit {
    let text = |name: &str| after[name].as_str();
    KeyEdit {
        name: text("name").map(|name| name.parse().unwrap()),
        tier: text("tier").map(|tier| tier.parse().unwrap()),
        owner: after.get("owner").map(|owner| owner.as_str().map(|it| it.parse().unwrap())),
        scopes: after.get("scopes").map(|it| crate::record::Scopes::new(list(it)).unwrap()),
        networks: after.get("networks").map(|it| crate::network::Networks::new(list(it)).unwrap()),
        limits: after.get("limits").map(|it| Some(it).filter(|it| !it.is_null()).map(limits_of)),
        notes: after.get("metadata").map(metadata).map(NotesEdit::from).unwrap_or_default(),
        expires_at: after.get("expires_at").map(at),
    }
}

fn metadata(json: &Value) -> Metadata {
    json.to_string().parse().unwrap()
}

#[test]
fn the_rules_write_the_trail_of_the_version_before() {
    let mut rows = Rows::new_with(&["basic", "pro", "enterprise"]);
    for (tier, amount) in rows.tiers.iter_mut().zip([100, 1_000, 10_000]) {
        tier.limits = limits(amount);
    }
    let trail = trail();
    assert_eq!(trail.len(), 38);
    for (number, told) in (1_u64..).zip(&trail) {
        let details: Value = serde_json::from_str(told.details.as_deref().unwrap()).unwrap();
        let audit = audit_of(told);
        if told.verb == "accept-restore" {
            // Numbers go on after the lost ones.
            rows.progress.change = ChangeId(told.id.0 - 1);
            let details = told.details.clone().unwrap();
            let sealed =
                seal(&rows.progress, &audit, Verb::AcceptRestore, Subject::Store, details).unwrap();
            assert_eq!(&sealed, told);
            (rows.progress.change, rows.progress.digest) = (sealed.id, sealed.digest);
            rows.entries.push(sealed);
            continue;
        }
        if told.verb == "accept-clock" {
            rows.reading = at(&details["before"]["latest_at"]);
        }
        rows.done(change_of(told, &details, number), &audit);
        assert_eq!(rows.entries.last(), Some(told));
    }
}
