//! Instructions that a verdict takes, which hardly depend on the machine or on what else it does.
//!
//! They are counted by callgrind. The hash is subtracted: callgrind's processor has no SHA
//! instructions, so that hashing in software would hide everything else.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::figures::Figure;

/// Where `--record` puts the counts.
const RECORD: &str = "docs/instructions.toml";
/// Most that a count may grow over the recorded one, in percent.
const GROWTH_MAX_PERCENT: u64 = 5;

const VERDICTS: [&str; 9] = [
    "allowed",
    "two_limits",
    "three_limits",
    "owner_limit",
    "restricted",
    "scoped",
    "limited",
    "revoked",
    "unknown",
];
/// Doors, each compared with a route of an app that asks for a key itself.
const DOORS: [&str; 2] = ["verify", "nginx"];
/// Requests of the shorter run, enough for every key's first.
const WARM_UP: u64 = 2_000;
/// Requests by which the other run is longer.
const MEASURED: u64 = 10_000;

/// The instructions of one verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    verdict: String,
    instructions: u64,
}

impl Count {
    /// The count as a line of the table.
    pub(crate) fn figure(&self) -> Figure {
        Figure {
            name: format!("instructions_{}", self.verdict),
            // Exact: it is far below 2^53.
            value: self.instructions as f64,
            unit: "instructions".to_owned(),
        }
    }
}

/// Counts the instructions of every verdict.
pub(crate) fn count() -> Result<Vec<Count>> {
    let found = Command::new("valgrind").arg("--version").output();
    ensure!(
        found.is_ok(),
        "valgrind is missing, which counts instructions; install it, for instance with \
         `apt-get install valgrind`"
    );
    let program = build("keyward")?;
    let hash = per_request(&program, "sha256")?;
    let beyond_the_hash = |verdict: &str| {
        let instructions = per_request(&program, verdict)?.saturating_sub(hash);
        Ok(Count { verdict: verdict.to_owned(), instructions })
    };
    let mut counts = VERDICTS.into_iter().map(beyond_the_hash).collect::<Result<Vec<_>>>()?;
    let program = build("keyward-doors")?;
    let guarded = per_request(&program, "guarded")?;
    for door in DOORS {
        let instructions = per_request(&program, door)?.saturating_sub(guarded);
        counts.push(Count { verdict: format!("door_{door}"), instructions });
    }
    Ok(counts)
}

/// Builds the bench of a crate and returns its path, as Cargo reports it in JSON.
fn build(package: &str) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--locked", "--package", package, "--bench", "instructions"])
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    let messages = String::from_utf8(output.stdout).context("cargo prints text")?;
    let path = |line: &str| {
        let (_, path) = line.split_once(r#""executable":""#)?;
        path.split_once('"').map(|(path, _)| path.to_owned())
    };
    messages.lines().find_map(path).context("the bench `instructions` was not built")
}

fn per_request(program: &str, what: &str) -> Result<u64> {
    let short = collected(program, what, WARM_UP)?;
    let long = collected(program, what, WARM_UP + MEASURED)?;
    Ok((long - short) / MEASURED)
}

/// Instructions of one run of the bench, start included.
fn collected(program: &str, what: &str, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program, what])
        .arg(times.to_string())
        .output()
        .context("valgrind does not start")?;
    let report = String::from_utf8_lossy(&output.stderr);
    let line = report.lines().find_map(|line| line.split_once("Collected :"));
    match line.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => bail!("the instructions were not counted:\n{report}"),
    }
}

/// Writes the counts down, for later runs to be compared with.
pub(crate) fn record(counts: &[Count]) -> Result<()> {
    let mut text =
        "# Instructions of one verdict, hash aside; of a door, beyond those of a guarded route of\n\
                    # an app. Written by `cargo xtask bench --record`;\n\
                    # `cargo xtask bench` fails when one of them grows by more than 5 %.\n"
            .to_owned();
    for Count { verdict, instructions } in counts {
        writeln!(text, "{verdict} = {instructions}")
            .expect("a string takes all that is written to it");
    }
    fs::create_dir_all("docs").context("docs/ cannot be made")?;
    fs::write(RECORD, text).with_context(|| format!("{RECORD} cannot be written"))
}

/// Fails if a count grew too much.
pub(crate) fn compare(counts: &[Count]) -> Result<()> {
    let text = fs::read_to_string(RECORD).with_context(|| {
        format!("{RECORD} cannot be read; `cargo xtask bench --record` writes it")
    })?;
    let grown = grown(&read(&text), counts);
    ensure!(grown.is_empty(), "a verdict takes more than recorded: {}", grown.join(", "));
    Ok(())
}

fn read(text: &str) -> Vec<Count> {
    let count = |line: &str| {
        let (verdict, instructions) = line.split_once(" = ")?;
        Some(Count { verdict: verdict.to_owned(), instructions: instructions.parse().ok()? })
    };
    text.lines().filter_map(count).collect()
}

/// Growth, as sentences. A verdict that was never recorded counts as grown from nothing.
fn grown(recorded: &[Count], counts: &[Count]) -> Vec<String> {
    let mut grown = Vec::new();
    for Count { verdict, instructions } in counts {
        let before = recorded.iter().find(|count| count.verdict == *verdict);
        let before = before.map_or(0, |count| count.instructions);
        if before * (100 + GROWTH_MAX_PERCENT) < instructions * 100 {
            grown.push(format!("{verdict} grew from {before} to {instructions}"));
        }
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_percent_is_the_most_that_a_count_may_grow() {
        let recorded = read("# a comment\nallowed = 1000\n");
        let check = |instructions, fits| {
            let counts = [Count { verdict: "allowed".to_owned(), instructions }];
            assert_eq!(grown(&recorded, &counts).is_empty(), fits, "{instructions}");
        };
        check(900, true);
        check(1_050, true);
        check(1_051, false);
    }

    #[test]
    fn what_was_never_recorded_does_not_pass() {
        let counts = [Count { verdict: "allowed".to_owned(), instructions: 1 }];
        assert_eq!(grown(&[], &counts), ["allowed grew from 0 to 1"]);
    }
}
