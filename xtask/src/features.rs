//! `cargo xtask features`: each crate without features, and with each of them alone.
//!
//! Everything else is built with all features at once, where one that needs another without saying
//! so goes unnoticed.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::left_out;

/// The tests that run without features: of the missing parts, of routes, of their description,
/// and of the command line. The other tests take minutes, and their code is the same with features.
const WITHOUT_FEATURES: [&str; 9] = [
    "without_news",
    "without_otlp",
    "without_postgres",
    "access::",
    "app::",
    "cli::",
    "cors::",
    "greeting::",
    "openapi::",
];

/// Checks all of them, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    for (name, features) in packages()? {
        check(&name, None)?;
        for feature in &features {
            check(&name, Some(feature))?;
        }
    }
    left_out::run()?;
    test_without_features()
}

/// Runs tests of the program without its features.
fn test_without_features() -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--quiet", "--locked", "--package", "keyward-server"]);
    command.args(["--no-default-features", "--"]).args(WITHOUT_FEATURES).env("INSTA_UPDATE", "no");
    println!("tests of keyward-server without features");
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "the tests of keyward-server fail without features");
    Ok(())
}

fn check(package: &str, feature: Option<&str>) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["clippy", "--quiet", "--locked", "--package", package, "--no-default-features"]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    command.args(["--", "-D", "warnings"]);
    println!("{package} with {}", feature.unwrap_or("no feature"));
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "{package} fails with {} alone", feature.unwrap_or("nothing"));
    Ok(())
}

/// The crates of the workspace and their features, in the order of their names.
fn packages() -> Result<Vec<(String, Vec<String>)>> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let output = command.output().context("cargo does not start")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("reading metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("metadata has packages")?;
    let package = |package: &Value| {
        let name = package.get("name")?.as_str()?.to_owned();
        let features = package.get("features")?.as_object()?.keys().cloned().collect();
        Some((name, features))
    };
    let mut packages =
        packages.iter().map(package).collect::<Option<Vec<_>>>().context("packages have names")?;
    packages.sort();
    Ok(packages)
}
