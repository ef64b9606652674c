//! `cargo xtask bench`: figures that can be measured again.

mod figures;
mod instructions;
mod machine;

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use figures::Figure;

/// Where `--record` puts the table.
const RECORD: &str = "docs/benchmarks.md";

/// A program that prints figures, one a line, as `name value unit`.
struct Bench {
    package: &'static str,
    name: &'static str,
    /// The arguments that make it quick.
    quick: &'static [&'static str],
}

const BENCHES: [Bench; 4] = [
    Bench { package: "keyward", name: "decision", quick: &["100000"] },
    Bench { package: "keyward", name: "scan", quick: &[] },
    Bench { package: "keyward-sqlite", name: "store", quick: &["100000"] },
    Bench { package: "keyward-server", name: "http", quick: &["guard"] },
];

/// The options of the command line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    quick: bool,
    instructions: bool,
    record: bool,
}

impl Options {
    /// Reads the words after `bench`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            match *word {
                "--quick" => options.quick = true,
                "--instructions" => options.instructions = true,
                "--record" => options.record = true,
                unknown => bail!("there is no option `{unknown}`; see `cargo xtask help`"),
            }
        }
        ensure!(!(options.quick && options.record), "recorded figures are measured in full");
        Ok(options)
    }
}

/// Measures, prints one table, and fails if a verdict takes more instructions than recorded.
pub(crate) fn run(options: Options) -> Result<()> {
    let mut figures = Vec::new();
    for bench in BENCHES.iter().filter(|_| !options.instructions) {
        figures.extend(measure(bench, options)?);
    }
    let counts = instructions::count()?;
    figures.extend(counts.iter().map(instructions::Count::figure));
    let table = figures::table(&figures);
    println!("{table}");
    if !options.record {
        return instructions::compare(&counts);
    }
    instructions::record(&counts)?;
    if options.instructions {
        return Ok(());
    }
    let text = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench --record`. {}\n\n{table}",
        machine::description()?
    );
    fs::write(RECORD, text).with_context(|| format!("{RECORD} cannot be written"))
}

fn measure(bench: &Bench, options: Options) -> Result<Vec<Figure>> {
    let Bench { package, name, quick } = bench;
    let mut command = Command::new(env!("CARGO"));
    command.args(["bench", "--locked", "--package", package, "--bench", name, "--"]);
    if options.quick {
        command.args(*quick);
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    ensure!(output.status.success(), "the bench `{name}` of {package} failed");
    let lines = String::from_utf8(output.stdout).context("a bench prints text")?;
    lines.lines().map(Figure::parse).collect()
}
