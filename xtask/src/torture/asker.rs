//! A client that asks the doors of one node, and keeps each verdict.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::board::Credential;
use super::history::{Ask, Operation, What, Word};
use super::node::Node;
use super::random::Random;
use super::world::World;
use crate::http::{Connection, Message, Request};

/// How long a verdict is waited for: longer than any node is paused.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long a client waits that was not connected.
const PAUSE: Duration = Duration::from_millis(50);
/// The requests of a batch, and how many of a hundred questions are a batch.
const BATCH: usize = 50;
const BATCHES: usize = 25;

/// One connection, which is opened again where it breaks.
pub(crate) struct Asker<'a> {
    world: &'a World,
    node: &'a Node,
    /// With the start of the node that accepted it.
    connection: Option<(Connection, u32)>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(world: &'a World, node: &'a Node) -> Self {
        Self { world, node, connection: None }
    }

    /// Asks as fast as it can until the run ends.
    pub(crate) fn run(&mut self, mut random: Random) -> Result<()> {
        while !self.world.is_done() {
            let count = if random.in_hundred(BATCHES) { BATCH } else { 1 };
            let picked = (0..count).filter_map(|_| self.world.board.pick(&mut random));
            let picked: Vec<_> = picked.collect();
            self.ask(&picked)?;
        }
        Ok(())
    }

    /// Asks about these at a time, each at the cost of 1.
    pub(crate) fn ask(&mut self, credentials: &[Arc<Credential>]) -> Result<()> {
        let connection = match self.connection.take() {
            Some(open) => Some(open),
            None => open(self.node),
        };
        let (Some((mut connection, start)), false) = (connection, credentials.is_empty()) else {
            thread::sleep(PAUSE);
            return Ok(());
        };
        let request = request(credentials);
        let begin = self.world.clock.now();
        let response = connection.send(&request);
        let end = self.world.clock.now();
        let verdicts = match &response {
            Ok(response) => verdicts(response, credentials.len())?,
            Err(_) => vec![(Word::Lost, None); credentials.len()],
        };
        if response.is_ok_and(|response| response.is_kept()) {
            self.connection = Some((connection, start));
        }
        for (credential, (verdict, amount)) in credentials.iter().zip(verdicts) {
            let Credential { key, secret, .. } = **credential;
            let what = What::Verify(Ask { key, secret, cost: 1, verdict, amount });
            let node = self.node.number;
            self.world.recorder.add(Operation { begin, end, node, start, what })?;
        }
        Ok(())
    }
}

fn open(node: &Node) -> Option<(Connection, u32)> {
    let connection = Connection::open(Ipv4Addr::LOCALHOST, node.doors).ok()?;
    // Read afterwards: if the process was replaced meanwhile, the connection is broken.
    let start = node.started();
    Some((connection.patience(PATIENCE).ok()?, start))
}

fn request(credentials: &[Arc<Credential>]) -> Request {
    if let [credential] = credentials {
        return Request::new("POST", "/verify").json(&json!({ "key": credential.text }));
    }
    let keys: Vec<_> = credentials.iter().map(|it| json!({ "key": it.text })).collect();
    Request::new("POST", "/verify/batch").json(&json!({ "requests": keys }))
}

fn verdicts(response: &Message, count: usize) -> Result<Vec<(Word, Option<u32>)>> {
    match response.status() {
        200 => {}
        503 => return Ok(vec![(Word::Unavailable, None); count]),
        _ => return Ok(vec![(Word::Other, None); count]),
    }
    let body: Value = serde_json::from_str(&response.body).context("a verdict is JSON")?;
    Ok(match body.get("results").and_then(Value::as_array) {
        Some(results) => results.iter().map(verdict).collect(),
        None => vec![verdict(&body)],
    })
}

fn verdict(view: &Value) -> (Word, Option<u32>) {
    let text = |name: &str| view.pointer(name).and_then(Value::as_str);
    let word = match text("/verdict") {
        Some("allowed") => Word::Allowed,
        Some("unknown") => Word::Unknown,
        Some("revoked") => Word::Revoked,
        Some("suspended") => Word::Suspended,
        Some("replaced") => Word::Replaced,
        Some("limited") => Word::Limited,
        Some("unavailable") => Word::Unavailable,
        Some(_) | None => Word::Other,
    };
    (word, text("/headers/RateLimit-Policy").and_then(amount))
}

/// The amount of the limit `requests`, which is the key's or its tier's.
fn amount(policy: &str) -> Option<u32> {
    let (_, after) = policy.split_once(r#""requests";q="#)?;
    after.split([';', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amount_is_the_keys_and_not_its_owners() {
        assert_eq!(amount(r#""requests";q=7;w=60, "owner:requests";q=9;w=1"#), Some(7));
        assert_eq!(amount(r#""owner:requests";q=9;w=1"#), None);
    }

    #[test]
    fn a_verdict_that_is_not_known_is_no_other_one() {
        let view = |word: &str| verdict(&json!({ "verdict": word, "headers": {} })).0;
        assert_eq!([view("replaced"), view("expired")], [Word::Replaced, Word::Other]);
    }
}
