//! What a run came to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::checker::{Fault, Violation};
use super::history::{Effect, Operation, Outcome, What, Word};

/// How many violations of each kind are shown with their lines, and how many lines of each.
const SHOWN_MAX: usize = 4;
const LINES_MAX: usize = 6;

/// The figures of a history, and the violations in it.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    history: &'a [Operation],
    violations: &'a [Violation],
    lease: Duration,
    verdicts: BTreeMap<String, usize>,
    changes: BTreeMap<String, usize>,
    faults: BTreeMap<&'a str, usize>,
    /// How long each acknowledged change took that every later verdict has to know, in nanoseconds.
    finals: Vec<u64>,
}

impl<'a> Summary<'a> {
    pub(crate) fn of(
        history: &'a [Operation],
        violations: &'a [Violation],
        lease: Duration,
    ) -> Self {
        let (verdicts, changes, faults, finals) = Default::default();
        let mut summary = Self { history, violations, lease, verdicts, changes, faults, finals };
        history.iter().for_each(|operation| summary.count(operation));
        summary.finals.sort_unstable();
        summary
    }

    fn count(&mut self, operation: &'a Operation) {
        match &operation.what {
            What::Verify(ask) => {
                *self.verdicts.entry(word(&ask.verdict)).or_default() += 1;
            }
            What::Change(change) => {
                *self.changes.entry(word(&change.outcome)).or_default() += 1;
                let waits = !matches!(change.effect, Effect::Issue { .. });
                if change.outcome == Outcome::Done && waits {
                    self.finals.push(operation.end - operation.begin);
                }
            }
            What::Fault { name } => *self.faults.entry(name).or_default() += 1,
            What::LostTail => {}
        }
    }

    /// How many verdicts there were, the ones that no response came to aside.
    pub(crate) fn verdicts(&self) -> usize {
        let known = self.verdicts.iter().filter(|(name, _)| **name != word(&Word::Lost));
        known.map(|(_, count)| count).sum()
    }

    /// How many of the final responses waited for the clock, as for a node that says nothing.
    fn by_the_clock(&self) -> usize {
        let lease = u64::try_from(self.lease.as_nanos()).unwrap_or(u64::MAX);
        self.finals.iter().filter(|time| lease <= **time).count()
    }

    /// The time within which so many in a thousand of the final responses came, in milliseconds.
    fn quantile(&self, in_thousand: usize) -> f64 {
        let at = (self.finals.len() * in_thousand / 1_000).min(self.finals.len().saturating_sub(1));
        let nanoseconds = self.finals.get(at).copied().unwrap_or_default();
        Duration::from_nanos(nanoseconds).as_secs_f64() * 1_000.0
    }
}

fn word(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

fn counts<K: fmt::Display>(counts: &BTreeMap<K, usize>) -> String {
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "verdicts  {} ({})", self.verdicts(), counts(&self.verdicts))?;
        writeln!(f, "changes   {}", counts(&self.changes))?;
        let (p50, p99, all) = (self.quantile(500), self.quantile(990), self.quantile(1_000));
        let (finals, late) = (self.finals.len(), self.by_the_clock());
        writeln!(f, "final     {finals}: p50 {p50:.1} ms, p99 {p99:.1} ms, max {all:.1} ms")?;
        let lease = self.lease.as_secs();
        writeln!(f, "          {late} of them by the clock: after {lease} s or more")?;
        writeln!(f, "faults    {}", counts(&self.faults))?;
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for violation in self.violations {
            *kinds.entry(violation.fault.to_string()).or_default() += 1;
        }
        writeln!(f, "violated  {}", counts(&kinds))?;
        let mut shown: HashMap<Fault, usize> = HashMap::new();
        for violation in self.violations {
            let shown = shown.entry(violation.fault).or_default();
            *shown += 1;
            if SHOWN_MAX < *shown {
                continue;
            }
            writeln!(f, "\n{}, lines {:?}", violation.fault, violation.lines)?;
            let lines = violation.lines.iter().take(LINES_MAX);
            for operation in lines.filter_map(|line| self.history.get(line.checked_sub(1)?)) {
                writeln!(f, "  {}", serde_json::to_string(operation).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}
