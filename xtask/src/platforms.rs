//! `cargo xtask platforms`: the program's crates for the systems that no test runs on.
//!
//! Rust comes from rustup; the C of SQLite and of `ring` needs a compiler for each system: Debian
//! has them for Linux and Windows, and for macOS zig is one, as a package of Python.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

/// What Rust calls the systems. README.md names them.
const TARGETS: [&str; 3] =
    ["aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "aarch64-apple-darwin"];
/// Debian's C compilers for the first two.
const COMPILERS: [&str; 3] =
    ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "gcc-mingw-w64-x86-64-posix"];
const ZIG: &str = "ziglang==0.15.2";

/// Sees to it that the C compilers are there.
pub(crate) fn install() -> Result<bool> {
    tools::venv("zig", &[ZIG])?;
    tools::apt(&COMPILERS)
}

/// Checks the crates for all of them.
pub(crate) fn run() -> Result<()> {
    if !install()? || !has_targets()? {
        return Ok(());
    }
    let folder = tools::target()?.join("platforms");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let python = tools::venv("zig", &[ZIG])?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["clippy", "--quiet", "--locked", "--workspace"]);
    command.args(["--exclude", "xtask", "--exclude", "keyward-fuzz"]);
    for target in TARGETS {
        command.args(["--target", target]);
    }
    command.args(["--", "-D", "warnings"]);
    command.env("CC_aarch64_apple_darwin", zig(&python, &folder, "cc")?);
    command.env("AR_aarch64_apple_darwin", zig(&python, &folder, "ar")?);
    // Zig brings the headers of macOS along; Apple's tools are not asked where they are.
    command.env("SDKROOT", &folder);
    tools::check(&mut command)?;
    println!("it compiles for {}", TARGETS.join(", "));
    Ok(())
}

/// Adds the standard libraries of all targets; says so where that is not possible.
fn has_targets() -> Result<bool> {
    let mut command = Command::new("rustup");
    let added = command.args(["--quiet", "target", "add"]).args(TARGETS).output();
    match added {
        Ok(output) if output.status.success() => return Ok(true),
        Ok(output) => eprint!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("rustup does not start: {error}"),
    }
    let remedy = format!("rustup target add {}", TARGETS.join(" "));
    ensure!(env::var_os("CI").is_none(), "`{remedy}` fails");
    println!("NOT CHECKED: `{remedy}` fails");
    Ok(false)
}

/// A script that is a compiler as `cc` expects one: it drops Apple's own name of the target, which
/// zig does not know.
fn zig(python: &Path, folder: &Path, tool: &str) -> Result<PathBuf> {
    let script = folder.join(format!("zig-{tool}"));
    let python = python.display();
    let target = if tool == "cc" { "-target aarch64-macos" } else { "" };
    let text = format!(
        "#!/bin/bash\n\
         words=()\n\
         while [ $# -gt 0 ]; do\n\
         \x20 case \"$1\" in\n\
         \x20   --target=*|-mmacosx-version-min=*) ;;\n\
         \x20   -arch|-isysroot) shift ;;\n\
         \x20   *) words+=(\"$1\") ;;\n\
         \x20 esac\n\
         \x20 shift\n\
         done\n\
         exec '{python}' -m ziglang {tool} {target} \"${{words[@]}}\"\n"
    );
    fs::write(&script, text).with_context(|| format!("writing {}", script.display()))?;
    tools::check(Command::new("chmod").arg("+x").arg(&script))?;
    Ok(script)
}
