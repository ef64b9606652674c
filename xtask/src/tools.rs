//! Programs of others that the chores run: installs the missing ones.
//!
//! Debian's packages where `apt-get` works as root, and Python's packages in a virtual environment
//! below `target/`, each with its version. In CI a program that cannot be had is an error; on
//! another machine the chore says so, and does without.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// How long another installation may take before ours gives up, in seconds.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";
const PYTHON_NEEDED: &str = "`python3`, 3.11 or later, with its module `venv` is needed \
                             (on Debian and Ubuntu: apt install python3 python3-venv)";

/// Sees to it that these packages of Debian are installed, and returns whether they are.
///
/// The versions are those of the Debian at hand. No service of theirs is started.
///
/// # Errors
///
/// Returns an error in CI if one of them is not to be had. Elsewhere that is said, and `false`.
pub(crate) fn apt(packages: &[&str]) -> Result<bool> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(true);
    }
    println!("installing {}", missing.join(" "));
    // Without the lists of a new machine the first try fails at once, and so does one with lists
    // that are out of date.
    let installed = install(&missing) || (update() && install(&missing));
    if installed {
        return Ok(true);
    }
    let names = missing.join(" ");
    let remedy = format!("{names} not installed (on Debian and Ubuntu: apt install {names})");
    ensure!(env::var_os("CI").is_none(), "{remedy}");
    println!("NOT CHECKED: {remedy}");
    Ok(false)
}

/// Sees to it that a program runs, by these packages of Debian if it does not.
///
/// # Errors
///
/// Returns an error if it is not to be had.
pub(crate) fn program(name: &str, version: &str, packages: &[&str]) -> Result<()> {
    let runs = || Command::new(name).arg(version).output().is_ok_and(|it| it.status.success());
    ensure!(runs() || apt(packages)? && runs(), "`{name}` is needed, and is not there");
    Ok(())
}

/// Installs the packages of Node that the `package-lock.json` of a directory lists, unless just
/// these are there. No script of theirs is run.
///
/// # Errors
///
/// Returns an error if Node or one of the packages is not to be had.
pub(crate) fn npm(folder: &Path) -> Result<()> {
    program("node", "--version", &["nodejs", "npm"])?;
    program("npm", "--version", &["npm"])?;
    let (lock, installed) = (folder.join("package-lock.json"), folder.join("node_modules/.lock"));
    let lock = fs::read_to_string(lock).context("reading package-lock.json")?;
    if fs::read_to_string(&installed).is_ok_and(|text| text == lock) {
        return Ok(());
    }
    println!("installing packages of Node in {}", folder.display());
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    check(Command::new("npm").args(install).current_dir(folder))?;
    // Written last, so that an installation that broke off is made anew.
    fs::write(&installed, lock).context("noting the installed packages")
}

/// Those of the packages that are not installed; all of them where there is no Debian.
fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let is_installed = |package: &str| {
        let format = "--showformat=${db:Status-Status}";
        let found = Command::new("dpkg-query").args(["--show", format, package]).output();
        found.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
    };
    packages.iter().copied().filter(|package| !is_installed(package)).collect()
}

fn update() -> bool {
    let status = Command::new("apt-get").args(["--quiet", "--quiet", "update"]).status();
    status.is_ok_and(|status| status.success())
}

fn install(packages: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--quiet", "--yes", "-o", LOCK_TIMEOUT, "install"]);
    command.arg("--no-install-recommends").args(packages);
    // As while a machine starts: services wait, and questions are not asked.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    let output = command.output();
    output.is_ok_and(|output| {
        if !output.status.success() {
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    })
}

/// Makes the virtual environment `name`, unless it is there with just these packages of Python, and
/// returns its `python`. Programs of the packages lie in the same folder.
///
/// Each package has its version (`ziglang==0.17.1`), and nothing else is installed: what a package
/// depends on is listed, too.
///
/// # Errors
///
/// Returns an error if Python or one of the packages is not to be had.
pub(crate) fn venv(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let loose = packages.iter().find(|package| !package.contains("=="));
    ensure!(loose.is_none(), "a package of `{name}` has no version: {}", loose.unwrap_or(&""));
    let venv = target()?.join("venv").join(name);
    let (python, installed) = (venv.join("bin/python"), venv.join("installed.txt"));
    let wanted = packages.join("\n");
    if python.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("making a Python environment in {}", venv.display());
    let version = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let found = Command::new("python3").args(["-c", version]).output();
    ensure!(found.is_ok_and(|output| output.status.success()), PYTHON_NEEDED);
    check(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    check(Command::new(&python).args(pip).args(packages))?;
    // Written last, so that an installation that broke off is made anew.
    fs::write(&installed, wanted).context("noting the installed packages")?;
    Ok(python)
}

/// The target directory, as cargo understands it.
pub(crate) fn target() -> Result<PathBuf> {
    let root = env::current_dir().context("asking for the working directory")?;
    Ok(env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from))
}

/// Builds the program as the tests have it, with all features, and returns where it is. After
/// `cargo test` there is nothing left to build.
///
/// # Errors
///
/// Returns an error if it does not build.
pub(crate) fn keyward() -> Result<PathBuf> {
    let target = target()?;
    check(&mut build_tests(&target))?;
    Ok(target.join("debug/keyward"))
}

/// The same of a package's program of tests.
///
/// # Errors
///
/// Returns an error if it does not build.
pub(crate) fn tests_of(package: &str) -> Result<PathBuf> {
    let mut build = build_tests(&target()?);
    build.arg("--message-format=json").stderr(Stdio::inherit());
    let built = build.output().context("`cargo` does not start")?;
    ensure!(built.status.success(), "`cargo test --no-run` failed");
    let folder = format!("crates/{package}/tests/it/main.rs");
    let program = built.stdout.split(|byte| *byte == b'\n').find_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        let source = message.pointer("/target/src_path")?.as_str()?;
        let program = message.get("executable")?.as_str()?;
        source.ends_with(&folder).then(|| PathBuf::from(program))
    });
    program.with_context(|| format!("{package} has no program of tests"))
}

/// Builds every program of tests.
fn build_tests(target: &Path) -> Command {
    let build = ["test", "--no-run", "--quiet", "--locked", "--workspace", "--all-features"];
    let mut command = Command::new(env!("CARGO"));
    command.args(build).args(["--test", "it", "--target-dir"]).arg(target);
    command
}

/// Runs a command to its end, and fails if it does.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command.status().with_context(|| format!("`{program}` does not start"))?;
    ensure!(status.success(), "`{program}` failed");
    Ok(())
}
