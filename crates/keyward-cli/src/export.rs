//! `keyward export`: everything but secrets, as JSON Lines that `keyward import` reads.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

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
The export holds the digests of all secrets, with names, owners and metadata. Nobody can call with
a digest, but whoever has it can tell whether a text is one of your secrets: keep it like the
database, and delete it once it is imported.
";

#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, which only its owner may read; standard output, if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Say in JSON what was written; the export itself is JSON in any case
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
        let page = client.get(&route)?.body;
        let keys = page.get("keys").and_then(Value::as_array);
        let keys = keys.context("the answer has no `keys`; is it a newer server?")?;
        write(&tier_lines(&page, &mut told))?;
        let is_told = |key: &Value| key.get("tier_gone").is_some() || told.contains(tier_of(key));
        if !keys.iter().all(is_told) {
            // The tier was made since the first page, which had all tiers.
            write(&tier_lines(&client.get("/admin/tiers")?.body, &mut told))?;
        }
        write(&lines(&page, keys, &mut limited))?;
        bar.inc(keys.len() as u64);
        match page.get("next_after").and_then(Value::as_u64) {
            // Any other cursor would cause an endless loop.
            Some(next) if after < next => after = next,
            Some(_) => anyhow::bail!("the server repeats a page; is it a newer one?"),
            None => break,
        }
    }
    let keys = bar.position();
    bar.finish_and_clear();
    Ok(keys)
}

/// The tiers of a response that have no line so far, as lines. They precede their keys.
fn tier_lines(answer: &Value, told: &mut HashSet<String>) -> Vec<u8> {
    let member = |of: &Value, name| of.get(name).cloned().unwrap_or_default();
    let tier = |tier| json!({ "name": member(tier, "name"), "limits": member(tier, "limits") });
    let name = |tier: &Value| tier.get("name").and_then(Value::as_str).map(str::to_owned);
    let new = list(answer, "tiers").filter(|tier| name(tier).is_some_and(|it| told.insert(it)));
    text_of(new.map(|one| json!({ "tier": tier(one) })))
}

/// A page as lines, the owners before the keys: suspended owners, which the first page has, and
/// owners with limits that have no line so far.
fn lines(page: &Value, keys: &[Value], limited: &mut HashSet<String>) -> Vec<u8> {
    let owners = list(page, "suspended_owners").map(|owner| json!({ "suspended_owner": owner }));
    let name = |owner: &Value| owner.get("owner").and_then(Value::as_str).map(str::to_owned);
    let new =
        list(page, "owner_limits").filter(|one| name(one).is_some_and(|it| limited.insert(it)));
    let new = new.map(|owner| json!({ "owner_limits": owner }));
    text_of(owners.chain(new).chain(keys.iter().cloned()))
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn tier_of(key: &Value) -> &str {
    key.get("tier").and_then(Value::as_str).unwrap_or_default()
}

fn text_of(lines: impl Iterator<Item = Value>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line.to_string().as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use keyward_api::transfer::{Item, read_json_lines};

    use super::*;

    #[test]
    fn lines_are_what_an_import_reads() {
        let digest = "ab".repeat(32);
        let page = json!({
            "tiers": [{"name": "gold", "limits": [], "keys": 3}],
            "suspended_owners": ["acme"],
            "owner_limits": [{"owner": "globex", "limits": []}],
            "keys": [{"key_id": 7, "name": "a", "tier": "gold", "owner": null, "scopes": [],
                "networks": [], "limits": null, "metadata": {}, "state": "active",
                "expires_at": null, "secrets": [{"digest": digest, "hint": "", "ends_at": null}]}],
        });
        let (mut told, mut limited) = (HashSet::new(), HashSet::new());
        let keys = lines(&page, page["keys"].as_array().unwrap(), &mut limited);
        let text = [tier_lines(&page, &mut told), keys].concat();
        let items: Vec<_> =
            read_json_lines(&text[..]).map(|line| line.unwrap().item.unwrap()).collect();
        assert!(matches!(
            items[..],
            [Item::Tier(_), Item::SuspendedOwner(_), Item::OwnerLimits(_), Item::Key(_)]
        ));
        assert_eq!(tier_lines(&page, &mut told), b"", "each tier is told of once");
        let again = lines(&page, &[], &mut limited);
        assert_eq!(again, b"{\"suspended_owner\":\"acme\"}\n", "and each owner with limits");
    }
}
