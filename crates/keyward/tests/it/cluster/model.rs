//! The rules of a cluster as a machine of states, searched to the end.
//!
//! Two nodes, a database with a replica that lags as far as it likes, one failover. Time passes in
//! ticks, of which a lease has one; a node may pause for any number of them. Messages are lost, and
//! replies of a former primary arrive after its end. Only what the rules are about is here: a
//! node's knowledge is the trail up to where it has applied it.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

mod machine;

use machine::{Broken, Machine, State};

/// The result of a search.
#[derive(Debug)]
struct Searched {
    states: usize,
    /// The steps to the first state in which a verdict is wrong.
    violation: Option<Vec<&'static str>>,
}

/// Visits every state, nearest first.
fn search(machine: &Machine) -> Searched {
    let start = State::default();
    let mut seen: HashSet<State, BuildHasherDefault<Mix>> = HashSet::default();
    seen.insert(start);
    let mut next = VecDeque::from([(start, 0)]);
    // How each state was reached: from which one, and by which step.
    let mut order = vec![(0, "start")];
    while let Some((state, at)) = next.pop_front() {
        if state.is_wrong() {
            return Searched { states: order.len(), violation: Some(steps_to(&order, at)) };
        }
        machine.each_next(state, |step, state| {
            let state = state.in_order();
            if seen.insert(state) {
                next.push_back((state, order.len()));
                order.push((at, step));
            }
        });
    }
    Searched { states: order.len(), violation: None }
}

fn steps_to(order: &[(usize, &'static str)], mut at: usize) -> Vec<&'static str> {
    let mut steps = Vec::new();
    while at != 0 {
        let (from, step) = order[at];
        steps.push(step);
        at = from;
    }
    steps.reverse();
    steps
}

/// Mixes what it is given into one word (the hash of Firefox and rustc): the states are ours, so no
/// attacker chooses them.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    // The parts of a state are numbers and the places of variants, never bytes in a row.
    fn write_u8(&mut self, part: u8) {
        self.write_u64(u64::from(part));
    }

    fn write_usize(&mut self, part: usize) {
        self.write_u64(part as u64);
    }

    fn write_isize(&mut self, part: isize) {
        self.write_u64(part.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

#[test]
fn no_verdict_is_wrong_in_any_state_with_one_change_and_one_failover() {
    let searched = search(&Machine { changes: 1, crashes: 0, failovers: 1, broken: None });
    assert_eq!(searched.violation, None);
    assert!(500_000 < searched.states, "{} states", searched.states);
}

#[test]
fn no_verdict_is_wrong_in_any_state_with_one_change_and_one_process_that_dies() {
    let searched = search(&Machine { changes: 1, crashes: 1, failovers: 0, broken: None });
    assert_eq!(searched.violation, None);
    assert!(10_000 < searched.states, "{} states", searched.states);
}

#[test]
fn each_rule_that_is_left_out_makes_a_wrong_verdict() {
    let cases = [
        (Broken::NoQuarantine, 1, 0, 1),
        (Broken::EarlyConfirm, 1, 0, 1),
        (Broken::NoChainCheck, 2, 0, 1),
        (Broken::OnePhase, 1, 0, 0),
        (Broken::SharedId, 1, 1, 0),
        (Broken::LeaseFromLoading, 1, 0, 0),
        (Broken::LeaseFromReply, 1, 0, 0),
    ];
    for (broken, changes, crashes, failovers) in cases {
        let machine = Machine { changes, crashes, failovers, broken: Some(broken) };
        let Searched { states, violation } = search(&machine);
        let steps = violation.unwrap_or_else(|| panic!("{broken:?} holds in {states} states"));
        assert!(steps.len() < 20, "{broken:?}: {steps:?}");
    }
}
