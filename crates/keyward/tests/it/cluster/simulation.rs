//! Runs of a whole cluster from a seed, with and without each of its rules.

mod episodes;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::Command;

use keyward::mutant::{self, Mutant};

use super::world::{LEASE, World};

const PROCESSES: usize = 3;
/// Steps of a run before everything is mended.
const STEPS: usize = 600;
/// Runs that have to be without a fault, unless `SIMULATED_RUNS` says how many.
const RUNS: u64 = 100;
/// Runs in one of which a rule that is left out has to be noticed.
const MUTANT_RUNS: u64 = 300;

/// One step of any kind.
fn step(world: &mut World) -> Result<(), String> {
    let at = world.any_process();
    match world.chance.below(200) {
        0..70 => world.move_a_letter(true),
        70..110 => world.poll(at),
        110..130 => {
            let span = [LEASE / 500, LEASE / 50, LEASE / 5, LEASE];
            let longest = if world.chance.one_in(8) { 4 } else { 3 };
            let span = span[world.chance.below(longest)];
            world.pass(span);
        }
        130..150 => {
            let at = world.asked_process();
            world.begin_request(at);
        }
        150..175 => {
            let at = world.asked_process();
            return world.decide_a_request(at);
        }
        175..184 => world.begin_change(at),
        184..190 => world.move_a_letter(false),
        190..193 => world.set_paused(at, true),
        193..197 => world.set_paused(at, false),
        197 => world.cluster.replicate(),
        198 if world.chance.one_in(4) => world.fail_over(),
        199 if world.chance.one_in(2) => world.kill(at),
        _ => {}
    }
    Ok(())
}

/// One run: chance, or one thing after the other that goes wrong, and then a time in which nothing fails, at whose end all agree.
fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed, PROCESSES);
    if seed.is_multiple_of(2) {
        for _ in 0..STEPS {
            step(&mut world)?;
            world.check()?;
        }
    } else {
        episodes::run(&mut world)?;
    }
    world.resume_all();
    // Four leases, in pieces of a twentieth.
    for _ in 0..80 {
        for at in 0..PROCESSES {
            world.poll(at);
            world.decide_a_request(at)?;
        }
        for _ in 0..8 {
            world.move_all_letters();
        }
        world.check()?;
        world.pass(LEASE / 20);
    }
    for _ in 0..20 {
        (0..PROCESSES).for_each(|at| world.poll(at));
        world.move_all_letters();
        world.check()?;
        if world.is_at_rest() {
            return world.check_losses();
        }
    }
    Err(format!("it comes to no rest\n{}", world.told()))
}

/// The first seed of these whose run has a fault, and the fault.
fn first_fault(seeds: impl IntoIterator<Item = u64>) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| run(seed).err().map(|fault| (seed, fault)))
}

/// A number that the environment gives.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// `SIMULATED_RUNS` says how many runs, and `SIMULATED_SEED` the first of the fresh ones.
#[test]
#[expect(clippy::print_stdout, reason = "a run that failed can be repeated")]
fn nothing_is_let_in_after_its_end_was_acknowledged() {
    let runs = given("SIMULATED_RUNS").unwrap_or(RUNS);
    assert_eq!(first_fault(0..runs), None);
    let by_chance = || RandomState::new().build_hasher().finish() >> 1;
    let fresh = given("SIMULATED_SEED").unwrap_or_else(by_chance);
    println!("SIMULATED_SEED={fresh}");
    assert_eq!(first_fault(fresh..fresh + runs / 4), None, "SIMULATED_SEED={fresh}");
}

/// A rule that is left out has to be noticed in one of the runs.
fn notices(mutant: Mutant) {
    let fault = mutant::with(Some(mutant), || first_fault(0..MUTANT_RUNS));
    assert!(fault.is_some(), "{mutant:?}");
}

macro_rules! each_is_noticed {
    ($($name:ident: $mutant:ident,)*) => {
        /// The ones that these runs notice. The others are noticed by `scripts`.
        pub(super) const NOTICED: &[Mutant] = &[$(Mutant::$mutant),*];

        $(#[test]
        fn $name() {
            notices(Mutant::$mutant);
        })*
    };
}

each_is_noticed! {
    a_lease_without_an_end_is_noticed: EndlessLease,
    a_lease_from_the_reply_is_noticed: LeaseFromReply,
    a_repeat_that_does_not_wait_is_noticed: EarlyRepeat,
    a_removal_without_a_mark_is_noticed: OnePhase,
    a_removal_that_is_early_is_noticed: EarlyRemoval,
    a_second_writer_of_the_index_is_noticed: LocalApply,
    a_chain_that_is_not_checked_is_noticed: NoChainCheck,
    a_registration_that_is_taken_over_is_noticed: SharedId,
    a_change_that_waits_for_its_own_node_alone_is_noticed: OwnAckAlone,
}

/// A whole process leaves a rule out, as the program does in `cargo xtask torture --mutants`.
#[test]
fn the_environment_leaves_a_rule_out() {
    let test = "cluster::simulation::nothing_is_let_in_after_its_end_was_acknowledged";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env("MUTANT_OF_KEYWARD", "OwnAckAlone");
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && told.contains("was let in after"), "{told}");
}
