//! The inputs in the repository that a target starts with: `fuzz/seeds/<target>/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Where the seeds of a target are.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// The seeds of a target, each with its path, in the order of their names.
///
/// # Errors
///
/// Returns an error if there are none, or if one cannot be read.
pub fn read(target: &str) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = folder(target);
    let listed = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{} has no seeds", folder.display());
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok((path, bytes))
    };
    paths.into_iter().map(read).collect()
}
