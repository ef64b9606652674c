//! The command line of `cargo xtask torture`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::faults::Fault;

/// How long a run takes unless told, in minutes.
const MINUTES: f64 = 10.0;

/// The options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    /// `None` is a new one.
    pub(crate) seed: Option<u64>,
    /// `None` is all of them.
    pub(crate) faults: Option<Vec<Fault>>,
    /// A program to run in place of the one that is built for tests.
    pub(crate) program: Option<PathBuf>,
    /// A history that is checked in place of a run.
    pub(crate) history: Option<PathBuf>,
    /// Whether the files of the run stay if it finds nothing.
    pub(crate) keep: bool,
}

impl Options {
    /// Reads the words after `torture`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let time = minutes(MINUTES)?;
        let mut options =
            Self { time, seed: None, faults: None, program: None, history: None, keep: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match *word {
                "--minutes" => options.time = minutes(value()?.parse().context("`--minutes`")?)?,
                "--seed" => options.seed = Some(value()?.parse().context("`--seed` is a number")?),
                "--faults" => options.faults = Some(faults(value()?)?),
                "--program" => options.program = Some(value()?.into()),
                "--history" => options.history = Some(value()?.into()),
                "--keep" => options.keep = true,
                unknown => bail!("there is no option `{unknown}`; see `cargo xtask help`"),
            }
        }
        Ok(options)
    }
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
        assert_eq!(error, "there is no fault `kil`; there are pause, kill, restart");
    }

    #[test]
    fn an_option_without_its_value_is_rejected() {
        assert_eq!(Options::parse(&["--seed"]).unwrap_err().to_string(), "`--seed` needs a value");
        assert_eq!(Options::parse(&["--seed", "7"]).unwrap().seed, Some(7));
    }
}
