//! `keyward key edit`: changing a key, unless another client has changed it meanwhile.

use clap::Args;
use keyward_api::key::{KeyDraft, KeyView};
use serde_json::{Value, json};

use crate::client::{Response, Route};

use super::fields::Fields;
use super::view;
use crate::connection::Common;
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
    /// The name of the key, 1 to 100 characters
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Take its owner away
    #[arg(long, conflicts_with = "owner")]
    clear_owner: bool,
    /// Take all scopes away
    #[arg(long, conflicts_with = "scopes")]
    no_scopes: bool,
    /// Let it be used from anywhere
    #[arg(long, conflicts_with = "networks")]
    any_network: bool,
    /// Let it never end
    #[arg(long, conflicts_with_all = ["expires_in", "expires_at"])]
    never_expires: bool,
    /// Give it the limits of its tier again
    #[arg(long, conflicts_with_all = ["limits", "unlimited"])]
    tier_limits: bool,
    /// Only if this is its version still, as `show` prints it; otherwise, the one it has now
    #[arg(long, value_name = "NUMBER", value_parser = number::version)]
    if_version: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Edit {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let body = self.body(out.look())?;
        let client = self.common.client()?;
        let before = client.get::<KeyView>(&Route::key(self.id))?;
        let etag = before.known_etag()?;
        let etag = match self.if_version {
            // The server reports that it has changed.
            Some(version) if !is_of(etag, version) => format!("\"{version}\""),
            Some(_) | None => etag.to_owned(),
        };
        let after = client.patch(&Route::key(self.id), &body, &etag)?;
        if self.common.json {
            return Ok(out.json(&after.json)?);
        }
        Ok(print(self.id, &before, &after, out)?)
    }

    /// The fields to change, and no others.
    fn body(&self, look: Look) -> Result<KeyDraft, Complaint> {
        let mut body = self.fields.draft(self.name.as_ref(), look)?;
        let none = || Some(json!([]));
        body.owner = body.owner.or(self.clear_owner.then_some(Value::Null));
        body.scopes = body.scopes.or_else(|| none().filter(|_| self.no_scopes));
        body.networks = body.networks.or_else(|| none().filter(|_| self.any_network));
        body.expires_at = body.expires_at.or(self.never_expires.then_some(Value::Null));
        body.limits = body.limits.or(self.tier_limits.then_some(Value::Null));
        if body == KeyDraft::default() {
            let what = "nothing to change; `keyward key edit --help` lists what can be";
            return Err(Complaint::Usage(what.to_owned()));
        }
        Ok(body)
    }
}

/// Whether an `ETag` is that of a key in this version, with any version of its owner, which follows
/// a dot.
fn is_of(etag: &str, version: u64) -> bool {
    let versions = etag.trim_matches('"');
    versions.split('.').next() == Some(version.to_string().as_str())
}

type Key = Response<KeyView>;

/// Prints the difference.
fn print(id: u64, before: &Key, after: &Key, out: &mut Output) -> std::io::Result<()> {
    let rows = changes(before, after, out.look());
    if rows.is_empty() {
        return out.line(&format!("Key {id} was so already."));
    }
    out.line(&format!("Changed key {id}:"))?;
    out.table(&["field", "before", "after"], &rows)
}

fn changes(before: &Key, after: &Key, look: Look) -> Vec<Vec<String>> {
    let names = after.json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let differs = |name: &str| before.json.get(name) != after.json.get(name);
    let changed = names.filter(|name| *name != "version" && differs(name));
    let shown = |key, name| view::value(key, name, look).text;
    changed.map(|name| vec![name.to_owned(), shown(before, name), shown(after, name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::view::testing::{full_key, of};
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
        let (before, after) = (of(before), of(after));
        insta::assert_snapshot!(both(|out| print(7, &before, &after, out)));
        insta::assert_snapshot!(both(|out| print(7, &before, &before, out)));
    }
}
