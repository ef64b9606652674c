//! `keyward key list`: the keys that match the filters, page after page.

use std::num::NonZeroU32;

use clap::Args;
use keyward_api::duration::WholeSeconds;
use keyward_api::key::{KeyList, KeyView, PAGE_MAX, SortWord};
use keyward_api::words::StageWord;
use serde_json::{Value, json};

use crate::client::{Client, Route};

use super::view;
use crate::connection::Common;
use crate::moment::Moment;
use crate::number;
use crate::output::{Cell, Output, shown};

pub(super) const EXAMPLES: [&str; 6] = [
    "keyward key list",
    "keyward key list --owner acme --state active --total",
    "keyward key list --expires-within 30d --sort expires",
    "keyward key list --idle-for 90d --all --json | jq '.api_keys[].key_id'",
    "keyward key list --hint kw_Ab3d",
    "keyward key list --name mobile --created-after 2026-01-01 --sort -last_used",
];

#[derive(Debug, Args)]
pub struct List {
    /// Only keys in this state
    #[arg(long, value_parser = StageWord::words())]
    state: Option<String>,
    /// Only keys of this tier
    #[arg(long)]
    tier: Option<String>,
    /// Only keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only keys whose name has this in it, 3 characters or more
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only keys whose secret begins with this
    #[arg(long, value_name = "TEXT")]
    hint: Option<String>,
    /// Only keys that expire within this time, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = WholeSeconds::parse)]
    expires_within: Option<WholeSeconds>,
    /// Only keys that have not been used for this long, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = WholeSeconds::parse)]
    idle_for: Option<WholeSeconds>,
    /// Only keys issued since, such as 2026-01-31 or 7d, which is 7 days ago
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    created_after: Option<Moment>,
    /// Only keys issued before, such as 2026-01-31 or 7d, which is 7 days ago
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    created_before: Option<Moment>,
    /// The order: the smallest or earliest first, or with a minus the largest or latest
    #[arg(long, value_name = "ORDER", value_parser = SortWord::words(), default_value = "-created")]
    #[arg(allow_hyphen_values = true)]
    sort: String,
    /// Most keys to list
    #[arg(long, default_value = "100", value_name = "COUNT", value_parser = number::count)]
    limit: NonZeroU32,
    /// List all matching keys
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Also count all matching keys
    #[arg(long)]
    total: bool,
    #[command(flatten)]
    common: Common,
}

/// The keys that were found.
#[derive(Debug, Default)]
struct Found {
    keys: Vec<KeyView>,
    /// The keys as the server sent them.
    sent: Vec<Value>,
    /// The number of matching keys, if it was requested.
    total: Option<u64>,
    /// Whether `total` is a lower bound.
    total_is_least: bool,
    /// The cursor of the next page.
    next: Option<String>,
}

impl Found {
    /// The server's fields, as if all had come on one page.
    fn json(self) -> Value {
        let count = self.sent.len();
        let mut json = json!({ "api_keys": self.sent, "count": count, "next_cursor": self.next });
        if let (Some(fields), Some(total)) = (json.as_object_mut(), self.total) {
            fields.insert("total".to_owned(), json!(total));
            fields.insert("total_is_exact".to_owned(), json!(!self.total_is_least));
        }
        json
    }
}

impl List {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let found = self.collect(&self.common.client()?, out)?;
        if self.common.json {
            return Ok(out.json(&found.json())?);
        }
        Ok(print(&found, self.has_filter(), out)?)
    }

    fn has_filter(&self) -> bool {
        let texts = [&self.state, &self.tier, &self.owner, &self.name, &self.hint];
        let times = [self.created_after, self.created_before];
        texts.into_iter().any(Option::is_some)
            || times.into_iter().any(|time| time.is_some())
            || self.expires_within.is_some()
            || self.idle_for.is_some()
    }

    /// Requests page after page, up to the last one or until there are enough keys.
    fn collect(&self, client: &Client, out: &Output) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let most = if self.all { u32::MAX } else { self.limit.get() };
        loop {
            let have = u32::try_from(found.keys.len()).unwrap_or(u32::MAX);
            let left = most.saturating_sub(have);
            let asks_total = self.total && found.total.is_none();
            let page = self.route(left.min(PAGE_MAX), asks_total, found.next.as_deref(), out);
            let mut page = client.get::<KeyList>(&page)?;
            found.sent.append(&mut page.take_list("api_keys"));
            found.keys.extend(page.body.api_keys);
            if asks_total {
                found.total = page.body.total;
                found.total_is_least = page.body.total_is_exact == Some(false);
            }
            // A page may hold fewer keys than `limit`, or none, and still have a next one.
            let next = page.body.next_cursor;
            if next.is_some() && next == found.next {
                anyhow::bail!("the server's pages do not end; look into its log");
            }
            found.next = next;
            let is_enough = most as usize <= found.keys.len();
            if found.next.is_none() || is_enough {
                return Ok(found);
            }
        }
    }

    fn route(&self, limit: u32, asks_total: bool, cursor: Option<&str>, out: &Output) -> Route {
        let time = |moment: Option<Moment>| moment.map(|at| at.text(out.look().now));
        // The default order is the server's own.
        let sort = Some(&self.sort).filter(|sort| *sort != "-created");
        Route::of(["admin", "api-keys"])
            .with("state", self.state.as_ref())
            .with("tier", self.tier.as_ref())
            .with("owner", self.owner.as_ref())
            .with("name", self.name.as_ref())
            .with("hint", self.hint.as_ref())
            .with("expires_within", self.expires_within)
            .with("idle_for", self.idle_for)
            .with("created_after", time(self.created_after))
            .with("created_before", time(self.created_before))
            .with("sort", sort)
            .with("limit", Some(limit))
            .with("total", asks_total.then_some("true"))
            .with("cursor", cursor)
    }
}

