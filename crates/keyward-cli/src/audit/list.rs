//! `keyward audit list`: the changes that match the filters.

use std::num::NonZeroU32;

use clap::Args;
use keyward::UnixMillis;
use keyward_api::audit::{AuditPageView, AuditView};
use keyward_api::shapes::Time;
use serde_json::{Value, json};

use crate::client::{Client, Route};

use super::PAGE_LEN;
use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Output, printable, shown};

pub(super) const EXAMPLES: [&str; 4] = [
    "keyward audit list",
    "keyward audit list --key-id 7",
    "keyward audit list --actor oidc:ada@example.org --since 7d",
    "keyward audit list --verb revoke --since 2026-11-01 --until 2026-12-01 --all --json",
];

#[derive(Debug, Args)]
pub struct List {
    /// Only changes of this key
    #[arg(long, value_name = "ID", visible_alias = "key", value_parser = number::id)]
    key_id: Option<u64>,
    /// Only changes by this actor, such as admin-key or oidc:ada@example.org
    #[arg(long)]
    actor: Option<String>,
    /// Only changes of this kind, such as issue, edit, rotate, revoke or suspend-owner
    #[arg(long)]
    verb: Option<String>,
    /// Only changes since, such as 2026-11-01 or 7d, which is 7 days ago
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only changes before
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// The earliest first
    #[arg(long)]
    oldest_first: bool,
    /// Most changes to list
    #[arg(long, default_value = "100", value_name = "COUNT", value_parser = number::count)]
    limit: NonZeroU32,
    /// List all matching changes
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    common: Common,
}

impl List {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let Found { sent, entries, next_after } = self.collect(&self.common.client()?, out)?;
        if self.common.json {
            let count = sent.len();
            let entries: Vec<_> = sent.into_iter().map(with_times).collect();
            let json = json!({ "entries": entries, "count": count, "next_after": next_after });
            return Ok(out.json(&json)?);
        }
        Ok(print(&entries, next_after.is_some(), out)?)
    }

    fn collect(&self, client: &Client, out: &Output) -> anyhow::Result<Found> {
        let most = if self.all { u32::MAX } else { self.limit.get() };
        let time = |moment: Option<Moment>| moment.map(|at| at.text(out.look().now));
        let mut found = Found::default();
        loop {
            let have = u32::try_from(found.entries.len()).unwrap_or(u32::MAX);
            let left = most.saturating_sub(have);
            let route = Route::of(["admin", "audit"])
                .with("key_id", self.key_id)
                .with("actor", self.actor.as_ref())
                .with("verb", self.verb.as_ref())
                .with("since", time(self.since))
                .with("until", time(self.until))
                .with("order", (!self.oldest_first).then_some("desc"))
                .with("limit", Some(left.min(PAGE_LEN)))
                .with("after", found.next_after);
            let mut page = client.get::<AuditPageView>(&route)?;
            found.sent.append(&mut page.take_list("entries"));
            found.entries.extend(page.body.entries);
            let next = page.body.next_after.map(|next| next.0);
            if next.is_some() && next == found.next_after {
                anyhow::bail!("the server's pages do not end; look into its log");
            }
            found.next_after = next;
            if next.is_none() || most as usize <= found.entries.len() {
                return Ok(found);
            }
        }
    }
}

/// The entries that were found.
#[derive(Debug, Default)]
struct Found {
    /// The entries as the server sent them.
    sent: Vec<Value>,
    entries: Vec<AuditView>,
    /// The last of them, if there are more.
    next_after: Option<u64>,
}

fn print(entries: &[AuditView], has_more: bool, out: &mut Output) -> std::io::Result<()> {
    if entries.is_empty() {
        return out.line("No change fits.");
    }
    let look = out.look();
    let row = |entry: &AuditView| {
        vec![
            shown(&entry.id),
            look.time(&entry.at),
            shown(&entry.actor),
            shown(&entry.address),
            shown(&entry.verb),
            subject(entry),
            details(entry),
        ]
    };
    let head = ["id", "at", "actor", "address", "verb", "of", "what"];
    out.table(&head, &entries.iter().map(row).collect::<Vec<_>>())?;
    if has_more {
        out.line("There are more; list them with a larger --limit, or with --all.")?;
    }
    Ok(())
}

/// The entry with the times in its details as RFC 3339; the trail has them as milliseconds.
fn with_times(mut entry: Value) -> Value {
    let Some(details) = entry.get_mut("details").and_then(Value::as_object_mut) else {
        return entry;
    };
    for (name, field) in &mut *details {
        name_time(name, field);
    }
    for side in ["before", "after"] {
        let fields = details.get_mut(side).and_then(Value::as_object_mut);
        for (name, field) in fields.into_iter().flatten() {
            name_time(name, field);
        }
    }
    entry
}

