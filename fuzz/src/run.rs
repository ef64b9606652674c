//! Trying inputs on a target until its time is up, and what to keep of one that fails.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fastrand::Rng;

use crate::mutate::mutate;
use crate::seeds;
use crate::shrink::shrink;
use crate::targets::Target;

/// Most inputs that are kept to be mutated; another takes the place of one of them.
const POOL_MAX: usize = 4_096;

thread_local! {
    /// What panicked on this thread since the input began, each with its place in the source.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// How far a target came.
#[derive(Debug)]
pub struct Report {
    /// Inputs that were tried.
    pub inputs: u64,
    /// Classes of outcomes that were seen.
    pub classes: usize,
    /// The input that failed, if one did; it is the last one.
    pub failure: Option<Failure>,
}

/// An input for which a property of its target does not hold.
#[derive(Debug)]
pub struct Failure {
    /// What does not hold, and where in the source.
    pub message: String,
    /// The input, made small.
    pub input: Vec<u8>,
}

/// What others may know of a run while it is under way.
#[derive(Debug, Default)]
pub struct Progress {
    /// The number of the input under way, from 1 on; 0 before the first.
    number: AtomicU64,
}

impl Progress {
    /// The number of the input under way.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}

/// Has panics kept as messages instead of printed. Called once, before the first input.
pub fn catch_panics() {
    panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("a panic without a text");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        PANICS.with_borrow_mut(|panics| panics.push(format!("{text}\n  at {at}")));
    }));
}

/// Tries one input: the class of its outcome, or what does not hold.
///
/// # Errors
///
/// Returns the message of each panic, in their order.
pub fn try_one(target: &Target, input: &[u8]) -> Result<String, String> {
    PANICS.with_borrow_mut(Vec::clear);
    let result = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    result.map_err(|_| PANICS.with_borrow(|panics| panics.join("\n")))
}

/// Tries the seeds of a target, and then inputs made of them until the time is up.
///
/// The input under way stands in the file `current` of the folder, where it survives the end of the
/// process.
///
/// # Errors
///
/// Returns an error if a file cannot be read or written. An input that fails is none: it is in the
/// report.
pub fn run(
    target: &Target,
    mut rng: Rng,
    time: Duration,
    folder: &Path,
    progress: &Progress,
) -> Result<Report> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut current = File::create(folder.join("current")).context("making `current`")?;
    let begin = now();
    let mut classes = HashSet::new();
    let mut pool = Vec::new();
    let mut waiting: Vec<_> = seeds::read(target.name)?.into_iter().map(|(_, seed)| seed).collect();
    let mut inputs = 0;
    loop {
        let input = waiting.pop().unwrap_or_else(|| mutate(&mut rng, &pool, target.words));
        current.rewind()?;
        current.write_all(&input)?;
        current.set_len(input.len() as u64)?;
        inputs += 1;
        progress.number.store(inputs, Ordering::Relaxed);
        match try_one(target, &input) {
            Ok(class) => {
                if classes.insert(class) {
                    keep(&mut pool, input, &mut rng);
                }
            }
            Err(message) => {
                let input = shrink(input, |bytes| try_one(target, bytes).is_err());
                let failure = Some(Failure { message, input });
                return Ok(Report { inputs, classes: classes.len(), failure });
            }
        }
        if waiting.is_empty() && time <= begin.elapsed() {
            return Ok(Report { inputs, classes: classes.len(), failure: None });
        }
    }
}

fn keep(pool: &mut Vec<Vec<u8>>, input: Vec<u8>, rng: &mut Rng) {
    if pool.len() < POOL_MAX {
        pool.push(input);
    } else if let Some(other) = pool.get_mut(rng.usize(..POOL_MAX)) {
        *other = input;
    }
}

/// Writes an input that failed to the folder, and returns where it is.
///
/// # Errors
///
/// Returns an error if it cannot be written.
pub fn save(failure: &Failure, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("failure");
    fs::write(&path, &failure.input).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

#[expect(clippy::disallowed_methods, reason = "how long to go on is asked of the clock alone")]
fn now() -> Instant {
    Instant::now()
}
