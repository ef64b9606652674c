//! `cargo xtask package`: the manual, a package for Debian, and an image for containers.
//!
//! The same sources make the same bytes: no file is younger than `SOURCE_DATE_EPOCH`, which is the
//! time of the last commit unless it is set.

mod deb;
mod notices;
mod oci;
mod program;
mod serve;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools;

use program::Program;

/// The parts that every package has.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where packages are made.
    folder: PathBuf,
    /// The manual and the completions of shells.
    pages: PathBuf,
    /// The version of the program.
    version: String,
    /// The time of the newest file, in seconds of Unix time.
    epoch: String,
}

/// Makes what the words name.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        ["manual"] => {
            println!("{}", Parts::gather()?.pages.display());
            Ok(())
        }
        ["deb"] => {
            let package = deb::make(&Parts::gather()?, &Program::build(None, true)?)?;
            println!("{}", package.display());
            Ok(())
        }
        ["oci"] => {
            let layout = oci::make(&Parts::gather()?, &Program::build(Some(STATIC), true)?)?;
            println!("{}", layout.display());
            Ok(())
        }
        ["check"] => check(),
        _ => bail!("package what? `manual`, `deb`, `oci`, or `check`, which makes and tries all"),
    }
}

/// What Rust calls a static program.
const STATIC: &str = "x86_64-unknown-linux-musl";

/// The readers of manuals.
const READERS: [&str; 2] = ["man-db", "mandoc"];
/// The tools that make and check a package for Debian.
const DEBIAN: [&str; 2] = ["dpkg-dev", "lintian"];
/// The tools that try a sandbox.
const SANDBOX: [&str; 2] = ["python3-seccomp", "systemd"];
/// The tools that make and check an image.
const IMAGE: [&str; 3] = ["musl-tools", "umoci", "skopeo"];

/// Sees to it that the tools of all packages are there.
pub(crate) fn install() -> Result<bool> {
    tools::apt(&[&READERS[..], &DEBIAN, &SANDBOX, &IMAGE].concat())
}

/// Makes all of them from programs that are quick to build, and tries them.
fn check() -> Result<()> {
    let parts = Parts::gather()?;
    check_manual(&parts.pages)?;
    let program = Program::build(None, false)?;
    if tools::apt(&DEBIAN)? {
        deb::check(&parts, &program)?;
    }
    if tools::apt(&SANDBOX)? {
        check_sandbox(&parts, &program)?;
    }
    if tools::apt(&IMAGE)? {
        oci::check(&parts, &Program::build(Some(STATIC), false)?)?;
    }
    Ok(())
}

/// The program serves with the system calls, address families and memory that its unit allows.
fn check_sandbox(parts: &Parts, program: &Program) -> Result<()> {
    let folder = parts.folder.join("sandbox");
    fresh(&folder)?;
    let root = env::current_dir().context("asking for the working directory")?;
    // Debian's own Python, for which Debian's package is.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(root.join("deploy/systemd/sandbox.py"));
    command.arg(root.join("deploy/systemd/keyward.service")).arg(program.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(&folder).env_clear();
    serve::try_to(command.env("PATH", "/usr/bin:/bin"))?;
    ensure!(folder.join("keyward.db").is_file(), "the program made no database");
    println!("the program serves with the system calls of its unit");
    Ok(())
}

/// No page has a fault that its readers' programs complain about.
fn check_manual(pages: &Path) -> Result<()> {
    if !tools::apt(&READERS)? {
        return Ok(());
    }
    let mut count = 0;
    for section in ["man1", "man5"] {
        for page in sorted(&pages.join(section))? {
            let man = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"];
            quiet(Command::new("man").args(man).arg(&page), &page)?;
            quiet(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page), &page)?;
            count += 1;
        }
    }
    ensure!(30 < count, "the manual has {count} pages only");
    println!("{count} pages of the manual are well-formed");
    Ok(())
}

fn quiet(command: &mut Command, page: &Path) -> Result<()> {
    let output = command.output().context("a reader of manuals does not start")?;
    // `man` prints the page, and `mandoc` prints its complaints there.
    let is_page = output.stdout.starts_with(b"x T utf8");
    let complaints = if is_page { &output.stderr } else { &output.stdout };
    let complaints = String::from_utf8_lossy(complaints);
    ensure!(output.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = listed
        .map(|entry| Ok(entry.context("listing a directory")?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

impl Parts {
    fn gather() -> Result<Self> {
        let folder = tools::target()?.join("package");
        let pages = folder.join("pages");
        let epoch = match env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => printed(Command::new("git").args(["log", "-1", "--format=%ct"]))?,
        };
        fresh(&pages)?;
        // With these flags the tests have built it already.
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--workspace", "--all-features"]);
        tools::check(build.args(["--example", "pages"]))?;
        let example = tools::target()?.join("debug/examples/pages");
        tools::check(Command::new(example).arg(&pages).env("SOURCE_DATE_EPOCH", &epoch))?;
        Ok(Self { folder, pages, version: version()?, epoch })
    }

    /// Makes every file below a folder as old as the sources.
    fn age(&self, folder: &Path) -> Result<()> {
        let date = format!("--date=@{}", self.epoch);
        let mut find = Command::new("find");
        find.arg(folder).args(["-exec", "touch", "--no-dereference", &date, "{}", "+"]);
        tools::check(&mut find)
    }
}

/// The version in the workspace's manifest.
fn version() -> Result<String> {
    let manifest = fs::read_to_string("Cargo.toml").context("reading Cargo.toml")?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \""));
    let version = line.and_then(|line| line.strip_suffix('"')).context("a version is there")?;
    Ok(version.to_owned())
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    let cannot = || format!("making {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(cannot)?;
    }
    fs::create_dir_all(folder).with_context(cannot)
}

/// Copies a file into a folder that is made for it.
fn put(from: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

/// Writes a file into a folder that is made for it.
fn write(to: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    make_parent(to)?;
    fs::write(to, bytes).with_context(|| format!("writing {}", to.display()))
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().context("a file has a parent")?;
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))
}

/// The text that a command prints, without space around it.
fn printed(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("`{program}` does not start"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program}` failed: {errors}");
    let text = String::from_utf8(output.stdout).context("it prints text")?;
    Ok(text.trim().to_owned())
}
