//! A client that issues keys of its own and changes them, through all nodes.
//!
//! A thing whose last change has an unknown outcome is changed no more: its keys are revoked, and
//! others take their place. So the checker has little to leave open.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::board::Credential;
use super::control::{self, Asking};
use super::history::{Effect, Outcome, Terms};
use super::probes::Probes;
use super::random::Random;
use super::world::World;

/// The keys of one client.
const KEYS: usize = 8;
/// The longest pause between two of its changes, in milliseconds.
const PAUSE_MS_MAX: u64 = 15;
/// So many of a hundred changes of keys that work are given up soon. The key is then revoked twice,
/// the second time before the response to the first.
const IN_HASTE: usize = 75;
/// How long it waits that found no node, or was not told what became of a change.
const RETRY: Duration = Duration::from_millis(50);

/// A key that works, or is suspended.
#[derive(Clone, Debug)]
struct Subject {
    /// The id that Keyward gave it.
    id: u64,
    tier: u64,
    credential: Arc<Credential>,
    is_suspended: bool,
    has_own_limit: bool,
}

/// The client.
#[derive(Debug)]
pub(crate) struct Changer<'a> {
    world: &'a World,
    random: Random,
    probes: Probes,
    /// A tier without limits.
    open: u64,
    /// A tier with a limit that this client edits.
    tier: u64,
    owner: u64,
    is_owner_suspended: bool,
    subjects: Vec<Option<Subject>>,
}

/// What a change came to.
enum End {
    /// Done, with the body of its response.
    Done(Value),
    Rejected,
    Unknown,
    /// No node could be asked.
    NotAsked,
}

impl<'a> Changer<'a> {
    pub(crate) fn new(world: &'a World, mut random: Random, probes: Probes, open: u64) -> Self {
        let random = random.split();
        let subjects = vec![None; KEYS];
        let owner = world.number();
        Self { world, random, probes, open, tier: 0, owner, is_owner_suspended: false, subjects }
    }

    /// Changes until the run ends.
    pub(crate) fn run(mut self) -> Result<()> {
        let mut pause = Duration::ZERO;
        while self.world.wait(pause) {
            if self.tier == 0 {
                self.make_tier()?;
            }
            // An owner that is suspended hides what happens to its keys.
            let hidden = self.is_owner_suspended && self.random.in_hundred(50);
            let at = if hidden { KEYS + 1 } else { self.random.below(KEYS + 2) };
            match self.subjects.get(at) {
                _ if self.tier == 0 => {}
                Some(Some(subject)) => self.change_subject(at, subject.clone())?,
                Some(None) => self.issue(at)?,
                None if at == KEYS => self.edit_tier()?,
                None => self.change_owner()?,
            }
            pause = Duration::from_millis(self.random.between(0, PAUSE_MS_MAX));
        }
        Ok(())
    }

    fn change(&mut self, effect: Effect, id: u64, asking: Asking) -> Result<End> {
        let node = self.random.pick(&self.world.nodes).context("there is a node")?;
        let Some((outcome, body)) = control::change(self.world, node, effect, id, asking)? else {
            self.world.wait(RETRY);
            return Ok(End::NotAsked);
        };
        Ok(match outcome {
            Outcome::Done | Outcome::DoneHere => End::Done(body),
            Outcome::Rejected => End::Rejected,
            Outcome::Unknown => {
                // A store that is gone is not asked as fast as can be.
                self.world.wait(RETRY);
                End::Unknown
            }
        })
    }

    fn terms(&self) -> Terms {
        // Each amount is another one, so that a verdict shows which edit it knows.
        let amount = 100 + u32::try_from(self.world.number()).unwrap_or_default();
        Terms { amount, per: 1, burst: 30 }
    }

    fn make_tier(&mut self) -> Result<()> {
        let (tier, terms) = (self.world.number(), Some(self.terms()));
        if let End::Done(_) = self.change(Effect::Tier { tier, terms }, 0, Asking::Once)? {
            self.tier = tier;
        }
        Ok(())
    }

    fn edit_tier(&mut self) -> Result<()> {
        let (tier, terms) = (self.tier, Some(self.terms()));
        let is_of_it = |subject: &&Subject| subject.tier == tier && !subject.has_own_limit;
        match self.change(Effect::Tier { tier, terms }, 0, Asking::Once)? {
            End::Done(_) => {
                let of_it = self.subjects.iter().flatten().filter(is_of_it);
                of_it.take(2).for_each(|subject| self.probes.ask(&subject.credential));
            }
            End::NotAsked => {}
            End::Rejected | End::Unknown => {
                self.tier = 0;
                self.retire(|subject| subject.tier == tier)?;
            }
        }
        Ok(())
    }

    fn change_owner(&mut self) -> Result<()> {
        let owner = self.owner;
        let effect = if self.is_owner_suspended {
            Effect::ResumeOwner { owner }
        } else if self.subjects.iter().any(Option::is_some) {
            Effect::SuspendOwner { owner }
        } else {
            return Ok(());
        };
        match self.change(effect, 0, Asking::Once)? {
            End::Done(_) => {
                self.is_owner_suspended = !self.is_owner_suspended;
                for subject in self.subjects.iter().flatten().take(3) {
                    self.probes.ask(&subject.credential);
                    self.world.board.touch(&subject.credential);
                }
            }
            End::NotAsked => {}
            End::Rejected | End::Unknown => self.leave_owner()?,
        }
        Ok(())
    }

