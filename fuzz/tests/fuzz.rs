//! Runs the fuzzer. As a part of `cargo test` it tries the seeds; `cargo xtask fuzz` passes
//! `--seconds`, and it goes on from there.

#![cfg(test)] // Tells Clippy that helpers here are test code too.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a terminal")]

use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use keyward_fuzz::run::{self, Progress, Report};
use keyward_fuzz::seeds;
use keyward_fuzz::targets::{TARGETS, Target};

/// Longest that one input may take, which is a thousand times what the slowest one takes. What
/// takes longer hangs, or takes a time that grows with the square of its length.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest input that is printed whole.
const PRINTED_MAX: usize = 2_048;

fn main() -> ExitCode {
    match Options::parse(env::args().skip(1)).and_then(|options| options.run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Options {
    targets: Vec<&'static Target>,
    time: Option<Duration>,
    seed: Option<u64>,
    input: Option<PathBuf>,
}

impl Options {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut words, mut names) = (words, Vec::new());
        let mut options = Self { targets: Vec::new(), time: None, seed: None, input: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seconds" => options.time = Some(Duration::from_secs(value()?.parse()?)),
                "--seed" => options.seed = Some(value()?.parse()?),
                "--input" => options.input = Some(value()?.into()),
                // What `cargo test` passes to every test is no concern of this one.
                other if other.starts_with('-') => {}
                name => names.push(name.to_owned()),
            }
        }
        let is_asked =
            |target: &&Target| names.is_empty() || names.iter().any(|n| n == target.name);
        options.targets = TARGETS.iter().filter(is_asked).collect();
        let all: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        let asks = options.time.is_some() || options.input.is_some();
        ensure!(!asks || !options.targets.is_empty(), "the targets are {}", all.join(", "));
        Ok(options)
    }

    /// Returns whether everything holds.
    fn run(self) -> Result<bool> {
        run::catch_panics();
        match (self.input, self.time) {
            (Some(path), _) => {
                // Cargo runs this in its own folder, and people type paths from the workspace's root.
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
                let input = fs::read(&path).with_context(|| format!("{}", path.display()))?;
                Ok(self.targets.iter().all(|target| tell_one(target, &path, &input)))
            }
            (None, None) => try_seeds(&self.targets),
            (None, Some(time)) => fuzz(self.targets, time, self.seed.unwrap_or_else(random)),
        }
    }
}

fn random() -> u64 {
    Rng::new().u64(..)
}

/// Tries one input, and tells what became of it.
fn tell_one(target: &Target, path: &Path, input: &[u8]) -> bool {
    let result = run::try_one(target, input);
    match &result {
        Ok(class) => println!("{}: {} holds: {class}", target.name, path.display()),
        Err(message) => eprintln!("{}: {} FAILS: {message}", target.name, path.display()),
    }
    result.is_ok()
}

fn try_seeds(targets: &[&Target]) -> Result<bool> {
    let (mut count, mut all) = (0, true);
    for target in targets {
        for (path, seed) in seeds::read(target.name)? {
            count += 1;
            if let Err(message) = run::try_one(target, &seed) {
                eprintln!("{}: {} FAILS: {message}", target.name, path.display());
                all = false;
            }
        }
    }
    println!("\nfuzz: {count} seeds of {} targets tried", targets.len());
    Ok(all)
}

/// What a worker says: which target it takes up, or what became of one.
enum News {
    Begun(&'static Target, Arc<Progress>),
    Ended(&'static Target, Result<Report>),
}

/// Fuzzes as many targets at a time as there are processors. Returns whether all held.
fn fuzz(targets: Vec<&'static Target>, time: Duration, seed: u64) -> Result<bool> {
    let count = targets.len();
    println!("fuzzing {count} targets for {} s each, with --seed {seed}", time.as_secs());
    let (sender, receiver) = mpsc::channel();
    let (next, targets) = (Arc::new(AtomicUsize::new(0)), Arc::new(targets));
    for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count) {
        let (next, targets, sender) = (Arc::clone(&next), Arc::clone(&targets), sender.clone());
        thread::spawn(move || work(&targets, &next, time, seed, &sender));
    }
    drop(sender);
    watch(&receiver, count)
}

fn work(
    targets: &[&'static Target],
    next: &AtomicUsize,
    time: Duration,
    seed: u64,
    sender: &Sender<News>,
) {
    while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
        let progress = Arc::new(Progress::default());
        let told = sender.send(News::Begun(target, Arc::clone(&progress)));
        // Each target has its own sequence, whichever others run.
        let name = target.name.bytes().fold(seed, |sum, byte| sum.rotate_left(7) ^ u64::from(byte));
        let rng = Rng::with_seed(name);
        let report = run::run(target, rng, time, &folder(target), &progress);
        if told.and_then(|()| sender.send(News::Ended(target, report))).is_err() {
            return;
        }
    }
}

/// Tells what the workers say, until all targets have ended or one hangs.
fn watch(receiver: &Receiver<News>, count: usize) -> Result<bool> {
    let (mut running, mut ended, mut all) = (Vec::new(), 0, true);
    while ended < count {
        match receiver.recv_timeout(INPUT_TIME_MAX) {
            Ok(News::Begun(target, progress)) => running.push((target, progress, 0)),
            Ok(News::Ended(target, report)) => {
                running.retain(|(other, ..)| other.name != target.name);
                all &= tell(target, &report?)?;
                ended += 1;
            }
            Err(RecvTimeoutError::Disconnected) => bail!("a worker ended before its targets"),
            Err(RecvTimeoutError::Timeout) => {
                for (target, progress, before) in &mut running {
                    let number = progress.number();
                    let path = folder(target).join("current");
                    ensure!(
                        number != *before,
                        "{}: one input takes more than {INPUT_TIME_MAX:?}: {}",
                        target.name,
                        path.display()
                    );
                    *before = number;
                }
            }
        }
    }
    Ok(all)
}

fn tell(target: &Target, report: &Report) -> Result<bool> {
    let Report { inputs, classes, failure } = report;
    println!("{:12} {inputs:>9} inputs, {classes:>5} classes", target.name);
    let Some(failure) = failure else { return Ok(true) };
    let path = run::save(failure, &folder(target))?;
    eprintln!("\n{} FAILS: {}", target.name, failure.message);
    if failure.input.len() <= PRINTED_MAX {
        eprintln!("input: \"{}\"", failure.input.escape_ascii());
    }
    let seeds = seeds::folder(target.name);
    eprintln!(
        "again: cargo xtask fuzz {} --input {}\nthen it belongs in {}\n",
        target.name,
        path.display(),
        seeds.display()
    );
    Ok(false)
}

/// Where a target's inputs are written.
fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target.name)
}
