//! `keyward export`: everything but secrets, as JSON Lines that `keyward import` reads.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use keyward_api::export::{ExportPage, OwnerLimits};
use keyward_api::key::ExportedKey;
use keyward_api::shapes::{KeyNumber, OwnerText};
use keyward_api::tier::{TierList, TierView};
use serde_json::json;

use crate::client::{Client, Route};
use crate::connection::Connection;
use crate::new_file::NewFile;
use crate::output::Output;

pub(crate) const EXAMPLES: [&str; 2] = [
    "keyward export --output keys.jsonl",
    "keyward export | keyward import - --format jsonl --server http://other:8000",
];

/// Keys in one response: half of the server's maximum, since a response is held in memory.
const PAGE_KEYS: u32 = 500;

/// The notice on standard error, where it cannot get into the export.
const NOTICE: &str = "\
The export holds the digests of all secrets, with names, owners and metadata. A digest
is no credential, but its holder can tell whether a text is one of your secrets: keep the export
like the database, and delete it once it is imported.
";

#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, which only its owner may read; standard output, if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Print in JSON which file was written; the export itself is JSON in any case
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Export {
    pub(crate) fn run(&self, out: &mut Output) -> anyhow::Result<()> {
        let client = self.connection.client()?;
        let Some(place) = &self.output else {
            write_all(&client, |text| Ok(out.raw(text)?))?;
            notice();
            return Ok(());
        };
        let keys = NewFile::write(place, self.force, |write| write_all(&client, write))?;
        if self.json {
            out.json(&json!({ "file": place.display().to_string(), "keys": keys }))?;
        } else {
            let plural = if keys == 1 { "" } else { "s" };
            out.line(&format!("Wrote {keys} key{plural} to {}.", place.display()))?;
        }
        notice();
        Ok(())
    }
}

fn notice() {
    // The file is there even if this cannot be written.
    let _unheard = io::stderr().write_all(NOTICE.as_bytes());
}

/// Requests page after page, and writes each as lines; returns the number of keys.
fn write_all(
    client: &Client,
    mut write: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    // Draws on standard error, and nothing unless that is a terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} keys") {
        bar.set_style(style);
    }
    let (mut after, mut told, mut limited) = (0, HashSet::new(), HashSet::new());
    loop {
        let route = Route::of(["admin", "export"]);
        let route = route.with("after", Some(after)).with("limit", Some(PAGE_KEYS));
        let mut page = client.get::<ExportPage>(&route)?;
        let keys = page.take_list("keys");
        let ExportPage { tiers, suspended_owners, owner_limits, keys: read, next_after } =
            page.body;
        write(&tier_lines(tiers.unwrap_or_default(), &mut told))?;
        let is_told = |key: &ExportedKey| key.tier_gone || told.contains(key.tier.0.as_str());
        if !read.iter().all(is_told) {
            // The tier was made since the first page, which had all tiers.
            let tiers = client.get::<TierList>("/admin/tiers")?.body.tiers;
            write(&tier_lines(tiers.into_iter().map(|listed| listed.tier), &mut told))?;
        }
        write(&owner_lines(suspended_owners, owner_limits, &mut limited))?;
        write(&text_of(keys.iter()))?;
        bar.inc(keys.len() as u64);
        match next_after {
            // Any other cursor would cause an endless loop.
            Some(KeyNumber(next)) if after < next => after = next,
            Some(_) => anyhow::bail!("the server repeats a page; is it a newer one?"),
            None => break,
        }
    }
    let keys = bar.position();
    bar.finish_and_clear();
    Ok(keys)
}

/// The tiers of a response that have no line so far, as lines. They precede their keys.
fn tier_lines(tiers: impl IntoIterator<Item = TierView>, told: &mut HashSet<String>) -> Vec<u8> {
    let new = tiers.into_iter().filter(|tier| told.insert(tier.name.0.as_str().to_owned()));
    text_of(new.map(|tier| json!({ "tier": tier })))
}

/// The owners of a page as lines, which precede its keys: suspended owners, which the first page
/// has, and owners with limits that have no line so far.
fn owner_lines(
    suspended: Option<Vec<OwnerText>>,
    with_limits: Option<Vec<OwnerLimits>>,
    told: &mut HashSet<String>,
) -> Vec<u8> {
    let suspended = suspended.unwrap_or_default().into_iter();
    let suspended = suspended.map(|owner| json!({ "suspended_owner": owner }));
    let new = with_limits.unwrap_or_default().into_iter();
    let new = new.filter(|one| told.insert(one.owner.0.as_str().to_owned()));
    text_of(suspended.chain(new.map(|owner| json!({ "owner_limits": owner }))))
}

fn text_of(lines: impl Iterator<Item: Display>) -> Vec<u8> {
    lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use keyward_api::transfer::{Item, read_json_lines};

    use super::*;

    #[test]
    fn lines_are_what_an_import_reads() {
        let digest = "ab".repeat(32);
        let (limits, at) = (json!([]), "2026-11-24T09:30:00.000Z");
        let tiers = json!([{ "name": "gold", "limits": limits }]);
        let tiers: Vec<TierView> = serde_json::from_value(tiers).unwrap();
        let suspended = || Some(vec![OwnerText("acme".parse().unwrap())]);
        let limited = json!([{ "owner": "globex", "limits": limits }]);
        let limited = || serde_json::from_value(limited.clone()).unwrap();
        let key = json!({ "key_id": 7, "name": "a", "tier": "gold", "owner": null, "scopes": [],
            "networks": [], "limits": null, "metadata": {}, "state": "active", "created_at": at,
            "expires_at": null, "last_used_at": null, "revoked_at": null, "revoked_reason": null,
            "secrets": [{ "digest": digest, "hint": "", "created_at": at, "ends_at": null }] });
        let (mut told, mut told_owners) = (HashSet::new(), HashSet::new());
        let owners = owner_lines(suspended(), limited(), &mut told_owners);
        let text = [tier_lines(tiers.clone(), &mut told), owners, text_of([key].iter())].concat();
        let items: Vec<_> =
            read_json_lines(&text[..]).map(|line| line.unwrap().item.unwrap()).collect();
        assert!(matches!(
            items[..],
            [Item::Tier(_), Item::SuspendedOwner(_), Item::OwnerLimits(_), Item::Key(_)]
        ));
        assert_eq!(tier_lines(tiers, &mut told), b"", "each tier is told of once");
        let again = owner_lines(suspended(), limited(), &mut told_owners);
        assert_eq!(again, b"{\"suspended_owner\":\"acme\"}\n", "and each owner with limits");
    }
}
