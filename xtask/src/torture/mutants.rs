//! `cargo xtask torture --mutants`: programs that leave one rule out have to be caught.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::checker;
use super::faults::Fault;
use super::node::Programs;
use super::options::Options;
use super::summary::Summary;
use super::{End, new_seed, run_once};

/// Names the rule that a node leaves out. A program of a release knows no such variable.
pub(crate) const VARIABLE: &str = "MUTANT_OF_KEYWARD";
/// How often a mutant is tried, with another seed each time, and for how long.
const TRIES: usize = 5;
const TRY: Duration = Duration::from_secs(40);

/// A rule that is left out, and what shows it.
#[derive(Clone, Copy, Debug)]
struct Mutant {
    name: &'static str,
    shown: Shown,
}

#[derive(Clone, Copy, Debug)]
enum Shown {
    /// The torture, with these faults and a lease of so many seconds.
    Torture(&'static [Fault], u64),
    /// A test of the simulation: the rule is one of the store, or of a process that does not serve
    /// yet, or it takes a course of events that chance hardly brings about here.
    Simulation(&'static str),
}

use Shown::{Simulation, Torture};

const MUTANTS: [Mutant; 15] = [
    Mutant { name: "EndlessLease", shown: Torture(&[Fault::Drop, Fault::Silence], 2) },
    Mutant {
        name: "LeaseFromLoading",
        shown: Simulation("scripts::a_lease_from_loading_is_noticed"),
    },
    Mutant {
        name: "LeaseFromReply",
        shown: Simulation("simulation::a_lease_from_the_reply_is_noticed"),
    },
    Mutant { name: "AckBeforeApplying", shown: Torture(&[Fault::Delay], 2) },
    Mutant { name: "EarlyRepeat", shown: Torture(&[Fault::Silence], 4) },
    Mutant { name: "OnePhase", shown: Torture(&[Fault::Silence], 4) },
    Mutant { name: "EarlyRemoval", shown: Torture(&[Fault::Silence], 4) },
    Mutant { name: "NoQuarantine", shown: Torture(&[Fault::Strand], 6) },
    Mutant { name: "EarlyConfirm", shown: Torture(&[Fault::Strand], 6) },
    Mutant {
        name: "LocalApply",
        shown: Simulation("simulation::a_second_writer_of_the_index_is_noticed"),
    },
    Mutant {
        name: "NoChainCheck",
        shown: Simulation("simulation::a_chain_that_is_not_checked_is_noticed"),
    },
    Mutant {
        name: "SharedId",
        shown: Simulation("simulation::a_registration_that_is_taken_over_is_noticed"),
    },
    Mutant { name: "OwnAckAlone", shown: Torture(&[Fault::Delay], 2) },
    Mutant {
        name: "NoCheckAtCommit",
        shown: Simulation("scripts::a_change_of_a_trail_that_lacks_what_its_node_knows_is_noticed"),
    },
    Mutant {
        name: "SameIdsAfterPromotion",
        shown: Simulation("scripts::ids_that_a_promoted_server_gives_again_are_noticed"),
    },
];

/// Tortures each until it is caught, or the one that is asked for.
pub(crate) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let is_asked_for = |it: &Mutant| options.mutant.as_ref().is_none_or(|name| name == it.name);
    let asked_for: Vec<_> = MUTANTS.into_iter().filter(is_asked_for).collect();
    ensure!(!asked_for.is_empty(), "no mutant has this name");
    let (mut table, mut missed) = (String::new(), Vec::new());
    for Mutant { name, shown } in asked_for {
        let caught = match shown {
            Torture(faults, lease) => torture(options, programs, (name, faults, lease))?,
            Simulation(test) => simulate(test)?.then(|| format!("in the simulation: {test}")),
        };
        let told = caught.as_deref().unwrap_or("NOT CAUGHT");
        table.push_str(&format!("{name:22} {told}\n"));
        if caught.is_none() {
            missed.push(name);
        }
    }
    println!("\n{table}");
    ensure!(missed.is_empty(), "not caught: {}", missed.join(", "));
    Ok(())
}

/// What it was caught by.
fn torture(
    options: &Options,
    programs: &Programs,
    (name, faults, lease): (&str, &[Fault], u64),
) -> Result<Option<String>> {
    let options = Options {
        faults: Some(faults.to_vec()),
        lease: Duration::from_secs(lease),
        time: TRY,
        ..options.clone()
    };
    for _ in 0..TRIES {
        let seed = options.seed.map_or_else(new_seed, Ok)?;
        println!("\n{name} with seed {seed}");
        let End { history, found, folder, time } = run_once(&options, programs, seed, Some(name))?;
        println!("{}", Summary::of(&history, &found, options.lease));
        fs::remove_dir_all(&folder).context("removing the files of the run")?;
        // Others would be no sign of this rule.
        if checker::is_caught(&history, &options.rules()) {
            let kinds: BTreeSet<_> = found.iter().map(|it| it.fault.to_string()).collect();
            let kinds = Vec::from_iter(kinds).join(", ");
            let seconds = time.as_secs_f64();
            return Ok(Some(format!("after {seconds:4.1} s: {kinds}; seed {seed}")));
        }
    }
    Ok(None)
}

/// Whether the test that a rule is noticed passes.
fn simulate(test: &str) -> Result<bool> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--quiet", "--locked", "--package", "keyward", "--all-features"]);
    command.args(["--test", "it", "--", "--exact", &format!("cluster::{test}")]);
    let output = command.output().context("`cargo` does not start")?;
    // A test of another name is none, and passes.
    let told = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && told.contains("1 passed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_that_can_be_left_out_is_shown() {
        let source = include_str!("../../../crates/keyward/src/mutant.rs");
        let (_, all) = source.split_once("pub const ALL").unwrap();
        let (all, _) = all.split_once("];").unwrap();
        let rules: BTreeSet<_> = all.split("Self::").skip(1).map(|it| it.split_once(',')).collect();
        let rules: BTreeSet<_> = rules.into_iter().map(|it| it.unwrap().0).collect();
        let shown: BTreeSet<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        assert_eq!(rules, shown);
    }

    #[test]
    fn each_test_that_shows_one_is_there() {
        let simulation = include_str!("../../../crates/keyward/tests/it/cluster/simulation.rs");
        let scripts = include_str!("../../../crates/keyward/tests/it/cluster/scripts.rs");
        for Mutant { name, shown } in MUTANTS {
            if let Simulation(test) = shown {
                let (module, test) = test.split_once("::").unwrap();
                let (source, is_named) = match module {
                    "simulation" => (simulation, format!("{test}: {name}")),
                    _ => (scripts, format!("fn {test}()")),
                };
                assert!(source.contains(&is_named), "{name}");
            }
        }
    }
}
