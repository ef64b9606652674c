//! Runs of a whole cluster from a seed, with and without each of its rules.

use keyward::mutant::{self, Mutant};

use super::world::{LEASE, World};

const PROCESSES: usize = 3;
/// Steps of a run before everything is mended.
const STEPS: usize = 600;
/// Runs that have to be without a fault, unless `SIMULATED_RUNS` says how many.
const RUNS: u64 = 100;
/// Runs in one of which a rule that is left out has to be noticed.
const MUTANT_RUNS: u64 = 200;

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

/// One run: chance, and then a time in which nothing fails, at whose end all agree.
fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed, PROCESSES);
    for _ in 0..STEPS {
        step(&mut world)?;
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
        world.pass(LEASE / 20);
    }
    for _ in 0..20 {
        (0..PROCESSES).for_each(|at| world.poll(at));
        world.move_all_letters();
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

#[test]
fn nothing_is_let_in_after_its_end_was_acknowledged() {
    let runs = std::env::var("SIMULATED_RUNS").ok().map(|runs| runs.parse().unwrap());
    assert_eq!(first_fault(0..runs.unwrap_or(RUNS)), None);
}

#[test]
fn each_rule_that_is_left_out_is_noticed() {
    for mutant in [Mutant::EndlessLease, Mutant::LocalApply, Mutant::NoChainCheck] {
        let fault = mutant::with(Some(mutant), || first_fault(0..MUTANT_RUNS));
        assert!(fault.is_some(), "{mutant:?}");
    }
}
