//! `keyward key edit`: changing a key, unless another client has changed it meanwhile.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::Route;

use super::{Expiry, read_metadata, view};
use crate::connection::Common;
use crate::limit::LimitFlags;
use crate::number;
use crate::output::{Look, Output};
use crate::status::Complaint;

pub(super) const EXAMPLES: [&str; 6] = [
    "keyward key edit 7 --tier pro",
    "keyward key edit 7 --scope articles:read --scope feeds:*",
    "keyward key edit 7 --expires-in 90d --owner acme",
    "keyward key edit 7 --never-expires --clear-owner --any-network",
    "keyward key edit 7 --limit \"100 per 60s burst 200\"",
    "keyward key edit 7 --tier-limits --if-version 3",
];

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Edit {
    /// The key's id, as `list` shows it
    #[arg(value_parser = number::id)]
    id: u64,
    /// What people know the key by, 1 to 100 characters
    #[arg(long)]
    name: Option<String>,
    /// The plan whose limits it has
    #[arg(long)]
    tier: Option<String>,
    /// The customer to whom it belongs
    #[arg(long)]
    owner: Option<String>,
    /// Let it belong to nobody
    #[arg(long, conflicts_with = "owner")]
    clear_owner: bool,
    /// What it may do, instead of all that it may do now; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Take all scopes away
    #[arg(long, conflicts_with = "scopes")]
    no_scopes: bool,
    /// Where it may be used from, instead of all that there is now; may be given several times
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// Let it be used from anywhere
    #[arg(long, conflicts_with = "networks")]
    any_network: bool,
    #[command(flatten)]
    expiry: Expiry,
    /// Let it never end
    #[arg(long, conflicts_with_all = ["expires_in", "expires_at"])]
    never_expires: bool,
    #[command(flatten)]
    limits: LimitFlags,
    /// Give it the limits of its tier again
    #[arg(long, conflicts_with_all = ["limits", "unlimited"])]
    tier_limits: bool,
    /// What else people note about it, instead of what is there: a JSON object, or @FILE with one
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Only if this is its version still, as `show` prints it; otherwise, the one it has now
    #[arg(long, value_name = "NUMBER", value_parser = number::version)]
    if_version: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Edit {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let body = self.body(out)?;
        let client = self.common.client()?;
        let before = client.get(&Route::key(self.id))?;
        let etag = before.etag.context("the answer has no `ETag`; is it an older server?")?;
        let etag = match self.if_version {
            // The server reports that it has changed.
            Some(version) if !is_of(&etag, version) => format!("\"{version}\""),
            Some(_) | None => etag,
        };
        let after = client.patch(&Route::key(self.id), &body, &etag)?.body;
        if self.common.json {
            return Ok(out.json(&after)?);
        }
        Ok(print(self.id, &before.body, &after, out)?)
    }

    /// The fields to change, and no others.
    fn body(&self, out: &Output) -> anyhow::Result<Value> {
        let mut body = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let texts =
            |list: &Vec<String>, none: bool| (none || !list.is_empty()).then(|| json!(list));
        let null = |is_null: bool| is_null.then_some(Value::Null);
        add("name", text(&self.name));
        add("tier", text(&self.tier));
        add("owner", text(&self.owner).or(null(self.clear_owner)));
        add("scopes", texts(&self.scopes, self.no_scopes));
        add("networks", texts(&self.networks, self.any_network));
        if let Some((name, value)) = self.expiry.member(out) {
            add(name, Some(value));
        }
        add("expires_at", null(self.never_expires));
        add("limits", self.limits.json().or(null(self.tier_limits)));
        add("metadata", self.metadata.as_deref().map(read_metadata).transpose()?);
        if body.is_empty() {
            let what = "nothing to change; `keyward key edit --help` lists what can be";
            return Err(Complaint::Usage(what.to_owned()).into());
        }
        Ok(Value::Object(body))
    }
}

/// Whether an `ETag` is that of a key in this version, with any version of its owner, which follows
/// a dot.
fn is_of(etag: &str, version: u64) -> bool {
    let versions = etag.trim_matches('"');
    versions.split('.').next() == Some(version.to_string().as_str())
}

/// Prints the difference.
fn print(id: u64, before: &Value, after: &Value, out: &mut Output) -> std::io::Result<()> {
    let rows = changes(before, after, out.look());
    if rows.is_empty() {
        return out.line(&format!("Key {id} was so already."));
    }
    out.line(&format!("Changed key {id}:"))?;
    out.table(&["member", "before", "after"], &rows)
}

fn changes(before: &Value, after: &Value, look: Look) -> Vec<Vec<String>> {
    let names = after.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let changed = names.filter(|name| *name != "version" && before.get(name) != after.get(name));
    let shown = |key: &Value, name| view::value(key, name, look).text;
    changed.map(|name| vec![name.to_owned(), shown(before, name), shown(after, name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::view::testing::full_key;
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn an_edit_says_what_is_different_now() {
        let before = full_key();
        let mut after = full_key();
        after["tier"] = json!("basic");
        after["owner"] = Value::Null;
        after["expires_at"] = Value::Null;
        after["limits"] = Value::Null;
        after["version"] = json!(4);
        insta::assert_snapshot!(both(|out| print(7, &before, &after, out)));
        insta::assert_snapshot!(both(|out| print(7, &before, &before, out)));
    }
}
