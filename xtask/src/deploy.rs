//! `cargo xtask deploy`: the files of `deploy/`, each checked by the tool that reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools;

const UNIT: &str = "deploy/systemd/keyward.service";
/// Ten times the exposure that systemd may find at most: 10 is the worst of its levels.
const EXPOSURE: &str = "--threshold=15";

/// Checks all of them.
pub(crate) fn run() -> Result<()> {
    check_unit()
}

/// Has systemd read the unit, and measure what the program may do in it.
fn check_unit() -> Result<()> {
    if !tools::apt(&["systemd"])? {
        return Ok(());
    }
    let folder = tools::target()?.join("deploy");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // The program need not be installed here.
    let unit = fs::read_to_string(UNIT).with_context(|| format!("reading {UNIT}"))?;
    let copy = folder.join("keyward.service");
    fs::write(&copy, unit.replace("/usr/bin/keyward ", "/bin/true ")).context("copying it")?;
    read_whole(&copy)?;
    let mut measure = Command::new("systemd-analyze");
    measure.args(["security", "--offline=true", EXPOSURE, UNIT]);
    let output = measure.output().context("`systemd-analyze` does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{UNIT} exposes too much:\n{text}");
    println!("{}", text.lines().last().unwrap_or_default());
    Ok(())
}

/// Warnings count: systemd ignores a line that it does not know.
fn read_whole(unit: &Path) -> Result<()> {
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).arg(unit).output();
    let output = output.context("`systemd-analyze` does not start")?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && complaints.is_empty(), "{UNIT}: {complaints}");
    Ok(())
}
