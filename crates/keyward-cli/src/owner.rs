//! `keyward owner`: the customers to whom keys belong, stopping all keys of one, and the limits
//! that they share.

use clap::{Args, Subcommand};
use keyward_api::owner::{EditOwnerDraft, OwnerPage, OwnerView};
use serde_json::json;

use crate::client::{Client, ClientError, Route};

use crate::connection::Common;
use crate::limit::{LimitFlags, limits_text};
use crate::output::{Output, printable, shown};
use crate::status::{examples, late, tell};

/// Owners in one response: the most that the server gives.
const PAGE_OWNERS: u32 = 1_000;

/// The commands about owners.
#[derive(Debug, Subcommand)]
pub enum OwnerCommand {
    /// List the owners that are suspended
    #[command(after_help = examples(&["keyward owner list"]))]
    List(OwnerList),
    /// Show whether an owner is suspended, its limits, and how many keys it has
    #[command(after_help = examples(&["keyward owner show acme", "keyward key list --owner acme"]))]
    Show(OneOwner),
    /// Give an owner limits that all of its keys share, on top of the limits of each key
    #[command(after_help = examples(&EDIT_EXAMPLES))]
    Edit(OwnerEdit),
    /// Deny the requests of all keys of an owner, and issue no more keys to it
    #[command(after_help = examples(&["keyward owner suspend acme"]))]
    Suspend(OneOwner),
    /// Accept the keys of an owner again, except keys that were suspended one by one
    #[command(after_help = examples(&["keyward owner resume acme"]))]
    Resume(OneOwner),
}

const EDIT_EXAMPLES: [&str; 3] = [
    "keyward owner edit acme --limit \"1000 per 60s\"",
    "keyward owner edit acme --limit \"1000 per 60s\" --limit \"day: 50000 per 1d\"",
    "keyward owner edit acme --unlimited   # each key's own limits alone",
];

#[derive(Debug, Args)]
pub struct OwnerEdit {
    /// The owner, as keys have it; it may have no key yet
    owner: String,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct OwnerList {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct OneOwner {
    /// The owner, as keys have it
    owner: String,
    #[command(flatten)]
    common: Common,
}

impl OwnerCommand {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let (one, verb) = match self {
            Self::List(list) => return list.run(out),
            Self::Edit(edit) => return edit.run(out),
            Self::Show(one) => (one, None),
            Self::Suspend(one) => (one, Some("suspend")),
            Self::Resume(one) => (one, Some("resume")),
        };
        let client = one.common.client()?;
        let route = Route::of(["admin", "owners", &one.owner]);
        let owner = match verb {
            None => client.get(&route)?,
            Some(verb) => client.act(&route.join(verb))?,
        };
        if verb.is_some() {
            warn_without_keys(&one.owner, &owner.body);
        }
        one.common.print(&owner, out, |owner, out| out.line(&text(verb, owner)))
    }
}

impl OwnerEdit {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let body = EditOwnerDraft { limits: Some(self.limits.required()?) };
        let client = self.common.client()?;
        let route = Route::of(["admin", "owners", &self.owner]);
        // Unless another client has changed it meanwhile.
        let owner = match client.get::<OwnerView>(&route) {
            Ok(before) => client.patch(&route, &body, before.known_etag()?)?,
            Err(ClientError::NotFound { .. }) => client.patch_new(&route, &body)?,
            Err(error) => return Err(error.into()),
        };
        warn_without_keys(&self.owner, &owner.body);
        self.common.print(&owner, out, |owner, out| out.line(&text(Some("edit"), owner)))
    }
}

/// Owners exist only as names in keys, so one without keys may be a typing error.
fn warn_without_keys(name: &str, owner: &OwnerView) {
    if owner.keys == 0 {
        tell(&format!("warning: owner {name} has no keys; is it written right?"));
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
        let page = client.get::<OwnerPage>(&route.with("after", owners.last()))?.body;
        let before = owners.len();
        owners.extend(page.suspended_owners.into_iter().map(|owner| owner.0.as_str().to_owned()));
        // A page without owners would be requested again and again.
        if page.next_after.is_none() || owners.len() == before {
            return Ok(owners);
        }
    }
}

fn text(verb: Option<&str>, view: &OwnerView) -> String {
    let (owner, state) = (shown(&view.owner), shown(&view.state));
    let keys = match view.keys {
        1 => "1 key".to_owned(),
        keys => format!("{keys} keys"),
    };
    let limits = limits_text(&view.limits);
    let late = late(view.everywhere).map(|note| format!(" {note}")).unwrap_or_default();
    match verb {
        Some("edit") => format!(
            "Owner {owner}: {limits}, for all of its keys together ({keys}). It holds from the \
             next request on."
        ),
        Some("suspend") => format!(
            "Suspended owner {owner}, {keys}. No request with them is accepted until \
             `keyward owner resume {owner}`."
        ),
        Some(_) => format!(
            "Resumed owner {owner}, {keys}. Keys that were suspended one by one stay so: \
             `keyward key list --owner {owner} --state suspended`.{late}"
        ),
        None if view.limits.is_empty() => format!("Owner {owner} is {state} and has {keys}."),
        None => format!("Owner {owner} is {state} and has {keys}. They share {limits}."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn owners_are_told_with_their_keys() {
        let limits = json!([{ "name": "day", "amount": 5, "per": "86400s", "burst": 5 }]);
        let limited = |verb: Option<&str>, limits: &Value| {
            let owner = json!({ "owner": "acme", "state": "active", "keys": 12, "limits": limits,
                "version": 1 });
            text(verb, &serde_json::from_value(owner).unwrap())
        };
        let told = |verb: Option<&str>, state: &str, keys: u64| {
            // A server that knows no limits of owners.
            let owner = json!({ "owner": "acme", "state": state, "keys": keys, "version": 1 });
            text(verb, &serde_json::from_value(owner).unwrap())
        };
        let all = [
            told(None, "active", 12),
            told(None, "suspended", 1),
            told(Some("suspend"), "suspended", 12),
            told(Some("resume"), "active", 12),
            limited(None, &limits),
            limited(Some("edit"), &limits),
            limited(Some("edit"), &json!([])),
        ];
        insta::assert_snapshot!(all.join("\n"));
        let owner = json!({ "owner": "acme", "state": "active", "keys": 1, "everywhere": false });
        let told = text(Some("resume"), &serde_json::from_value(owner).unwrap());
        assert!(told.ends_with("may deny requests for some seconds."), "{told}");
    }
}
