//! Never over a limit: which accepted requests took from which bucket, while its terms held.

use std::collections::HashMap;

use super::facts::Facts;
use super::limits::{self, Accept};
use super::register::Register;
use super::{Buckets, Fault, Rules, Violation};
use crate::torture::history::{Operation, Terms, What, Word};

/// A bucket while its terms held: nothing changed them from its first request to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Span {
    of: Of,
    /// The number of the change that set the terms.
    terms_since: usize,
    terms: Terms,
    /// The process that kept the bucket, if each keeps its own.
    process: Option<(usize, u32)>,
    /// How many losses the store had before, if it keeps the bucket as it keeps the keys. What a
    /// standby lacked may be used once more.
    losses: usize,
}

/// Limits that take longer to fill are kept so, in seconds; a promotion empties the others.
const KEPT_ABOVE: u64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    Key(u64),
    Owner(u64),
}

/// Finds, for each bucket, the first window with more than its limit allows.
pub(crate) fn violations(history: &[Operation], facts: &Facts, rules: &Rules) -> Vec<Violation> {
    let spans = spans(history, facts, rules);
    let over = spans.iter().filter_map(|(span, accepts)| {
        let excess = limits::excess(accepts, span.terms)?;
        let within = accepts.iter().filter(|it| excess.from <= it.begin && it.end <= excess.to);
        Some(Violation { fault: Fault::OverLimit, lines: within.map(|it| it.line).collect() })
    });
    let mut over: Vec<_> = over.collect();
    over.sort_unstable_by(|a, b| a.lines.cmp(&b.lines));
    over
}

fn spans(history: &[Operation], facts: &Facts, rules: &Rules) -> HashMap<Span, Vec<Accept>> {
    let mut spans: HashMap<Span, Vec<Accept>> = HashMap::new();
    for (line, operation) in (1..).zip(history) {
        let What::Verify(ask) = &operation.what else { continue };
        let (true, Some(key)) = (ask.verdict == Word::Allowed, facts.keys.get(&ask.key)) else {
            continue;
        };
        let Operation { begin, end, node, start, .. } = *operation;
        let accept = Accept { begin, end, cost: ask.cost, line };
        let process = match rules.buckets {
            Buckets::OfEachProcess => Some((node, start)),
            Buckets::OfAll => None,
        };
        let mut add = |of: Of, register: Option<&Register<Option<Terms>>>| {
            let stable = register.and_then(|register| register.stable(begin, end));
            if let Some((terms_since, Some(terms))) = stable {
                let Terms { amount, per, burst } = terms;
                let is_kept = KEPT_ABOVE * u64::from(amount) < u64::from(burst) * u64::from(per);
                let losses = if is_kept { facts.losses_before(begin, end) } else { Some(0) };
                let Some(losses) = losses else { return };
                let span = Span { of, terms_since, terms, process, losses };
                spans.entry(span).or_default().push(accept);
            }
        };
        add(Of::Key(ask.key), facts.terms(key));
        add(Of::Owner(key.owner), facts.owners.get(&key.owner).map(|owner| &owner.terms));
    }
    spans
}
