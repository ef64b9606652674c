//! `cargo xtask fuzz`: mutated inputs for the parsers of untrusted bytes.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// How long each target is fuzzed by hand, unless told.
const SECONDS: &str = "300";

/// Fuzzes the targets named in these words, or all of them.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    // Built as the tests are, so that nothing is built twice.
    command.args(["test", "--quiet", "--locked", "--workspace", "--all-features"]);
    command.args(["--test", "fuzz", "--"]).args(words);
    if !words.iter().any(|word| matches!(*word, "--seconds" | "--input")) {
        command.args(["--seconds", SECONDS]);
    }
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "a target fails, or there is none of that name");
    Ok(())
}
