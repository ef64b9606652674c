//! The program of a package: built, and without the names of its parts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{left_out, tools};

/// A program that was built for a package.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    target: Option<&'static str>,
    is_optimized: bool,
}

impl Program {
    /// Builds it, for this machine or for another target, and optimized or quickly.
    pub(crate) fn build(target: Option<&'static str>, is_optimized: bool) -> Result<Self> {
        if target.is_none() && !is_optimized {
            return Ok(Self { path: tools::keyward()?, target, is_optimized });
        }
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--locked", "--package", "keyward-server"]);
        command.args(["--bin", "keyward"]);
        let mut path = tools::target()?;
        if let Some(target) = target {
            tools::check(Command::new("rustup").args(["--quiet", "target", "add", target]))?;
            command.args(["--target", target]);
            path.push(target);
        }
        if is_optimized {
            command.arg("--release");
        }
        path.push(if is_optimized { "release" } else { "debug" });
        tools::check(&mut command).context("building the program of a package")?;
        let path = path.join("keyward");
        left_out::check(&path)?;
        Ok(Self { path, target, is_optimized })
    }

    /// Puts it there, stripped.
    pub(crate) fn install(&self, place: &Path) -> Result<()> {
        super::make_parent(place)?;
        let mut strip = Command::new("strip");
        strip.args(["--strip-unneeded", "--remove-section=.comment", "-o"]);
        tools::check(strip.arg(place).arg(&self.path))
    }

    /// Where it is, with the names of its parts.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How well a package of it is compressed: one that is only tried need not be small.
    pub(crate) fn compression(&self) -> &'static str {
        if self.is_optimized { "-z6" } else { "-z1" }
    }

    /// What Rust calls the machine for which it is built, if it is another one.
    pub(crate) fn target(&self) -> Option<&'static str> {
        self.target
    }
}
