//! That no program but one for tests can be told to leave a rule of a cluster out.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

/// The variable that names the rule. The feature `testing` of `keyward` reads it.
const VARIABLE: &[u8] = b"MUTANT_OF_KEYWARD";

/// Builds the core with the feature and without, and looks for the word.
pub(crate) fn run() -> Result<()> {
    let library = tools::target()?.join("debug/libkeyward.rlib");
    for features in [&["--features", "testing"][..], &[]] {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--locked", "--package", "keyward"]).args(features);
        tools::check(&mut command)?;
        let has_word = has_word(&library)?;
        ensure!(
            has_word != features.is_empty(),
            "with {features:?}, the word is there: {has_word}"
        );
    }
    Ok(())
}

/// Checks a program that others get.
pub(crate) fn check(program: &Path) -> Result<()> {
    ensure!(!has_word(program)?, "{} can leave rules out", program.display());
    Ok(())
}

fn has_word(file: &Path) -> Result<bool> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(bytes.windows(VARIABLE.len()).any(|part| part == VARIABLE))
}
