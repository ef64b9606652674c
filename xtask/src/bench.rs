//! `cargo xtask bench`: figures that can be measured again.

mod figures;
mod instructions;
mod machine;
mod rows;

use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::ports::Ports;
use crate::torture::server::{self, Server};
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

/// Several nodes, alone of what the last one of these measures.
const CLUSTER: Bench = Bench { package: "keyward-server", name: "http", quick: &["small-cluster"] };
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
    record: bool,
    part: Part,
}

/// The figures that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    All,
    Instructions,
    Cluster,
}

impl Options {
    /// Reads the words after `bench`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            match *word {
                "--quick" => options.quick = true,
                "--instructions" => options.part = Part::Instructions,
                "--cluster" => options.part = Part::Cluster,
                "--record" => options.record = true,
                unknown => bail!("there is no option `{unknown}`; see `cargo xtask help`"),
            }
        }
        let is_part = options.quick || options.part == Part::Cluster;
        ensure!(!(is_part && options.record), "recorded figures are measured in full");
        Ok(options)
    }
}

/// Measures, prints one table, and fails if a verdict takes more instructions than recorded.
pub(crate) fn run(options: Options) -> Result<()> {
    if options.part == Part::Cluster {
        let arguments: &[_] = if options.quick { CLUSTER.quick } else { &["cluster"] };
        println!("{}", figures::table(&measure(&CLUSTER, arguments)?));
        return Ok(());
    }
    let mut figures = Vec::new();
    for bench in BENCHES.iter().filter(|_| options.part == Part::All) {
        figures.extend(measure(bench, if options.quick { bench.quick } else { &[] })?);
    }
    let counts = instructions::count()?;
    figures.extend(counts.iter().map(instructions::Count::figure));
    let table = figures::table(&figures);
    println!("{table}");
    if !options.record {
        return instructions::compare(&counts);
    }
    instructions::record(&counts)?;
    if options.part == Part::Instructions {
        return Ok(());
    }
    let text = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench --record`. {}\n\n{table}",
        machine::description()?
    );
    fs::write(RECORD, text).with_context(|| format!("{RECORD} cannot be written"))
}

/// Runs a bench, next to a PostgreSQL that it may fill.
fn measure(bench: &Bench, arguments: &[&str]) -> Result<Vec<Figure>> {
    let Bench { package, name, quick: _ } = bench;
    let mut command = Command::new(env!("CARGO"));
    command.args(["bench", "--locked", "--package", package, "--bench", name, "--"]);
    let store = Store::start()?;
    command.args(arguments).env("DATABASE_URL", server::url(store.server.port));
    let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    ensure!(output.status.success(), "the bench `{name}` of {package} failed");
    let lines = String::from_utf8(output.stdout).context("a bench prints text")?;
    lines.lines().map(Figure::parse).collect()
}

/// A server that keeps what it acknowledges, and its files until it is dropped.
struct Store {
    server: Server,
    folder: PathBuf,
}

impl Store {
    fn start() -> Result<Self> {
        // Every user may pass this directory: PostgreSQL does not run as root.
        let folder = env::temp_dir().join(format!("keyward-bench-{}", process::id()));
        fs::create_dir(&folder).context("making a directory for PostgreSQL")?;
        Ok(Self { server: Server::start(&folder, &Ports::new())?, folder })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A file that stays lies where the system removes it.
        drop(self.server.crash());
        drop(fs::remove_dir_all(&self.folder));
    }
}
