//! The dashboard for Grafana: it has the types with which Grafana stores a dashboard, and
//! Prometheus can read its queries.
//!
//! Grafana itself is no package of the registries in use here. `xtask/dashboard/` lists packages of
//! its own types, each with its version; they live under `target/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::tools::{check, npm, target};

const DASHBOARD: &str = "docs/monitoring/keyward-dashboard.json";
/// The directory of the packages and of the type.
const SETUP: &str = "xtask/dashboard";
const FILES: [&str; 4] = ["package.json", "package-lock.json", "tsconfig.json", "types.ts"];
/// What Grafana has when it asks for the queries, in place of its variables.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "1m"), ("$job", "keyward")];

/// Checks it, with the packages of Node and with `promtool`, which has to be there.
pub(crate) fn run() -> Result<()> {
    let folder = target()?.join("dashboard");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let text = fs::read_to_string(DASHBOARD).with_context(|| format!("reading {DASHBOARD}"))?;
    let dashboard = serde_json::from_str(&text).with_context(|| format!("reading {DASHBOARD}"))?;
    check_queries(&folder, &dashboard)?;
    check_types(&folder, &text)
}

/// Has the compiler of TypeScript compare it with its type. A line that it names is one of the
/// dashboard.
fn check_types(folder: &Path, text: &str) -> Result<()> {
    for file in FILES {
        fs::copy(Path::new(SETUP).join(file), folder.join(file))
            .with_context(|| format!("copying {file}"))?;
    }
    npm(folder)?;
    let import = r#"import type { Dashboard } from "./types";"#;
    let program = format!("{import} export const dashboard: Dashboard = {text}");
    fs::write(folder.join("dashboard.ts"), program).context("writing dashboard.ts")?;
    let compiler = "node_modules/typescript/bin/tsc";
    check(Command::new("node").arg(compiler).current_dir(folder))
        .with_context(|| format!("{DASHBOARD} is not what Grafana stores, in the lines above"))
}

/// Has `promtool` read every query, as a rule of Prometheus.
fn check_queries(folder: &Path, dashboard: &Value) -> Result<()> {
    let mut queries = Vec::new();
    find_queries(dashboard, &mut queries);
    ensure!(!queries.is_empty(), "{DASHBOARD} has no query");
    let mut rules = Vec::new();
    for query in queries {
        let expr = VARIABLES
            .iter()
            .fold(query.to_owned(), |expr, (variable, value)| expr.replace(variable, value));
        ensure!(!expr.contains('$'), "this query has a variable that is not known here: {query}");
        rules.push(json!({"record": format!("query:{}", rules.len()), "expr": expr}));
    }
    // All JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let file = folder.join("queries.yml");
    fs::write(&file, rules.to_string()).with_context(|| format!("writing {}", file.display()))?;
    check(Command::new("promtool").args(["check", "rules"]).arg(&file))
}

/// The queries of a part of the dashboard and of all that is in it.
fn find_queries<'a>(part: &'a Value, queries: &mut Vec<&'a str>) {
    match part {
        Value::Array(list) => list.iter().for_each(|part| find_queries(part, queries)),
        Value::Object(fields) => {
            queries.extend(fields.get("expr").and_then(Value::as_str));
            fields.values().for_each(|part| find_queries(part, queries));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
