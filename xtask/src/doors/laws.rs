//! The laws, through a mixture of doors at a time.

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::keyward::{Keyward, limit};
use super::lane::{self, CLIENT, Lane};
use super::verifiers::LateRelay;
use crate::http::{Connection, Request};

/// How many requests there are at a time, and how many of them may get in.
const PARALLEL: usize = 200;
const LET_IN: usize = 50;

/// Never over: of many requests at a time, through every proxy and by `POST /verify`, exactly as
/// many get in as the limit says.
pub(crate) fn never_over(lanes: &[&Lane<'_>], keyward: &Keyward) -> Result<()> {
    let key = keyward.issue("mixture", &json!({ "limits": [limit(50)] }))?;
    let begin = Barrier::new(PARALLEL);
    let ask = |number: usize| -> Result<u16> {
        let lane = lanes.get(number % (lanes.len() + 1));
        begin.wait();
        match lane {
            Some(lane) => {
                let request = Request::get(&lane.path()).bearer(&key.text);
                Ok(Connection::open(CLIENT, lane.port)?.send(&request)?.status())
            }
            None => status(&keyward.verify(&json!({ "key": key.text }))?),
        }
    };
    let statuses = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..PARALLEL).map(|number| scope.spawn(move || ask(number))).collect();
        let statuses = threads.into_iter().map(|thread| thread.join());
        statuses.map(|it| it.ok().context("a client broke down")?).collect::<Result<Vec<_>>>()
    })?;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let (allowed, limited) = (count(200), count(429));
    ensure!(
        (allowed, limited) == (LET_IN, PARALLEL - LET_IN),
        "of {PARALLEL} requests with a limit of {LET_IN}, {allowed} got in and {limited} got 429"
    );
    Ok(())
}

fn status(verdict: &Value) -> Result<u16> {
    let status = verdict.get("status").and_then(Value::as_u64).context("a verdict has a status")?;
    Ok(u16::try_from(status)?)
}

/// A question that is repeated under its name takes once, and is judged anew: after the response to
/// DELETE it is `revoked`.
pub(crate) fn repeated_question(keyward: &Keyward) -> Result<()> {
    let key = keyward.issue("repeated", &json!({ "limits": [limit(2)] }))?;
    let question = json!({ "key": key.text, "request_id": "the-same" });
    let verdict = |question: &Value| -> Result<String> {
        let verdict = keyward.verify(question)?;
        let word = verdict.get("verdict").and_then(Value::as_str).unwrap_or("none").to_owned();
        let left = verdict.pointer("/limit/remaining").and_then(Value::as_u64);
        Ok(left.map_or(word.clone(), |left| format!("{word}, {left} left")))
    };
    let mut seen = vec![verdict(&question)?, verdict(&question)?];
    seen.push(verdict(&json!({ "key": key.text, "request_id": "another" }))?);
    seen.push(verdict(&question)?);
    keyward.revoke(&key)?;
    seen.push(verdict(&question)?);
    let expected =
        ["allowed, 1 left", "allowed, 1 left", "allowed, 0 left", "allowed, 0 left", "revoked"];
    ensure!(seen == expected, "expected {expected:?}, seen {seen:?}");
    Ok(())
}

/// HAProxy repeats a question whose response is late: the request takes once, under a name that the
/// client does not choose.
pub(crate) fn repeated_by_haproxy(lane: &Lane<'_>, port: u16, relay: &LateRelay) -> Result<()> {
    let key = lane.key(&json!({}))?;
    let ask = |left: u32| -> Result<Vec<String>> {
        let request = Request::get(&lane.path()).bearer(&key.text);
        let request = request.header("X-Keyward-Ask", "of-the-client");
        let seen = lane.send_to(port, &request, Some(&key))?;
        let differences = seen.differences(&lane::allowed(&key, left));
        ensure!(differences.is_empty(), "{}", differences.join("; "));
        Ok(relay.take())
    };
    let (first, second) = (ask(99)?, ask(98)?);
    for asked in [&first, &second] {
        let is_repeated = 1 < asked.len() && asked.iter().all(|name| Some(name) == asked.first());
        ensure!(is_repeated, "the questions of one request were {asked:?}");
    }
    ensure!(first.first() != second.first(), "two requests have one name: {first:?}");
    ensure!(!first.contains(&"of-the-client".to_owned()), "the client has chosen the name");
    Ok(())
}

/// A client cannot ask for the location of the recipe of nginx that asks Keyward.
pub(crate) fn nginx_keeps_its_question(lane: &Lane<'_>) -> Result<()> {
    let key = lane.usual_key()?;
    let response =
        Connection::open(CLIENT, lane.port)?.send(&Request::get("/_keyward").bearer(&key.text))?;
    ensure!(response.status() == 404, "`/_keyward` is {}", response.first);
    Ok(())
}

/// Nothing that a program has written holds a key.
pub(crate) fn no_key_is_written(keyward: &Keyward, folder: &Path) -> Result<()> {
    let leak = keyward.leak(folder)?;
    ensure!(leak.is_none(), "{} holds a key", leak.unwrap_or_default().display());
    Ok(())
}
