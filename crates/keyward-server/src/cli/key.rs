//! `keyward key`: issuing, listing, showing and revoking keys on a running server.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;

use super::output::{Output, member};
use super::{Connection, EXIT_STATUSES};

/// Most keys that the server lists in one answer.
const PAGE_MAX: u32 = 100;
/// Hours of usage that `show` prints; `--json` has them all.
const HOURS_SHOWN: usize = 24;
/// What became of a request, as the server counts it.
const OUTCOMES: [&str; 6] =
    ["allowed", "limited", "out_of_scope", "suspended", "revoked", "expired"];

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Issue a key and show it, for the only time
    #[command(after_help = EXIT_STATUSES)]
    Issue(Issue),
    /// List keys, newest first
    #[command(after_help = EXIT_STATUSES)]
    List(List),
    /// Show one key and its usage
    #[command(after_help = EXIT_STATUSES)]
    Show(Show),
    /// Revoke a key for good
    #[command(after_help = EXIT_STATUSES)]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Issue {
    /// What people know the key by, 1 to 100 characters
    #[arg(long)]
    name: String,
    /// The plan whose limits it has
    #[arg(long, default_value = "basic")]
    tier: String,
    /// What it may do, such as `articles:read`; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// When it ends, such as 2030-01-31T12:00:00Z; never, if not given
    #[arg(long, value_name = "RFC3339")]
    expires_at: Option<Timestamp>,
    /// Print the server's JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print the key alone, for scripts
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Most keys to list
    #[arg(long, default_value = "100", value_name = "COUNT")]
    limit: NonZeroU32,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The key's id, as `list` shows it
    id: u64,
    /// Print the server's JSON, with all of the usage as the member `usage`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, as `list` shows it
    id: u64,
    #[command(flatten)]
    connection: Connection,
}

impl KeyCommand {
    pub(super) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::Issue(issue) => issue.run(out),
            Self::List(list) => list.run(out),
            Self::Show(show) => show.run(out),
            Self::Revoke(revoke) => revoke.run(out),
        }
    }
}

impl Issue {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let mut body = json!({ "name": self.name, "tier": self.tier, "scopes": self.scopes });
        if let (Some(at), Some(members)) = (self.expires_at, body.as_object_mut()) {
            members.insert("expires_at".to_owned(), at.to_string().into());
        }
        let issued = client.post("/admin/api-keys", &body)?.body;
        let key = member(&issued, "api_key");
        if self.json {
            out.json(&issued)?;
        } else if self.quiet {
            out.line(&key)?;
        } else {
            out.line(&issued_text(&issued, &key, client.server().as_str()))?;
        }
        Ok(())
    }
}

fn issued_text(issued: &Value, key: &str, server: &str) -> String {
    let of = |name| member(issued, name);
    let expiry = match of("expires_at").as_str() {
        "-" => "does not expire".to_owned(),
        at => format!("expires {at}"),
    };
    format!(
        "Issued key {id} for {name} (tier {tier}, {expiry}):\n\n  {key}\n\n\
         It is shown this once and never again: keep it now. Try it:\n\n  \
         curl -H 'Authorization: Bearer {key}' '{server}/articles'",
        id = of("key_id"),
        name = of("name"),
        tier = of("tier"),
    )
}

impl List {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let (keys, has_more) = self.collect(&client)?;
        if self.json {
            out.json(&json!({ "count": keys.len(), "api_keys": keys }))?;
            return Ok(());
        }
        if keys.is_empty() {
            out.line("No keys yet. Issue one with `keyward key issue --name NAME`.")?;
            return Ok(());
        }
        let names = ["key_id", "name", "tier", "state", "hint", "created_at", "last_used_at"];
        let row = |key: &Value| names.map(|name| member(key, name)).to_vec();
        let rows: Vec<_> = keys.iter().map(row).collect();
        out.table(&["id", "name", "tier", "state", "hint", "created", "last used"], &rows)?;
        if has_more {
            out.line("There are more; list them with a larger --limit.")?;
        }
        Ok(())
    }

    /// Asks for page after page, until there are no more or there are enough.
    fn collect(&self, client: &Client) -> anyhow::Result<(Vec<Value>, bool)> {
        let mut keys = Vec::new();
        let mut left = self.limit.get();
        let mut page = String::new();
        loop {
            let limit = left.min(PAGE_MAX);
            let answer = client.get(&format!("/admin/api-keys?limit={limit}{page}"))?;
            let Some(found) = answer.body.get("api_keys").and_then(Value::as_array) else {
                anyhow::bail!("the answer has no `api_keys`; is it a newer server?");
            };
            keys.extend(found.iter().cloned());
            // An empty page with a link to the next would otherwise never end.
            left = left.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX).max(1));
            match answer.next_before {
                Some(before) if 0 < left => page = format!("&before={before}"),
                next => return Ok((keys, next.is_some())),
            }
        }
    }
}

impl Show {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let mut key = client.get(&format!("/admin/api-keys/{}", self.id))?.body;
        let usage = client.get(&format!("/admin/api-keys/{}/usage", self.id))?.body;
        if self.json {
            if let Some(members) = key.as_object_mut() {
                members.insert("usage".to_owned(), usage);
            }
            out.json(&key)?;
            return Ok(());
        }
        let names = key.as_object().into_iter().flatten().map(|(name, _)| name);
        let rows: Vec<_> = names.map(|name| vec![name.clone(), member(&key, name)]).collect();
        out.table(&["member", "value"], &rows)?;
        out.line("")?;
        out.table(&usage_head(), &usage_rows(&usage))?;
        Ok(())
    }
}

fn usage_head() -> Vec<&'static str> {
    ["hour"].into_iter().chain(OUTCOMES).collect()
}

/// The latest hours, and the total of them all.
fn usage_rows(usage: &Value) -> Vec<Vec<String>> {
    let hours = usage.get("hours").and_then(Value::as_array).map(Vec::as_slice);
    let hours = hours.unwrap_or_default();
    let counts = |of: &Value| OUTCOMES.map(|outcome| member(of, outcome));
    let row = |first: String, of: &Value| [first].into_iter().chain(counts(of)).collect();
    let latest = hours.iter().skip(hours.len().saturating_sub(HOURS_SHOWN));
    let mut rows: Vec<_> = latest.map(|hour| row(member(hour, "hour"), hour)).collect();
    rows.extend(usage.get("total").map(|total| row("total".to_owned(), total)));
    rows
}

impl Revoke {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        client.delete(&format!("/admin/api-keys/{}", self.id))?;
        out.line(&format!("Revoked key {}. No request with it is accepted any more.", self.id))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issued_key_is_shown_with_what_to_do() {
        let issued = json!({"key_id": 7, "name": "mobile", "tier": "basic", "expires_at": null});
        insta::assert_snapshot!(issued_text(&issued, "kw_secret", "http://127.0.0.1:8000"));
    }

    #[test]
    fn usage_ends_with_the_total_of_the_latest_hours() {
        let hour = |at: usize| json!({"hour": format!("h{at}"), "allowed": 1, "limited": 0});
        let hours: Vec<_> = (0..30).map(hour).collect();
        let rows = usage_rows(&json!({"hours": hours, "total": {"allowed": 30}}));
        assert_eq!(rows.len(), HOURS_SHOWN + 1);
        assert_eq!(rows[0][0], "h6");
        assert_eq!(rows[HOURS_SHOWN][..3], ["total", "30", "-"]);
    }
}
