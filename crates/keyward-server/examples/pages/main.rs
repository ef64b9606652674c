//! Writes the pages of a package: the manual and the completions of shells.
//!
//! `cargo xtask package` runs it: `cargo run --example pages -- DIRECTORY`. The date of the manual
//! is that of `SOURCE_DATE_EPOCH`, so that the same sources make the same pages.

mod commands;
mod settings;
mod text;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context as _;
use clap_complete::Shell;
use jiff::Timestamp;
use keyward_server::pages::command_line;

/// The shells, and the file names under which each looks for a completion.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "keyward"), (Shell::Zsh, "_keyward"), (Shell::Fish, "keyward.fish")];

fn main() -> anyhow::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from).context("a directory is needed")?;
    let date = date()?;
    for (name, page) in commands::pages(&date)? {
        write(&folder.join("man1").join(name), &page)?;
    }
    write(&folder.join("man5/keyward.toml.5"), &settings::page(&date)?)?;
    for (shell, name) in SHELLS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command_line(), "keyward", &mut script);
        write(&folder.join(shell.to_string()).join(name), &script)?;
    }
    Ok(())
}

fn date() -> anyhow::Result<String> {
    let seconds = env::var("SOURCE_DATE_EPOCH").context("SOURCE_DATE_EPOCH is not set")?;
    let seconds = seconds.parse().context("SOURCE_DATE_EPOCH is no number of seconds")?;
    let time = Timestamp::from_second(seconds).context("SOURCE_DATE_EPOCH is out of range")?;
    Ok(time.strftime("%F").to_string())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).with_context(cannot)?;
    fs::write(path, bytes).with_context(cannot)
}
