//! The audit trail after a run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::checker::{Entry, Fault, Violation};
use super::control;
use super::node::{ADMIN_KEY, Node};

/// Reads the whole trail, its oldest entry first.
pub(crate) fn trail(node: &Node) -> Result<Vec<Entry>> {
    let (mut entries, mut next) = (Vec::new(), Some(String::new()));
    while let Some(after) = next {
        let target = format!("/admin/audit?order=asc&limit=1000{after}");
        let response = control::get(node, &target)?;
        ensure!(response.status() == 200, "no trail: {} {}", response.first, response.body);
        let page: Value = serde_json::from_str(&response.body)?;
        let listed = page.get("entries").and_then(Value::as_array).context("a page of entries")?;
        for entry in listed {
            entries.push(self::entry(entry).context("an entry has a number and a verb")?);
        }
        let after = page.get("next_after").and_then(Value::as_u64);
        next = after.map(|after| format!("&after={after}"));
    }
    Ok(entries)
}

fn entry(view: &Value) -> Option<Entry> {
    let text = |name: &str| view.get(name).and_then(Value::as_str).map(str::to_owned);
    let request = text("request_id").unwrap_or_default();
    Some(Entry { id: view.get("id")?.as_u64()?, verb: text("verb")?, request })
}

/// Has the program verify its chain, and returns the violation if that is broken.
pub(crate) fn verify(program: &Path, node: &Node) -> Result<Option<Violation>> {
    let server = format!("http://127.0.0.1:{}", node.public);
    let mut command = Command::new(program);
    command.args(["audit", "verify", "--server", &server]).env_clear();
    let output = command.env("ADMIN_API_KEY", ADMIN_KEY).output().context("verifying the trail")?;
    let (told, error) = (output.stdout, output.stderr);
    let text = [told, error].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    print!("trail     {text}");
    let is_whole = output.status.success();
    Ok((!is_whole).then(|| Violation { fault: Fault::Chain, lines: Vec::new() }))
}
