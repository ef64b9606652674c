//! `keyward owner`: the customers to whom keys belong, and stopping all keys of one.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{Client, Route};

use super::connection::Common;
use super::output::{Output, count, list, member, printable};
use super::status::{examples, tell};

/// Owners in one answer: the most that the server gives.
const PAGE_OWNERS: u32 = 1_000;

/// What can be done with owners.
#[derive(Debug, Subcommand)]
pub(super) enum OwnerCommand {
    /// List the owners that are suspended
    #[command(after_help = examples(&["keyward owner list"]))]
    List(OwnerList),
    /// Show whether an owner is suspended, and how many keys it has
    #[command(after_help = examples(&["keyward owner show acme", "keyward key list --owner acme"]))]
    Show(OneOwner),
    /// Refuse all keys of an owner, and to issue more to it
    #[command(after_help = examples(&["keyward owner suspend acme"]))]
    Suspend(OneOwner),
    /// Accept the keys of an owner again, but those that were suspended one by one
    #[command(after_help = examples(&["keyward owner resume acme"]))]
    Resume(OneOwner),
}

#[derive(Debug, Args)]
pub(super) struct OwnerList {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct OneOwner {
    /// The owner, as keys have it
    owner: String,
    #[command(flatten)]
    common: Common,
}

impl OwnerCommand {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let (one, verb) = match self {
            Self::List(list) => return list.run(out),
            Self::Show(one) => (one, None),
            Self::Suspend(one) => (one, Some("suspend")),
            Self::Resume(one) => (one, Some("resume")),
        };
        let client = one.common.client()?;
        let route = Route::of(["admin", "owners", &one.owner]);
        let answer = match verb {
            None => client.get(&route)?.body,
            Some(verb) => client.act(&route.join(verb))?.body,
        };
        let changed = !matches!(self, Self::Show(_));
        if changed && count(&answer, "keys") == 0 {
            tell(&format!("warning: owner {} has no keys; is it written right?", one.owner));
        }
        if one.common.json {
            return Ok(out.json(&answer)?);
        }
        Ok(out.line(&text(verb, &answer))?)
    }
}

impl OwnerList {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let owners = suspended(&self.common.client()?)?;
        if self.common.json {
            let answer = json!({ "count": owners.len(), "suspended_owners": owners });
            return Ok(out.json(&answer)?);
        }
        if owners.is_empty() {
            return Ok(out.line("No owner is suspended.")?);
        }
        for owner in owners {
            out.line(&printable(&owner))?;
        }
        Ok(())
    }
}

/// All owners that are suspended, asked for page by page.
fn suspended(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut owners: Vec<String> = Vec::new();
    loop {
        let route = Route::of(["admin", "owners"]).with("limit", Some(PAGE_OWNERS));
        let page = client.get(&route.with("after", owners.last()))?.body;
        let found = list(&page, "suspended_owners").iter().filter_map(Value::as_str);
        let before = owners.len();
        owners.extend(found.map(str::to_owned));
        // A page without any would be asked for again and again.
        if page.get("next_after").is_none_or(Value::is_null) || owners.len() == before {
            return Ok(owners);
        }
    }
}

fn text(verb: Option<&str>, answer: &Value) -> String {
    let (owner, state) = (member(answer, "owner"), member(answer, "state"));
    let keys = match count(answer, "keys") {
        1 => "1 key".to_owned(),
        keys => format!("{keys} keys"),
    };
    match verb {
        Some("suspend") => format!(
            "Suspended owner {owner}, {keys}. No request with them is accepted until \
             `keyward owner resume {owner}`."
        ),
        Some(_) => format!(
            "Resumed owner {owner}, {keys}. Those that were suspended one by one stay so: \
             `keyward key list --owner {owner} --state suspended`."
        ),
        None => format!("Owner {owner} is {state} and has {keys}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_with_their_keys() {
        let told = |verb: Option<&str>, state: &str, keys: u64| {
            text(verb, &json!({"owner": "acme", "state": state, "keys": keys}))
        };
        let all = [
            told(None, "active", 12),
            told(None, "suspended", 1),
            told(Some("suspend"), "suspended", 12),
            told(Some("resume"), "active", 12),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
