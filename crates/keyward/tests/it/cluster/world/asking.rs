//! Requests, and whether their verdicts are right.

use keyward::Asked;
use keyward::time::Now;

use super::World;

/// A request that arrived and is not decided yet.
pub(super) struct Asking {
    key: usize,
    now: Now,
    /// The step in which the request arrived.
    begun: u64,
}

impl World {
    /// A request arrives: the clock is read, and nothing more.
    pub(crate) fn begin_request(&mut self, at: usize) {
        self.step += 1;
        let keys = self.history.keys.len();
        let process = &mut self.processes[at];
        if keys == 0 || process.gate.is_none() || process.is_paused {
            return;
        }
        let key = keys - 1 - self.chance.below(keys.min(4));
        process.asking.push(Asking { key, now: process.clock.now(), begun: self.step });
    }

    /// A request that arrived is decided. Returns the fault of the verdict.
    pub(crate) fn decide_a_request(&mut self, at: usize) -> Result<(), String> {
        let process = &mut self.processes[at];
        let Some(gate) = process.gate.as_ref().filter(|_| !process.is_paused) else {
            return Ok(());
        };
        if process.asking.is_empty() {
            return Ok(());
        }
        let Asking { key, now, begun } =
            process.asking.swap_remove(self.chance.below(process.asking.len()));
        let is_allowed = gate.verify(&Asked::of(&self.history.keys[key].secret), now).is_ok();
        if is_allowed {
            self.history
                .check(key, begun, &self.cluster)
                .map_err(|error| format!("{at}: {error}"))?;
        }
        Ok(())
    }

    /// Asks every process about the keys whose ends were acknowledged: a request that begins now is
    /// late enough.
    pub(crate) fn ask_all(&mut self) {
        self.step += 1;
        let keys: Vec<_> = self.history.ended().collect();
        for (at, process) in self.processes.iter().enumerate() {
            let Some(gate) = process.gate.as_ref().filter(|_| !process.is_paused) else { continue };
            for key in &keys {
                let asked = Asked::of(&self.history.keys[*key].secret);
                if gate.verify(&asked, process.clock.now()).is_ok()
                    && let Err(fault) = self.history.check(*key, self.step, &self.cluster)
                {
                    self.fault.get_or_insert(format!("{at}, at once: {fault}"));
                }
            }
        }
    }
    /// The first wrong verdict so far.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.fault.take().map_or(Ok(()), Err)
    }
}
