//! `cargo xtask oldest`: the oldest Rust that `Cargo.toml` promises.
//!
//! Where that one is in use, everything else in `cargo xtask test` has tried it already. Where a
//! newer one is, rustup fetches the promised one, and the workspace is checked with it. Without
//! rustup there is no other to try; Clippy's lint `incompatible_msrv` remains, which knows the
//! version of each item of the standard library.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Checks the workspace with the promised Rust, and says how.
pub(crate) fn run() -> Result<()> {
    let manifest = fs::read_to_string("Cargo.toml").context("reading Cargo.toml")?;
    let promised = promised(&manifest).context("Cargo.toml promises a `rust-version`")?;
    let used = version(&print(Command::new("rustc").arg("--version"))?)?;
    if used == version(&promised)? {
        println!("Rust {promised} is in use, and everything was tried with it");
        return Ok(());
    }
    let has_rustup = Command::new("rustup").arg("--version").output();
    if !has_rustup.is_ok_and(|output| output.status.success()) {
        println!("there is no rustup to fetch Rust {promised}; Clippy's `incompatible_msrv` holds");
        return Ok(());
    }
    let (major, minor) = version(&promised)?;
    let toolchain = format!("{major}.{minor}.0");
    // A toolchain that works stays as it is: installing it again replaces its files, and other
    // builds may be using them.
    let works = Command::new("rustup").args(["run", &toolchain, "rustc", "--version"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        let fetched = Command::new("rustup")
            .args(["toolchain", "install", &toolchain, "--profile", "minimal", "--no-self-update"])
            .status();
        ensure!(fetched.is_ok_and(|status| status.success()), "Rust {toolchain} is not to be had");
    }
    // A folder of its own: what another compiler built is of no use to either.
    let check = ["cargo", "check", "--locked", "--workspace", "--all-features"];
    let mut command = Command::new("rustup");
    command.args(["run", &toolchain]).args(check).args(["--target-dir", "target/oldest"]);
    let status = command.status().context("rustup does not start")?;
    ensure!(status.success(), "the workspace does not build with Rust {promised}");
    Ok(())
}

fn print(command: &mut Command) -> Result<String> {
    let output = command.output().context("rustc does not start")?;
    ensure!(output.status.success(), "rustc does not say its version");
    String::from_utf8(output.stdout).context("rustc prints text")
}

/// The value of `rust-version = "…"`.
fn promised(manifest: &str) -> Option<String> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""))?;
    line.strip_suffix('"').map(str::to_owned)
}

/// The first two numbers of a version, in the text that has it first.
fn version(text: &str) -> Result<(u32, u32)> {
    let mut numbers =
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => bail!("`{text}` has no version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_they_stand() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)").unwrap(), (1, 95));
        assert_eq!(version("1.95").unwrap(), (1, 95));
        assert!(version("rustc").is_err());
        let manifest = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.95\"\n";
        assert_eq!(promised(manifest).as_deref(), Some("1.95"));
        assert_eq!(promised("edition = \"2024\"\n"), None);
    }
}
