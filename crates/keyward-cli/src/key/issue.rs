//! `keyward key issue`: a new key, and its secret for the only time.

use clap::Args;
use keyward_api::key::{IssuedKey, NewKeyDraft};
use serde_json::{Value, json};

use super::fields::Fields;
use super::view;
use crate::connection::Common;
use crate::output::{Look, Output, printable, shown};
use crate::status::{Complaint, late};

pub(super) const EXAMPLES: [&str; 5] = [
    "keyward key issue --name weather-bot",
    "keyward key issue --name ci --owner acme --scope articles:read --expires-in 90d",
    "keyward key issue --name partner --network 203.0.113.0/24 --limit \"100 per 60s burst 200\"",
    "keyward key issue --name billing --metadata '{\"contract\": 4711}' --prefix acme_live",
    "KEY=$(keyward key issue --name script --quiet)",
];

#[derive(Debug, Args)]
pub struct Issue {
    /// The name of the key, 1 to 100 characters
    #[arg(long)]
    name: String,
    #[command(flatten)]
    fields: Fields,
    /// The prefix of its secret; the server's setting `key_prefix`, if not given
    #[arg(long)]
    prefix: Option<String>,
    /// Print the secret alone, for scripts
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

impl Issue {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let body = NewKeyDraft {
            fields: self.fields.draft(Some(&self.name), out.look())?,
            prefix: self.prefix.as_ref().map(|prefix| json!(prefix)),
        };
        let issued = self.common.client()?.post::<Value>("/admin/api-keys", &body)?.json;
        let printed = view::print_secret(&issued, &self.common, self.quiet, out, issued_text);
        // Even a reader that left early is an error here: the only copy of the secret is lost.
        Ok(printed.map_err(|error| {
            let what = "was issued but its secret could not be shown; rotate or revoke it";
            Complaint::Unshown(format!("key {} {what}", shown(&issued.get("key_id"))), error)
        })?)
    }
}

fn issued_text(issued: &IssuedKey, look: Look) -> String {
    let expiry = match &issued.expires_at {
        None => "does not expire".to_owned(),
        Some(at) => format!("expires {}", look.time(at)),
    };
    let late = late(issued.everywhere).map(|note| format!("\n\n{note}")).unwrap_or_default();
    format!(
        "Issued key {id} for {name} (tier {tier}, scopes: {scopes}, {expiry}):\n\n  {key}\n\n\
         It is shown this once and never again: keep it now. Requests bring it as\n\n  \
         Authorization: Bearer YOUR_API_KEY{late}",
        id = shown(&issued.key_id),
        name = shown(&issued.name),
        tier = shown(&issued.tier),
        scopes = view::scopes(&issued.scopes),
        key = printable(&issued.api_key.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn issued_key_is_shown_with_what_to_do() {
        let issued = json!({
            "api_key": "kw_secret", "key_id": 7, "name": "mobile", "tier": "basic",
            "created_at": "2026-11-24T09:30:00.000Z", "hint": "kw_secr", "scopes": ["*"],
            "expires_at": null, "owner": null, "networks": [], "limits": null, "metadata": {},
            "version": 1,
        });
        let issued: IssuedKey = serde_json::from_value(issued).unwrap();
        let shown = both(|out: &mut Output| out.line(&issued_text(&issued, out.look())));
        // A second copy would stay in the shell history of a user who tries the command.
        assert_eq!(shown.matches("kw_secret").count(), 2, "once for each reader: {shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_key_that_a_node_may_not_know_is_told_so() {
        let told = |everywhere: Value| {
            let issued = json!({
                "api_key": "kw_secret", "key_id": 7, "name": "mobile", "tier": "basic",
                "created_at": "2026-11-24T09:30:00.000Z", "hint": "kw_secr", "scopes": ["*"],
                "expires_at": null, "owner": null, "networks": [], "limits": null, "metadata": {},
                "version": 1, "everywhere": everywhere,
            });
            let issued = serde_json::from_value(issued).unwrap();
            both(|out: &mut Output| out.line(&issued_text(&issued, out.look())))
        };
        assert!(told(json!(false)).contains("\n\nNot every node knows of it yet"));
        assert_eq!(told(json!(true)), told(Value::Null));
    }
}
