//! `keyward owner`: the customers to whom keys belong, and stopping all keys of one.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::Route;

use super::connection::Common;
use super::output::{Output, count, member};
use super::status::{examples, tell};

/// What can be done with owners.
#[derive(Debug, Subcommand)]
pub(super) enum OwnerCommand {
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
pub(super) struct OneOwner {
    /// The owner, as keys have it
    owner: String,
    #[command(flatten)]
    common: Common,
}

impl OwnerCommand {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let (Self::Show(one) | Self::Suspend(one) | Self::Resume(one)) = self;
        let client = one.common.client()?;
        let route = Route::of(["admin", "owners", &one.owner]);
        let answer = match self {
            Self::Show(_) => client.get(&route)?.body,
            Self::Suspend(_) => client.act(&route.join("suspend"))?.body,
            Self::Resume(_) => client.act(&route.join("resume"))?.body,
        };
        let changed = !matches!(self, Self::Show(_));
        if changed && count(&answer, "keys") == 0 {
            tell(&format!("warning: owner {} has no keys; is it written right?", one.owner));
        }
        if one.common.json {
            return Ok(out.json(&answer)?);
        }
        Ok(out.line(&self.text(&answer))?)
    }

    fn text(&self, answer: &Value) -> String {
        let (owner, state) = (member(answer, "owner"), member(answer, "state"));
        let keys = match count(answer, "keys") {
            1 => "1 key".to_owned(),
            keys => format!("{keys} keys"),
        };
        match self {
            Self::Show(_) => format!("Owner {owner} is {state} and has {keys}."),
            Self::Suspend(_) => format!(
                "Suspended owner {owner}, {keys}. No request with them is accepted until \
                 `keyward owner resume {owner}`."
            ),
            Self::Resume(_) => format!(
                "Resumed owner {owner}, {keys}. Those that were suspended one by one stay so: \
                 `keyward key list --owner {owner} --state suspended`."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(subcommand)]
        command: OwnerCommand,
    }

    #[test]
    fn owners_are_told_with_their_keys() {
        let told = |verb: &str, state: &str, keys: u64| {
            let typed = Typed::try_parse_from(["owner", verb, "acme"]).unwrap();
            typed.command.text(&json!({"owner": "acme", "state": state, "keys": keys}))
        };
        let all = [
            told("show", "active", 12),
            told("show", "suspended", 1),
            told("suspend", "suspended", 12),
            told("resume", "active", 12),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
