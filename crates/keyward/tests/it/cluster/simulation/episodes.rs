//! One thing after the other that goes wrong, while everything else goes on without a delay: what
//! chance alone seldom brings together.

use std::time::Duration;

use keyward::memory::{Leg, Letter};

use super::PROCESSES;
use crate::cluster::world::{LEASE, World};

const EPISODES: usize = 12;
/// Rounds in which a message goes to the database and back, and its process goes on.
const ROUNDS: usize = 12;

/// The part that is held back in an episode.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// A process is paused.
    Process,
    /// All of its messages are on their way.
    Letters,
    /// One kind of them is.
    Kind(&'static str, Leg),
}

pub(super) fn run(world: &mut World) -> Result<(), String> {
    go_on(world, |_| true)?;
    (0..EPISODES).try_for_each(|_| episode(world))
}

fn episode(world: &mut World) -> Result<(), String> {
    let victim = world.any_process();
    let kind = world.chance.below(8);
    // The replica lacks the registration of a process that starts after this.
    if kind < 4 {
        world.cluster.replicate();
    }
    let is_unknown = kind == 3;
    if is_unknown || kind == 4 {
        world.kill(victim);
    }
    if world.chance.one_in(2) {
        let at = world.any_process();
        world.begin_change(at);
    }
    // It may be held back at each message of its start, and of taking a change in.
    let is_up = is_unknown && world.chance.one_in(2);
    let begun = if is_up { ROUNDS } else { world.chance.below(ROUNDS) };
    (0..begun).for_each(|_| go_once(world, |_| true));
    for phase in 0..=world.chance.below(2) {
        let held = any_held(world);
        let may_fail = if is_unknown { 2 } else { 6 };
        let fails_over = phase == 0 && world.chance.one_in(may_fail);
        hold(world, victim, held, fails_over)?;
    }
    world.set_paused(victim, false);
    world.decide_a_request(victim)?;
    go_on(world, |_| true)
}

/// Holds this back for a while.
fn hold(world: &mut World, victim: usize, held: Held, fails_over: bool) -> Result<(), String> {
    let arrives = |letter: &Letter| {
        letter.process != victim
            || match held {
                Held::Process | Held::Letters => false,
                Held::Kind(what, leg) => letter.what != what || letter.leg != leg,
            }
    };
    world.set_paused(victim, matches!(held, Held::Process));
    if fails_over {
        world.fail_over();
    }
    let spans = [Duration::ZERO, LEASE / 500, LEASE / 20, LEASE / 5];
    let span = spans[world.chance.below(spans.len())];
    for _ in 0..=world.chance.below(8) {
        for _ in 0..world.chance.below(3) {
            let at = world.any_process();
            world.begin_change(at);
        }
        let at = world.asked_process();
        world.begin_request(at);
        go_on(world, arrives)?;
        world.decide_a_request(victim)?;
        world.pass(span);
        world.ask_all();
    }
    world.check()
}

fn any_held(world: &mut World) -> Held {
    let what = ["renew", "renew", "feed", "register", "snapshot", "commit"];
    match world.chance.below(8) {
        0 => Held::Process,
        1 | 2 => Held::Letters,
        3..6 => Held::Kind(what[world.chance.below(what.len())], Leg::Reply),
        _ => Held::Kind(what[world.chance.below(what.len())], Leg::Request),
    }
}

/// Everything that may arrive does, and each process goes on.
fn go_on(world: &mut World, arrives: impl Fn(&Letter) -> bool) -> Result<(), String> {
    for _ in 0..ROUNDS {
        go_once(world, &arrives);
    }
    world.check()
}

fn go_once(world: &mut World, arrives: impl Fn(&Letter) -> bool) {
    (0..PROCESSES).for_each(|at| world.poll(at));
    world.move_letters(arrives);
}
