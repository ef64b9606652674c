//! The licences of the libraries that are compiled into the program, which have to travel with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::printed;

/// The beginnings of the names of files that hold a licence.
const FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
const PROGRAM: &str = "keyward-server";

/// The text: each library with its licence, and then each licence's text once.
pub(crate) fn text(target: Option<&str>) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--format-version", "1"]);
    if let Some(target) = target {
        command.args(["--filter-platform", target]);
    }
    let metadata: Value = serde_json::from_str(&printed(&mut command)?).context("metadata")?;
    let packages = list(&metadata, "packages")?;
    let used = used(&metadata, packages)?;
    let mut heads = String::from("The program keyward contains these libraries.\n\n");
    let mut texts = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages.iter().filter(|package| used.contains(word(package, "id"))) {
        if package.get("source").is_none_or(Value::is_null) {
            continue;
        }
        let name = format!("{} {}", word(package, "name"), word(package, "version"));
        let _infallible = writeln!(heads, "{name}: {}", word(package, "license"));
        for text in licences(Path::new(word(package, "manifest_path")))? {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    ensure!(50 < texts.values().flatten().count(), "most libraries have a licence");
    for (text, names) in texts {
        let names: Vec<_> = names.into_iter().collect();
        let rule = "-".repeat(80);
        let _infallible = write!(heads, "\n{rule}\n{}:\n\n{text}\n", names.join(", "));
    }
    Ok(heads)
}

/// The ids of all packages that are compiled in.
fn used<'a>(metadata: &'a Value, packages: &'a [Value]) -> Result<BTreeSet<&'a str>> {
    let resolve = metadata.get("resolve").context("metadata has a resolve")?;
    let nodes = list(resolve, "nodes")?;
    let program = packages.iter().find(|package| word(package, "name") == PROGRAM);
    let mut open = vec![word(program.context("the program is a package")?, "id")];
    let mut used = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !used.insert(id) {
            continue;
        }
        let node = nodes.iter().find(|node| word(node, "id") == id);
        for dependency in list(node.context("each package is a node")?, "deps")? {
            // Neither for builds nor for tests alone.
            let is_normal = |kind: &Value| kind.get("kind").is_none_or(Value::is_null);
            if list(dependency, "dep_kinds")?.iter().any(is_normal) {
                open.push(word(dependency, "pkg"));
            }
        }
    }
    Ok(used)
}

/// The texts next to a manifest.
fn licences(manifest: &Path) -> Result<Vec<String>> {
    let folder = manifest.parent().context("a manifest is in a folder")?;
    let mut texts = Vec::new();
    for path in super::sorted(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && FILES.iter().any(|file| name.starts_with(file)) {
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            texts.push(String::from_utf8_lossy(&text).trim_end().to_owned());
        }
    }
    Ok(texts)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value]> {
    let list = value.get(name).and_then(Value::as_array);
    Ok(list.with_context(|| format!("metadata has {name}"))?)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
