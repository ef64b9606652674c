//! The command line of `cargo xtask torture`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::checker::{Buckets, Rules};
use super::faults::Fault;

/// How long a run takes unless told, in minutes.
const MINUTES: f64 = 10.0;
/// How long a node may decide after it last heard from the store: as short as may be.
const LEASE: Duration = Duration::from_secs(2);
/// The nodes that mutants have.
const NODES_OF_MUTANTS: usize = 3;

/// The options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    /// `None` is a new one.
    pub(crate) seed: Option<u64>,
    /// `None` is all of them.
    pub(crate) faults: Option<Vec<Fault>>,
    /// How many nodes: one on SQLite, or several on PostgreSQL.
    pub(crate) nodes: usize,
    /// Whether one node is on PostgreSQL as well.
    pub(crate) postgres: bool,
    /// How long a node on a PostgreSQL may decide after it last heard from it.
    pub(crate) lease: Duration,
    /// Whether programs are tortured that leave a rule out, each until it is caught.
    pub(crate) mutants: bool,
    /// The one of these that is.
    pub(crate) mutant: Option<String>,
    /// A program to run in place of the one that is built for tests.
    pub(crate) program: Option<PathBuf>,
    /// An older version of it, which it takes the place of, and which takes its place again.
    pub(crate) other: Option<PathBuf>,
    /// A history that is checked in place of a run.
    pub(crate) history: Option<PathBuf>,
    /// Whether the files of the run stay if it finds nothing.
    pub(crate) keep: bool,
}

impl Options {
    /// Reads the words after `torture`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let (time, lease) = (minutes(MINUTES)?, LEASE);
        let mut options = Self { time, lease, nodes: 1, ..Self::default() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match *word {
                "--minutes" => options.time = minutes(value()?.parse().context("`--minutes`")?)?,
                "--seed" => options.seed = Some(value()?.parse().context("`--seed` is a number")?),
                "--faults" => options.faults = Some(faults(value()?)?),
                "--nodes" => options.nodes = nodes(value()?)?,
                "--postgres" => options.postgres = true,
                "--mutants" => options.mutants = true,
                "--mutant" => options.mutant = Some((*value()?).to_owned()),
                "--program" => options.program = Some(value()?.into()),
                "--other" => options.other = Some(fs::canonicalize(value()?).context("`--other`")?),
                "--history" => options.history = Some(value()?.into()),
                "--keep" => options.keep = true,
                unknown => bail!("there is no option `{unknown}`; see `cargo xtask help`"),
            }
        }
        options.mutants |= options.mutant.is_some();
        if options.mutants {
            options.nodes = options.nodes.max(NODES_OF_MUTANTS);
        }
        let off = options.faults().into_iter().find(|fault| !options.is_possible(*fault));
        if let Some(fault) = off {
            bail!("the fault `{}` needs `--postgres`", fault.name());
        }
        Ok(options)
    }

    /// Whether the store is a PostgreSQL.
    pub(crate) fn is_on_postgres(&self) -> bool {
        self.postgres || 1 < self.nodes
    }

    /// The faults that were asked for, or all that are possible.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let all = || Fault::ALL.into_iter().filter(|it| self.is_possible(*it)).collect();
        self.faults.clone().unwrap_or_else(all)
    }

    fn is_possible(&self, fault: Fault) -> bool {
        self.is_on_postgres() || fault.is_of_node()
    }

    /// What the nodes promise.
    pub(crate) fn rules(&self) -> Rules {
        let within = if self.is_on_postgres() { self.lease * 3 } else { Duration::ZERO };
        let everywhere_within = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        // Nodes of a cluster share limits; one process has them to itself, and begins anew.
        let is_shared = self.is_on_postgres() && 1 < self.nodes;
        let buckets = if is_shared { Buckets::OfAll } else { Buckets::OfEachProcess };
        Rules { buckets, everywhere_within }
    }
}

fn nodes(number: &str) -> Result<usize> {
    let number = number.parse().ok().filter(|number| (1..=9).contains(number));
    number.context("`--nodes` is a number from 1 to 9")
}

fn minutes(minutes: f64) -> Result<Duration> {
    ensure!((0.0..=10_000.0).contains(&minutes), "`--minutes` is a number up to 10000");
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

fn faults(names: &str) -> Result<Vec<Fault>> {
    let find = |name: &str| {
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let known: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        fault.with_context(|| format!("there is no fault `{name}`; there are {}", known.join(", ")))
    };
    names.split(',').filter(|name| *name != "none").map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        assert_eq!(faults("kill,pause").unwrap(), [Fault::Kill, Fault::Pause]);
        assert_eq!(faults("none").unwrap(), []);
        let error = faults("kil").unwrap_err().to_string();
        assert!(error.starts_with("there is no fault `kil`; there are pause, kill, "), "{error}");
        let error = Options::parse(&["--faults", "crash"]).unwrap_err().to_string();
        assert_eq!(error, "the fault `crash` needs `--postgres`");
    }

    #[test]
    fn an_option_without_its_value_is_rejected() {
        assert_eq!(Options::parse(&["--seed"]).unwrap_err().to_string(), "`--seed` needs a value");
        assert_eq!(Options::parse(&["--seed", "7"]).unwrap().seed, Some(7));
    }
}
