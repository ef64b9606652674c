//! `keyward tier`: named plans, and the limits that their keys have.

use clap::{Args, Subcommand};
use keyward_api::tier::{ListedTier, PutTierDraft, TierList as Tiers, TierView};
use serde_json::json;

use crate::client::{Client, ClientError, Response, Route};

use crate::connection::Common;
use crate::limit::{LimitFlags, limits_text};
use crate::output::{Output, printable, shown};
use crate::status::{Complaint, examples};

/// The commands about tiers.
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
    /// The name of the tier
    name: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct TierSet {
    /// The name of the tier
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
                common.print(&tiers, out, |all, out| print(&all.tiers, out))
            }
            Self::Show(OneTier { name, common }) => {
                let mut tiers = tiers(&common.client()?)?;
                let sent = tiers.take_list("tiers");
                let mut all = tiers.body.tiers.into_iter().zip(sent);
                let found = all.find(|(tier, _)| tier.tier.name.0.as_str() == name);
                let absent = || Complaint::NotFound(format!("there is no tier {name}"));
                let (body, json) = found.ok_or_else(absent)?;
                let tier = Response { json, body, etag: None };
                common.print(&tier, out, |tier, out| print(std::slice::from_ref(tier), out))
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

fn tiers(client: &Client) -> Result<Response<Tiers>, ClientError> {
    client.get("/admin/tiers")
}

impl TierSet {
    fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let body = PutTierDraft { limits: Some(self.limits.required()?) };
        let route = Route::of(["admin", "tiers", &self.name]);
        let tier = self.common.client()?.put(&route, &body)?;
        self.common.print(&tier, out, |tier: &TierView, out| {
            let (name, limits) = (printable(&self.name), limits_text(&tier.limits));
            out.line(&format!("Tier {name}: {limits}. It holds from the next request on."))
        })
    }
}

fn print(tiers: &[ListedTier], out: &mut Output) -> std::io::Result<()> {
    let row = |ListedTier { tier, keys }: &ListedTier| {
        vec![shown(&tier.name), limits_text(&tier.limits), shown(keys)]
    };
    let rows: Vec<_> = tiers.iter().map(row).collect();
    out.table(&["name", "limits", "keys"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::output::testing::both;

    fn tier(name: &str, limits: &Value, keys: u64) -> ListedTier {
        let tier = json!({ "name": name, "limits": limits, "keys": keys });
        serde_json::from_value(tier).unwrap()
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