/// Turns a field that is a time in milliseconds into a text.
fn name_time(name: &str, field: &mut Value) {
    if let Some(time) = time(name, field) {
        *field = time.into();
    }
}

/// The object that was changed. An entry about a key may name its tier and owner as well.
fn subject(entry: &AuditView) -> String {
    match (&entry.key_id, &entry.owner, &entry.tier) {
        (Some(id), _, _) => format!("key {}", shown(id)),
        (None, Some(owner), _) => format!("owner {}", printable(owner)),
        (None, None, Some(tier)) => format!("tier {}", printable(tier)),
        (None, None, None) => "-".to_owned(),
    }
}

/// The change: field by field where there is a before and an after.
fn details(entry: &AuditView) -> String {
    let details = entry.details.as_ref().and_then(|text| serde_json::from_str(text.get()).ok());
    let Some(Value::Object(details)) = details else {
        return "-".to_owned();
    };
    let (before, after) = (details.get("before"), details.get("after"));
    let changed = after.and_then(Value::as_object).map(|after| {
        let before = |name: &str| before.and_then(|before| before.get(name));
        let names = after.iter().filter(|(name, value)| before(name) != Some(*value));
        names.map(|(name, value)| (name, before(name), value)).collect::<Vec<_>>()
    });
    let words: Vec<_> = match changed {
        Some(changed) => changed
            .into_iter()
            // For a new object, its present fields suffice.
            .filter(|(_, before, after)| before.is_some() || !is_nothing(after))
            .map(|(name, before, after)| match before {
                Some(before) => format!("{name}: {} → {}", text(name, before), text(name, after)),
                None => format!("{name}: {}", text(name, after)),
            })
            .collect(),
        None => {
            details.iter().map(|(name, value)| format!("{name}: {}", text(name, value))).collect()
        }
    };
    printable(&words.join("; "))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A field in words; the trail has times as milliseconds.
fn text(name: &str, value: &Value) -> String {
    match (time(name, value), value) {
        (Some(time), _) => time,
        (None, Value::String(text)) if text.is_empty() => "none".to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Null) => "none".to_owned(),
        (None, other) => other.to_string(),
    }
}

/// A field of the trail that is a time in milliseconds, as RFC 3339.
fn time(name: &str, value: &Value) -> Option<String> {
    let is_time = name.ends_with("_at") || name.ends_with("_until");
    let millis = value.as_u64().filter(|_| is_time)?;
    Some(Time(UnixMillis(millis)).to_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn times_in_the_details_have_the_form_of_all_times() {
        let entry = json!({ "id": 1, "at": "2026-11-24T06:30:00.000Z", "details": {
            "before": { "expires_at": 1_795_512_600_000_u64, "name": "a" },
            "after": { "expires_at": null, "metadata": { "seen_at": 7 }, "grace_until": 0 },
        }});
        let shown = with_times(entry);
        let expected = json!({
            "before": { "expires_at": "2026-11-24T09:30:00.000Z", "name": "a" },
            "after": { "expires_at": null, "metadata": { "seen_at": 7 },
                       "grace_until": "1970-01-01T00:00:00.000Z" },
        });
        assert_eq!((&shown["details"], &shown["id"]), (&expected, &json!(1)));
        let bare = json!({ "details": null });
        assert_eq!(with_times(bare.clone()), bare);
    }

    #[test]
    fn changes_are_listed_with_what_was_and_what_is() {
        let entry = |id: u64, verb: &str, of: (&str, Value), details: Value| {
            let mut entry = json!({
                "id": id, "at": "2026-11-24T06:30:00.000Z", "actor": "admin-key",
                "address": "127.0.0.1", "verb": verb, "key_id": null, "tier": null, "owner": null,
                "request_id": "r1", "details": details, "previous": "", "digest": "",
            });
            entry[of.0] = of.1;
            serde_json::from_value(entry).unwrap()
        };
        let entries = [
            entry(4, "suspend-owner", ("owner", json!("acme")), json!({"keys": 12})),
            entry(3, "put-tier", ("tier", json!("pro")), Value::Null),
            entry(
                2,
                "edit",
                ("key_id", json!(7)),
                json!({
                    "before": {"tier": "basic", "owner": "a\u{1b}b", "name": "x"},
                    "after": {"tier": "pro", "owner": null, "name": "x", "scopes": ["a:b"]},
                }),
            ),
            entry(1, "issue", ("key_id", json!(7)), json!({"name": "x", "tier": "basic"})),
        ];
        insta::assert_snapshot!(both(|out| print(&entries, true, out)));
    }
}
