//! `keyward key issue`: a new key, and its secret for the only time.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Expiry, read_metadata, view};
use crate::connection::Common;
use crate::limit::LimitFlags;
use crate::output::{Look, Output, member};
use crate::status::Complaint;

pub(super) const EXAMPLES: [&str; 5] = [
    "keyward key issue --name weather-bot",
    "keyward key issue --name ci --owner acme --scope articles:read --expires-in 90d",
    "keyward key issue --name partner --network 203.0.113.0/24 --limit \"100 per 60s burst 200\"",
    "keyward key issue --name billing --metadata '{\"contract\": 4711}' --prefix acme_live",
    "KEY=$(keyward key issue --name script --quiet)",
];

#[derive(Debug, Args)]
pub struct Issue {
    /// What people know the key by, 1 to 100 characters
    #[arg(long)]
    name: String,
    /// The plan whose limits it has; basic, if not given
    #[arg(long)]
    tier: Option<String>,
    /// The customer to whom it belongs
    #[arg(long)]
    owner: Option<String>,
    /// What it may do, such as `articles:read`, `articles:*` or `*`; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Where it may be used from, such as 10.0.0.0/8; anywhere, if never given
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    #[command(flatten)]
    expiry: Expiry,
    #[command(flatten)]
    limits: LimitFlags,
    /// What else people note about it: a JSON object, or @FILE with one
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// What its secret begins with; the server's setting `key_prefix`, if not given
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
        let body = self.body(out)?;
        let issued = self.common.client()?.post("/admin/api-keys", &body)?.body;
        let key = member(&issued, "api_key");
        let shown = if self.common.json {
            out.json(&issued)
        } else if self.quiet {
            out.line(&key)
        } else {
            out.line(&issued_text(&issued, &key, out.look()))
        };
        // Even a reader that left early is an error here: the only copy of the secret is lost.
        Ok(shown.map_err(|error| {
            let what = "was issued but its secret could not be shown; rotate or revoke it";
            Complaint::Unshown(format!("key {} {what}", member(&issued, "key_id")), error)
        })?)
    }

    /// The body of the request. Flags that were not given are left out, so that the server's own
    /// defaults hold.
    fn body(&self, out: &Output) -> anyhow::Result<Value> {
        let mut body = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let texts = |list: &Vec<String>| (!list.is_empty()).then(|| json!(list));
        add("name", Some(self.name.clone().into()));
        add("tier", self.tier.clone().map(Value::from));
        add("owner", self.owner.clone().map(Value::from));
        add("scopes", texts(&self.scopes));
        add("networks", texts(&self.networks));
        if let Some((name, value)) = self.expiry.member(out) {
            add(name, Some(value));
        }
        add("limits", self.limits.json());
        add("metadata", self.metadata.as_deref().map(read_metadata).transpose()?);
        add("prefix", self.prefix.clone().map(Value::from));
        Ok(Value::Object(body))
    }
}

fn issued_text(issued: &Value, key: &str, look: Look) -> String {
    let of = |name| member(issued, name);
    let expiry = match look.time(issued, "expires_at").as_str() {
        "-" => "does not expire".to_owned(),
        at => format!("expires {at}"),
    };
    format!(
        "Issued key {id} for {name} (tier {tier}, scopes: {scopes}, {expiry}):\n\n  {key}\n\n\
         It is shown this once and never again: keep it now. Requests bring it as\n\n  \
         Authorization: Bearer YOUR_API_KEY",
        id = of("key_id"),
        name = of("name"),
        tier = of("tier"),
        scopes = view::scopes(issued),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::both;

    #[test]
    fn issued_key_is_shown_with_what_to_do() {
        let issued = json!({
            "key_id": 7, "name": "mobile", "tier": "basic", "scopes": ["*"], "expires_at": null
        });
        let shown =
            both(|out: &mut Output| out.line(&issued_text(&issued, "kw_secret", out.look())));
        // A second copy would stay in the shell history of a user who tries the command.
        assert_eq!(shown.matches("kw_secret").count(), 2, "once for each reader: {shown}");
        insta::assert_snapshot!(shown);
    }
}
