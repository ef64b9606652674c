//! `cargo xtask torture --mutants`: programs that leave one rule out have to be caught.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::faults::Fault;
use super::options::Options;
use super::summary::Summary;
use super::{End, new_seed, run_once};

/// Names the rule that a node leaves out. A program of a release knows no such variable.
pub(crate) const VARIABLE: &str = "MUTANT_OF_KEYWARD";
/// How often a mutant is tried, with another seed each time.
const TRIES: usize = 3;

/// A rule that is left out, and the faults that show it.
#[derive(Clone, Copy, Debug)]
struct Mutant {
    name: &'static str,
    faults: &'static [Fault],
}

const MUTANTS: [Mutant; 6] = [
    Mutant { name: "OwnAckAlone", faults: &[] },
    Mutant { name: "AckBeforeApplying", faults: &[] },
    Mutant { name: "EndlessLease", faults: &[Fault::Drop, Fault::Silence] },
    Mutant { name: "LeaseFromReply", faults: &[Fault::Delay, Fault::Pause] },
    Mutant { name: "EarlyRemoval", faults: &[Fault::Silence, Fault::Pause] },
    Mutant { name: "NoChainCheck", faults: &[Fault::Promote] },
];

/// Tortures each until it is caught.
pub(crate) fn run(options: &Options, program: &Path) -> Result<()> {
    let mut missed = Vec::new();
    for mutant in MUTANTS {
        if !is_caught(options, program, mutant)? {
            missed.push(mutant.name);
        }
    }
    ensure!(missed.is_empty(), "not caught: {}", missed.join(", "));
    Ok(())
}

fn is_caught(options: &Options, program: &Path, mutant: Mutant) -> Result<bool> {
    let options = Options { faults: Some(mutant.faults.to_vec()), ..options.clone() };
    for _ in 0..TRIES {
        let seed = new_seed()?;
        println!("\n{} with seed {seed}", mutant.name);
        let End { history, found, folder } = run_once(&options, program, seed, Some(mutant.name))?;
        println!("{}", Summary::of(&history, &found));
        fs::remove_dir_all(&folder)?;
        if !found.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