    fn leave_owner(&mut self) -> Result<()> {
        (self.owner, self.is_owner_suspended) = (self.world.number(), false);
        self.retire(|_| true)
    }

    fn issue(&mut self, at: usize) -> Result<()> {
        if self.is_owner_suspended {
            return Ok(());
        }
        let (key, owner) = (self.world.number(), self.owner);
        let kind = self.random.below(4);
        let terms = (kind == 0).then(|| self.terms());
        let tier = if kind == 1 { self.tier } else { self.open };
        let effect = Effect::Issue { key, id: None, owner, tier, terms };
        match self.change(effect, 0, Asking::Once)? {
            End::Done(body) => {
                let id = body.get("key_id").and_then(Value::as_u64).context("a key has an id")?;
                let credential = credential(&body, key, 0)?;
                self.world.board.add(&credential);
                let has_own_limit = terms.is_some();
                let subject = Subject { id, tier, credential, is_suspended: false, has_own_limit };
                self.put(at, Some(subject));
            }
            // A standby may have been promoted that lacked the resumption of the owner.
            End::Rejected => self.leave_owner()?,
            End::Unknown | End::NotAsked => {}
        }
        Ok(())
    }

    fn change_subject(&mut self, at: usize, mut subject: Subject) -> Result<()> {
        let credential = Arc::clone(&subject.credential);
        let (key, secret) = (credential.key, credential.secret + 1);
        let effect = match (self.random.below(100), subject.is_suspended) {
            (0..15, _) => Effect::Revoke { key },
            (15..45, _) => Effect::Rotate { key, secret },
            (45..60, _) if subject.has_own_limit => Effect::Limit { key, terms: self.terms() },
            (_, false) => Effect::Suspend { key },
            (_, true) => Effect::Resume { key },
        };
        let is_revoked = matches!(effect, Effect::Revoke { .. });
        // No verdict about a key that is suspended shows whether another change of it is known.
        let is_hidden = self.is_owner_suspended
            || subject.is_suspended
            || matches!(effect, Effect::Suspend { .. });
        let in_haste = !is_hidden && self.random.in_hundred(IN_HASTE);
        let asking = if in_haste { Asking::InHaste } else { Asking::Once };
        let body = match self.change(effect.clone(), subject.id, asking)? {
            End::Done(body) => body,
            End::NotAsked => return Ok(()),
            End::Rejected => return self.drop_subject(at, &subject),
            End::Unknown => {
                let asking = if is_revoked { Asking::Again } else { asking };
                return self.revoke(at, &subject, asking);
            }
        };
        match effect {
            Effect::Revoke { .. } => self.drop_subject(at, &subject)?,
            Effect::Rotate { .. } => {
                self.world.board.end(&credential);
                subject.credential = self::credential(&body, key, secret)?;
                self.world.board.add(&subject.credential);
                self.put(at, Some(subject));
            }
            Effect::Suspend { .. } | Effect::Resume { .. } => {
                subject.is_suspended = !subject.is_suspended;
                self.put(at, Some(subject));
            }
            _ => {}
        }
        self.probes.ask(&credential);
        self.world.board.touch(&credential);
        Ok(())
    }

    /// Revokes the keys that this says.
    fn retire(&mut self, is_it: impl Fn(&Subject) -> bool) -> Result<()> {
        for at in 0..KEYS {
            let subject = self.subjects.get(at).cloned().flatten();
            if let Some(subject) = subject.filter(&is_it) {
                self.revoke(at, &subject, Asking::Once)?;
            }
        }
        Ok(())
    }

    /// Revokes a key until that is acknowledged.
    fn revoke(&mut self, at: usize, subject: &Subject, mut asking: Asking) -> Result<()> {
        self.drop_subject(at, subject)?;
        let key = subject.credential.key;
        while !self.world.is_done() {
            match self.change(Effect::Revoke { key }, subject.id, asking)? {
                End::Done(_) | End::Rejected => break,
                End::Unknown => asking = Asking::Again,
                End::NotAsked => {}
            }
        }
        self.probes.ask(&subject.credential);
        Ok(())
    }

    fn drop_subject(&mut self, at: usize, subject: &Subject) -> Result<()> {
        self.world.board.end(&subject.credential);
        self.put(at, None);
        Ok(())
    }

    fn put(&mut self, at: usize, subject: Option<Subject>) {
        if let Some(place) = self.subjects.get_mut(at) {
            *place = subject;
        }
    }
}

/// The secret that a response shows.
pub(crate) fn credential(body: &Value, key: u64, secret: u32) -> Result<Arc<Credential>> {
    let text = body.get("api_key").and_then(Value::as_str).context("a secret is shown")?;
    Ok(Arc::new(Credential { key, secret, text: text.to_owned() }))
}
