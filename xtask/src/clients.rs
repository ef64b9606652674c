//! The clients in other languages: their types, and their tests against the real program.
//!
//! They are checked in a copy under `target/`, so that no tool leaves its files in the tree.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools::{check, keyward, npm, program, target, venv};

/// Files that tools leave in a directory of a client when they are run by hand.
const LEFT_BY_TOOLS: [&str; 6] =
    ["node_modules", "__pycache__", ".mypy_cache", ".pytest_cache", "build", "keyward.egg-info"];

/// The variable that tells tests where the program is.
const PROGRAM: &str = "KEYWARD_PROGRAM";

/// Builds the program, and checks each client with it.
pub(crate) fn run() -> Result<()> {
    let clients = target()?.join("clients");
    copy(Path::new("clients"), &clients)
        .with_context(|| format!("copying clients to {}", clients.display()))?;
    let keyward = keyward()?;
    python(&clients.join("python"), &keyward)?;
    node(&clients.join("node"), &keyward)?;
    go(&clients.join("go"), &keyward)
}

/// Copies a directory over another. Only what tools have left there stays.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let is_kept = from.join(entry.file_name()).exists() || is_left_by_tools(&entry.path());
        if !is_kept && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if !is_kept {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry?.path(), to);
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() && !is_left_by_tools(&from) {
            copy(&from, &to)?;
        } else if from.is_file() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn is_left_by_tools(path: &Path) -> bool {
    path.file_name().is_some_and(|name| LEFT_BY_TOOLS.iter().any(|left| name == *left))
}

fn python(folder: &Path, keyward: &Path) -> Result<()> {
    let listed = fs::read_to_string(folder.join("requirements.txt"))
        .context("reading the packages for the tests of Python")?;
    let packages: Vec<_> = listed.lines().collect();
    let python = venv("clients", &packages)?;
    // As its users get it: without the directory in the path, a file that is not packed is missed.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let install = ["--no-build-isolation", "--force-reinstall", "."];
    check(Command::new(&python).args(pip).args(install).current_dir(folder))?;
    let mypy = ["-P", "-m", "mypy", "keyward", "tests"];
    check(Command::new(&python).args(mypy).env("MYPYPATH", "tests").current_dir(folder))?;
    let pytest = ["-P", "-m", "pytest", "--quiet"];
    check(Command::new(&python).args(pytest).current_dir(folder).env(PROGRAM, keyward))
}

fn node(folder: &Path, keyward: &Path) -> Result<()> {
    npm(folder)?;
    let tsc = "node_modules/typescript/bin/tsc";
    check(Command::new("node").arg(tsc).current_dir(folder))?;
    compare(&folder.join("types"), Path::new("clients/node/types"))?;
    check(Command::new("node").args([tsc, "-p", "test"]).current_dir(folder))?;
    // A failed test may leave a server open, which would go on for ever.
    let test = ["--test", "--test-force-exit", "--test-reporter=dot"];
    check(Command::new("node").args(test).current_dir(folder).env(PROGRAM, keyward))
}

/// The declarations that users of TypeScript read follow from the code.
fn compare(made: &Path, committed: &Path) -> Result<()> {
    for entry in fs::read_dir(made).context("listing the declarations")? {
        let made = entry?.path();
        let committed = committed.join(made.file_name().unwrap_or_default());
        let (made, kept) = (fs::read(&made)?, fs::read(&committed).unwrap_or_default());
        let remedy = "run `npm ci && npx tsc` in clients/node";
        ensure!(made == kept, "{} is out of date: {remedy}", committed.display());
    }
    Ok(())
}

fn go(folder: &Path, keyward: &Path) -> Result<()> {
    program("go", "version", &["golang-go"])?;
    let gofmt = Command::new("gofmt").args(["-l", "."]).current_dir(folder).output();
    let unformatted = gofmt.context("`gofmt` does not start")?.stdout;
    let unformatted = String::from_utf8_lossy(&unformatted).into_owned();
    ensure!(unformatted.is_empty(), "`gofmt -w` is needed in clients/go: {unformatted}");
    check(Command::new("go").args(["vet", "./..."]).current_dir(folder))?;
    // A result that was kept says nothing about another build of the program.
    let test = ["test", "-count=1", "./..."];
    check(Command::new("go").args(test).current_dir(folder).env(PROGRAM, keyward))
}
