//! What clients know of keys, owners and tiers, from their changes alone.

use std::collections::{HashMap, HashSet};

use super::Rules;
use super::register::{Register, Write};
use crate::torture::history::{Change, Effect, Operation, Outcome, Subject, Terms, What};

/// The facts about a key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) owner: u64,
    pub(crate) tier: u64,
    pub(crate) issued: Register<()>,
    pub(crate) is_revoked: Register<bool>,
    pub(crate) is_suspended: Register<bool>,
    /// The secret that works.
    pub(crate) secret: Register<u32>,
    /// Secrets that the store may not know, since it lost the rotation.
    pub(crate) lost_secrets: Vec<u32>,
    /// Its own limit, if it has one in place of its tier's.
    pub(crate) own: Option<Register<Option<Terms>>>,
}

/// The facts about an owner.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) is_suspended: Register<bool>,
    pub(crate) terms: Register<Option<Terms>>,
}

impl Default for Owner {
    /// One that no change has named yet.
    fn default() -> Self {
        Self { is_suspended: Register::of(0, 0, false), terms: Register::of(0, 0, None) }
    }
}

/// All facts.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) keys: HashMap<u64, Key>,
    pub(crate) owners: HashMap<u64, Owner>,
    pub(crate) tiers: HashMap<u64, Register<Option<Terms>>>,
    /// Subjects of changes that may have been lost: a later change may find that it is made.
    pub(crate) unsure: HashSet<Subject>,
    /// When acknowledged changes may have been lost.
    lost: Vec<(u64, u64)>,
}

/// No secret has this number: it was issued, and its text came with no response.
const UNSEEN: u32 = u32::MAX;

impl Facts {
    /// Reads the changes of a history.
    pub(crate) fn of(history: &[Operation], rules: &Rules) -> Self {
        let mut facts = Self::default();
        for operation in history {
            match &operation.what {
                What::LostTail => facts.lost.push((operation.begin, operation.end)),
                What::Verify(_) | What::Change(_) | What::Fault { .. } => {}
            }
        }
        let changes = (1..).zip(history).filter_map(|(line, operation)| match &operation.what {
            What::Change(change) => Some((line, operation, change)),
            What::Verify(_) | What::Fault { .. } | What::LostTail => None,
        });
        let mut changes: Vec<_> = changes.collect();
        // A client that waits for no response goes on before its change has an end.
        changes.sort_by_key(|(_, operation, _)| operation.begin);
        for (line, operation, change) in changes {
            if change.outcome != Outcome::Rejected {
                let settled = facts.settled(operation, change, rules);
                let is_lost = facts.may_be_unrecorded(operation);
                facts.unsure.extend(is_lost.then(|| change.effect.subject()));
                facts.add(line, (operation.begin, settled, is_lost), change);
            }
        }
        facts
    }

    /// Whether a promotion may have lost a change.
    pub(crate) fn may_be_lost(&self, operation: &Operation, change: &Change) -> bool {
        let is_within = |(from, to): &(u64, u64)| *from <= operation.end && operation.begin <= *to;
        !change.effect.is_final() && self.lost.iter().any(is_within)
    }

    /// Whether a promotion may have lost the entry of a change.
    pub(crate) fn may_be_unrecorded(&self, operation: &Operation) -> bool {
        self.lost.iter().any(|(from, to)| *from <= operation.end && operation.begin <= *to)
    }

    /// How many losses lie before a request; `None` if its own use may be one of the lost ones.
    pub(crate) fn losses_before(&self, begin: u64, end: u64) -> Option<usize> {
        let is_within = |(from, to): &(u64, u64)| *from <= end && begin <= *to;
        let before = self.lost.iter().filter(|(_, to)| *to < begin).count();
        (!self.lost.iter().any(is_within)).then_some(before)
    }

    /// When a change is known to every node.
    fn settled(&self, operation: &Operation, change: &Change, rules: &Rules) -> Option<u64> {
        match change.outcome {
            _ if self.may_be_lost(operation, change) => None,
            Outcome::Done => Some(operation.end),
            Outcome::DoneHere => Some(operation.end + rules.everywhere_within),
            Outcome::Unknown | Outcome::Rejected => None,
        }
    }

    /// Adds a change with its begin, with when it is known to every node, and whether the store may
    /// have lost it.
    fn add(
        &mut self,
        line: usize,
        (begin, settled, is_lost): (u64, Option<u64>, bool),
        change: &Change,
    ) {
        let is_unknown = change.outcome == Outcome::Unknown;
        match change.effect {
            Effect::Issue { key, owner, tier, terms, .. } => {
                let issue = Issue { owner, tier, terms };
                self.keys.entry(key).or_insert_with(|| issue.key(line, begin, settled));
            }
            Effect::Revoke { key } => self.key(key, |it| {
                it.is_revoked.push(Write { begin, settled, value: true, line });
            }),
            Effect::Suspend { key } | Effect::Resume { key } => {
                let value = matches!(change.effect, Effect::Suspend { .. });
                self.key(key, |it| it.is_suspended.push(Write { begin, settled, value, line }));
            }
            Effect::Rotate { key, secret } => self.key(key, |it| {
                let value = if is_unknown { UNSEEN } else { secret };
                it.secret.push(Write { begin, settled, value, line });
                if is_lost {
                    // Secrets before it do not work again: a node that knows of it ends the key.
                    it.lost_secrets.push(secret);
                    it.is_revoked.push(Write { begin, settled: None, value: true, line });
                }
            }),
            Effect::Limit { key, terms } => self.key(key, |it| {
                let write = Write { begin, settled, value: Some(terms), line };
                it.own.iter_mut().for_each(|own| own.push(write));
            }),
            Effect::Tier { tier, terms } => {
                let write = Write { begin, settled, value: terms, line };
                self.tiers.entry(tier).or_default().push(write);
            }
            Effect::SuspendOwner { owner } | Effect::ResumeOwner { owner } => {
                let value = matches!(change.effect, Effect::SuspendOwner { .. });
                let write = Write { begin, settled, value, line };
                self.owners.entry(owner).or_default().is_suspended.push(write);
            }
            Effect::LimitOwner { owner, terms } => {
                let write = Write { begin, settled, value: Some(terms), line };
                self.owners.entry(owner).or_default().terms.push(write);
            }
        }
    }

    fn key(&mut self, key: u64, change: impl FnOnce(&mut Key)) {
        if let Some(found) = self.keys.get_mut(&key) {
            change(found);
        }
    }

    /// The limit of a key: its own or its tier's.
    pub(crate) fn terms<'a>(&'a self, key: &'a Key) -> Option<&'a Register<Option<Terms>>> {
        key.own.as_ref().or_else(|| self.tiers.get(&key.tier))
    }
}

struct Issue {
    owner: u64,
    tier: u64,
    terms: Option<Terms>,
}

impl Issue {
    fn key(&self, line: usize, begin: u64, settled: Option<u64>) -> Key {
        let Self { owner, tier, terms } = *self;
        let mut issued = Register::default();
        issued.push(Write { begin, settled, value: (), line });
        // A key begins as it was issued, wherever it is known.
        let flag = || Register::of(line, begin, false);
        let own = terms.map(|terms| Register::of(line, begin, Some(terms)));
        let secret = Register::of(line, begin, 0);
        let (is_revoked, is_suspended, lost_secrets) = (flag(), flag(), Vec::new());
        Key { owner, tier, issued, is_revoked, is_suspended, secret, lost_secrets, own }
    }
}
