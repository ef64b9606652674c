//! `keyward tier`: named plans, and the limits that their keys have.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Route};

use crate::connection::Common;
use crate::limit::{LimitFlags, limits_text};
use crate::output::{Output, count, list, member, printable};
use crate::status::{Complaint, examples};

/// What can be done with tiers.
#[derive(Debug, Subcommand)]
pub enum TierCommand {
    /// List all tiers, their limits and how many keys they have
    #[command(after_help = examples(&["keyward tier list"]))]
    List(TierList),
    /// Show one tier
    #[command(after_help = examples(&["keyward tier show pro"]))]
    Show(OneTier),
    /// Make a tier, or change the limits of all keys in it at once
    #[command(after_help = examples(&SET_EXAMPLES))]
    Set(TierSet),
    /// Delete a tier that has no keys
    #[command(after_help = examples(&["keyward tier delete trial"]))]
    Delete(OneTier),
}

const SET_EXAMPLES: [&str; 4] = [
    "keyward tier set pro --limit \"1000 per 60s burst 2000\"",
    "keyward tier set trial --limit \"100 per 1d\"",
    "keyward tier set team --limit \"100 per 60s\" --limit \"day: 5000 per 1d\"",
    "keyward tier set internal --unlimited",
];

#[derive(Debug, Args)]
pub struct TierList {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct OneTier {
    /// What the tier is called
    name: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct TierSet {
    /// What the tier is called
    name: String,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    common: Common,
}

impl TierCommand {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        match self {
            Self::List(TierList { common }) => {
                let tiers = tiers(&common.client()?)?;
                if common.json {
                    return Ok(out.json(&tiers)?);
                }
                Ok(print(list(&tiers, "tiers"), out)?)
            }
            Self::Show(OneTier { name, common }) => {
                let tiers = tiers(&common.client()?)?;
                let mut all = list(&tiers, "tiers").iter();
                let tier = all.find(|tier| member(tier, "name") == *name);
                let absent = || Complaint::NotFound(format!("there is no tier {name}"));
                let tier = tier.ok_or_else(absent)?;
                if common.json {
                    return Ok(out.json(tier)?);
                }
                Ok(print(std::slice::from_ref(tier), out)?)
            }
            Self::Set(set) => set.run(out),
            Self::Delete(OneTier { name, common }) => {
                common.client()?.delete(&Route::of(["admin", "tiers", name]))?;
                if common.json {
                    return Ok(out.json(&json!({ "name": name, "deleted": true }))?);
                }
                Ok(out.line(&format!("Deleted tier {}.", printable(name)))?)
            }
        }
    }
}

fn tiers(client: &Client) -> Result<Value, ClientError> {
    Ok(client.get("/admin/tiers")?.body)
}

impl TierSet {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let Some(limits) = self.limits.json() else {
            let what = "give the limits with --limit, or say --unlimited";
            return Err(Complaint::Usage(what.to_owned()).into());
        };
        let route = Route::of(["admin", "tiers", &self.name]);
        let tier = self.common.client()?.put(&route, &json!({ "limits": limits }))?.body;
        if self.common.json {
            return Ok(out.json(&tier)?);
        }
        let limits = limits_text(tier.get("limits").unwrap_or(&limits));
        let name = printable(&self.name);
        Ok(out.line(&format!("Tier {name}: {limits}. It holds from the next request on."))?)
    }
}

fn print(tiers: &[Value], out: &mut Output) -> std::io::Result<()> {
    let row = |tier: &Value| {
        let limits = limits_text(tier.get("limits").unwrap_or(&Value::Null));
        vec![member(tier, "name"), limits, count(tier, "keys").to_string()]
    };
    let rows: Vec<_> = tiers.iter().map(row).collect();
    out.table(&["name", "limits", "keys"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::both;

    fn tier(name: &str, limits: &Value, keys: u64) -> Value {
        json!({ "name": name, "limits": limits, "keys": keys })
    }

    fn limit(amount: u32, per: &str, burst: u32) -> Value {
        json!([{ "name": "requests", "amount": amount, "per": per, "burst": burst }])
    }

    #[test]
    fn tiers_are_listed_with_their_limits() {
        let tiers = [
            tier("basic", &limit(100, "60s", 100), 1_200),
            tier("pro", &limit(1_000, "3600s", 2_000), 7),
            tier("internal", &json!([]), 0),
        ];
        insta::assert_snapshot!(both(|out| print(&tiers, out)));
    }
}