fn print(found: &Found, has_filter: bool, out: &mut Output) -> std::io::Result<()> {
    if found.keys.is_empty() {
        return out.line(if has_filter {
            "No key fits."
        } else {
            "No keys yet. Issue one with `keyward key issue --name NAME`."
        });
    }
    let look = out.look();
    let row = |key: &KeyView| {
        vec![
            shown(&key.key_id).into(),
            shown(&key.name).into(),
            shown(&key.tier).into(),
            shown(&key.owner).into(),
            view::state(key, look),
            shown(&key.hint).into(),
            look.time(&key.created_at).into(),
            look.time(&key.last_used_at).into(),
            look.time(&key.expires_at).into(),
        ]
    };
    let head = ["id", "name", "tier", "owner", "state", "hint", "created", "last used", "expires"];
    let rows: Vec<Vec<Cell>> = found.keys.iter().map(row).collect();
    // At a terminal room is scarce; a program wants the same columns every time.
    let is_shown = |at: &usize| !look.is_terminal || !is_empty(&rows, *at);
    let shown: Vec<_> = (0..head.len()).filter(is_shown).collect();
    let head: Vec<_> = shown.iter().filter_map(|at| head.get(*at).copied()).collect();
    let pick = |row: &Vec<Cell>| shown.iter().filter_map(|at| row.get(*at).cloned()).collect();
    out.table::<Cell>(&head, &rows.iter().map(pick).collect::<Vec<_>>())?;
    if let Some(total) = found.total {
        let at_least = if found.total_is_least { "at least " } else { "" };
        out.line(&format!("{} of {at_least}{total} keys that fit.", found.keys.len()))?;
    }
    if found.next.is_some() {
        out.line("There are more; list them with a larger --limit, or with --all.")?;
    }
    Ok(())
}

/// No key has a value in this column.
fn is_empty(rows: &[Vec<Cell>], at: usize) -> bool {
    rows.iter().all(|row| row.get(at).is_some_and(|cell| cell.text == "-"))
}

#[cfg(test)]
mod tests {
    use super::super::view::testing::{bare_key, full_key, of};
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn keys_are_listed_in_every_state() {
        let keys = vec![
            of(full_key()).body,
            of(bare_key(6, "active", &[])).body,
            of(bare_key(5, "suspended", &["key"])).body,
            of(bare_key(4, "suspended", &["owner"])).body,
            of(bare_key(3, "revoked", &[])).body,
            of(bare_key(2, "expired", &[])).body,
        ];
        let (total, next) = (Some(1_234), Some("x".to_owned()));
        let found = Found { keys, total, next, ..Found::default() };
        insta::assert_snapshot!(both(|out| print(&found, true, out)));
    }

    #[test]
    fn a_total_that_is_not_exact_is_called_so() {
        let (keys, total) = (vec![of(bare_key(6, "active", &[])).body], Some(5_000));
        let found = Found { keys, total, total_is_least: true, ..Found::default() };
        let told = both(|out| print(&found, true, out));
        assert_eq!(told.matches("1 of at least 5000 keys that fit.").count(), 2, "{told}");
    }

    #[test]
    fn columns_without_anything_are_left_out_at_a_terminal() {
        let keys = vec![of(bare_key(6, "active", &[])).body];
        let found = Found { keys, ..Found::default() };
        insta::assert_snapshot!(both(|out| print(&found, true, out)));
    }

    #[test]
    fn nothing_found_is_said() {
        let none = Found::default();
        insta::assert_snapshot!(both(|out| print(&none, true, out)));
        insta::assert_snapshot!(both(|out| print(&none, false, out)));
    }
}
