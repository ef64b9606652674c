//! The machine that figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

/// Processor, cores and compiler, as a sentence.
pub(crate) fn description() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("the processor is read from Linux")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = thread::available_parallelism().context("the cores cannot be counted")?;
    let rustc = Command::new("rustc").arg("--version").output().context("rustc does not start")?;
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    Ok(format!("Measured on {model}, {cores} cores, with {}.", rustc.trim()))
}
