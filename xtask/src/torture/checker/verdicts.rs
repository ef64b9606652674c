//! Final, and nothing lost: a verdict sees each change that was acknowledged before it began.

use super::facts::{Facts, Key};
use super::register::Register;
use super::{Fault, Violation};
use crate::torture::history::{Ask, Operation, Terms, What, Word};

/// Looks at each verdict once.
pub(crate) fn violations(history: &[Operation], facts: &Facts) -> Vec<Violation> {
    let verdicts = (1..).zip(history).filter_map(|(line, operation)| match &operation.what {
        What::Verify(ask) => Some((line, operation, ask)),
        What::Change(_) | What::Fault { .. } | What::LostTail => None,
    });
    let looked = verdicts.filter_map(|(line, operation, ask)| {
        let key = facts.keys.get(&ask.key)?;
        let look = Look { line, begin: operation.begin, end: operation.end, ask, key, facts };
        look.violation()
    });
    looked.collect()
}

/// A verdict next to the facts.
struct Look<'a> {
    line: usize,
    begin: u64,
    end: u64,
    ask: &'a Ask,
    key: &'a Key,
    facts: &'a Facts,
}

impl Look<'_> {
    fn violation(&self) -> Option<Violation> {
        match self.ask.verdict {
            Word::Allowed => self.accepted().or_else(|| self.limit(true)),
            Word::Limited => self.accepted().or_else(|| self.limit(false)),
            Word::Revoked => self.needs(&self.key.is_revoked, Fault::MadeUpDenial, |it| it),
            Word::Suspended => {
                let owner = self.facts.owners.get(&self.key.owner);
                let is_owner = owner.is_some_and(|it| self.may_be(&it.is_suspended, |it| it));
                let is_key = self.may_be(&self.key.is_suspended, |it| it);
                (!is_owner && !is_key).then(|| self.of(Fault::LostChange, &self.key.is_suspended))
            }
            Word::Replaced => {
                self.needs(&self.key.secret, Fault::LostChange, |it| it != self.ask.secret)
            }
            Word::Unknown => {
                let Key { issued, lost_secrets, .. } = self.key;
                let is_known =
                    issued.is_settled(self.begin) && !lost_secrets.contains(&self.ask.secret);
                is_known.then(|| self.of(Fault::LostChange, issued))
            }
            Word::Other => Some(Violation { fault: Fault::MadeUpDenial, lines: vec![self.line] }),
            Word::Unavailable | Word::Lost => None,
        }
    }

    /// A request that only a limit may deny: its key has to work.
    fn accepted(&self) -> Option<Violation> {
        let key = self.key;
        let owner = self.facts.owners.get(&key.owner).map(|owner| &owner.is_suspended);
        let works = |register| self.needs(register, Fault::Accepted, |it: bool| !it);
        works(&key.is_revoked)
            .or_else(|| works(&key.is_suspended))
            .or_else(|| self.needs(&key.secret, Fault::Accepted, |it| it == self.ask.secret))
            .or_else(|| works(owner?))
    }

    /// The limit that the response shows is one that the key may have.
    fn limit(&self, is_allowed: bool) -> Option<Violation> {
        let register = self.facts.terms(self.key)?;
        let seen = self.ask.amount;
        if seen.is_none() && !is_allowed {
            // A denial by the owner's limit shows no other.
            return None;
        }
        let fits = |terms: Option<Terms>| terms.map(|terms| terms.amount) == seen;
        self.needs(register, Fault::OldLimit, fits)
    }

    fn may_be<V: Copy>(&self, register: &Register<V>, fits: impl Fn(V) -> bool) -> bool {
        register.may_be(self.begin, self.end, fits)
    }

    fn needs<V: Copy>(
        &self,
        register: &Register<V>,
        fault: Fault,
        fits: impl Fn(V) -> bool,
    ) -> Option<Violation> {
        (!self.may_be(register, fits)).then(|| self.of(fault, register))
    }

    /// The violation, with the change that it contradicts.
    fn of<V: Copy>(&self, fault: Fault, register: &Register<V>) -> Violation {
        let change = register.last(self.begin).map(|write| write.line).filter(|line| 0 < *line);
        Violation { fault, lines: change.into_iter().chain([self.line]).collect() }
    }
}
