//! Keys whose limits are reached all the time, and are not edited.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::changer;
use super::control::{self, Asking};
use super::history::{Effect, Terms};
use super::node::Node;
use super::world::World;

/// What the steady limits are: quick and slow, of a key and of an owner.
const OF_KEYS: [Terms; 3] = [
    Terms { amount: 40, per: 1, burst: 20 },
    Terms { amount: 5, per: 1, burst: 1 },
    Terms { amount: 1_000, per: 3_600, burst: 100 },
];
const OF_OWNER: Terms = Terms { amount: 60, per: 1, burst: 30 };

/// Makes them, and a tier without limits, whose number is returned.
pub(crate) fn prepare(world: &World, node: &Node) -> Result<u64> {
    let tier = world.number();
    done(world, node, Effect::Tier { tier, terms: None })?;
    let issue = |owner: u64, terms: Option<Terms>| -> Result<()> {
        let key = world.number();
        let body = done(world, node, Effect::Issue { key, id: None, owner, tier, terms })?;
        world.board.add(&changer::credential(&body, key, 0)?);
        Ok(())
    };
    for terms in OF_KEYS {
        issue(world.number(), Some(terms))?;
    }
    let owner = world.number();
    done(world, node, Effect::LimitOwner { owner, terms: OF_OWNER })?;
    // One of them has a limit of its own as well.
    issue(owner, None)?;
    issue(owner, OF_KEYS.first().copied())?;
    Ok(tier)
}

fn done(world: &World, node: &Node, effect: Effect) -> Result<Value> {
    let name = effect.verb();
    let made = control::change(world, node, effect, 0, Asking::Once)?;
    let made = made.filter(|(outcome, _)| outcome.is_done());
    made.map(|(_, body)| body).with_context(|| format!("`{name}` before the run was not made"))
}
