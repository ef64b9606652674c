//! `cargo xtask test`: everything that must hold before a change lands.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::schemathesis;

/// The steps, quick ones first; all of them treat warnings as errors. Doc tests run with the
/// others.
const STEPS: [&str; 4] = [
    "fmt --all --check",
    "clippy --locked --workspace --all-targets --all-features -- -D warnings",
    "test --locked --workspace --all-features",
    "doc --locked --workspace --all-features --no-deps --document-private-items",
];

/// Runs every step, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    for component in ["fmt", "clippy"] {
        let found = cargo(&format!("{component} --version")).output();
        ensure!(
            found.is_ok_and(|output| output.status.success()),
            "`cargo {component}` is missing; install it with `rustup component add rustfmt clippy`"
        );
    }
    for step in STEPS {
        println!("\n== cargo {step}");
        let status = cargo(step).status().context("cargo does not start")?;
        ensure!(status.success(), "`cargo {step}` failed");
    }
    println!("\n== schemathesis");
    schemathesis::run()?;
    println!("\n== all of it holds");
    Ok(())
}

fn cargo(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    // A snapshot that differs is an error here, never a new snapshot.
    command.args(args.split(' ')).env("INSTA_UPDATE", "no").env("RUSTDOCFLAGS", "-D warnings");
    command
}
