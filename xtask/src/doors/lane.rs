//! A proxy that is being asked: its ports, and the requests that are sent to it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::api::Api;
use super::facts::{ADDRESS, Facts, IDENTITY};
use super::keyward::{Key, Keyward};
use super::proxy::Proxy;
use super::verifiers::Relay;
use crate::http::{Connection, Message, Request};

/// Where the clients of the matrix come from: an address that is no proxy's.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// A name that no header field can hold as it is, and the text that is sent in its place.
const NAME: (&str, &str) = ("süd", "s%C3%BCd");

/// One proxy, in front of the real Keyward, and of verifiers that fail.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) proxy: Proxy,
    pub(crate) port: u16,
    /// The same recipe, where Keyward's port is closed.
    pub(crate) dead: u16,
    /// The same recipe, where Keyward never responds.
    pub(crate) silent: u16,
    /// The same recipe, with a mistake of the operator.
    pub(crate) mistaken: u16,
    pub(crate) keyward: &'a Keyward,
    pub(crate) relay: &'a Relay,
    pub(crate) api: &'a Api,
    /// How many names were handed out.
    pub(crate) names: AtomicUsize,
}

impl Lane<'_> {
    /// Issues a key for one cell, with these fields in place of the usual ones.
    pub(crate) fn key(&self, changes: &Value) -> Result<Key> {
        let name = format!("{}-{}", NAME.0, self.name());
        self.keyward.issue(&name, changes)
    }

    pub(crate) fn usual_key(&self) -> Result<Key> {
        self.key(&json!({}))
    }

    /// A path that no other request has.
    pub(crate) fn path(&self) -> String {
        format!("/v1/{}/", self.name())
    }

    fn name(&self) -> String {
        format!("{}-{}", self.proxy.name(), self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request, key: Option<&Key>) -> Result<Facts> {
        self.send_to(self.port, request, key)
    }

    pub(crate) fn send_to(&self, port: u16, request: &Request, key: Option<&Key>) -> Result<Facts> {
        let response = Connection::open(CLIENT, port)?.send(request)?;
        Ok(self.facts(request, &response, key))
    }

    /// The facts of a request and its response.
    pub(crate) fn facts(&self, request: &Request, response: &Message, key: Option<&Key>) -> Facts {
        let path = request.target.split('?').next().unwrap_or_default();
        Facts::of(response, &self.api.take(path), key)
    }

    /// The client's address as Keyward learns it from this proxy.
    pub(crate) fn address_of_client(&self) -> Result<String> {
        let request = Request::new("OPTIONS", &self.path());
        Connection::open(CLIENT, self.port)?.send(&request)?;
        let asked = self.api.take(&request.target);
        let asked = asked.first().context("the preflight has reached the API")?;
        let hops = asked.get("x-forwarded-for").context("the API learns the client's address")?;
        Ok(hops.rsplit(',').next().unwrap_or_default().trim().to_owned())
    }
}

/// The facts of a request with a key that was let in, of which so many are left.
pub(crate) fn allowed(key: &Key, left: u32) -> Facts {
    let name = key.name.replace(NAME.0, NAME.1);
    let values = [&*key.id.to_string(), &*name, "matrix", "acme", "articles:read b:c"];
    let mut facts = Facts::default().with("status", "200").with("body", "the API's");
    facts.set("content-type", "application/json");
    for (name, value) in IDENTITY.into_iter().zip(values) {
        facts.set(&format!("api.{name}"), value);
    }
    let facts = facts.with("api.method", "GET").with("api.body", "0");
    limited_by(reaching_the_api(facts), 100, left)
}

/// Adds that the API is asked, and learns the client's address by each field that it may read.
pub(crate) fn reaching_the_api(facts: Facts) -> Facts {
    let with_address = |facts: Facts, name| facts.with(&format!("api.{name}"), CLIENT.to_string());
    ADDRESS.into_iter().fold(facts.with("api", "1"), with_address)
}

/// The facts of a rejection that does not reach the API.
pub(crate) fn rejected(status: u16, detail: &str) -> Facts {
    let facts = Facts::default().with("status", status.to_string()).with("body", detail);
    let facts = facts.with("content-type", "application/json").with("api", "0");
    facts.with("shared caches", "keep it not")
}

/// Adds the fields that say how much of a limit is left.
pub(crate) fn limited_by(facts: Facts, amount: u32, left: u32) -> Facts {
    facts
        .with("ratelimit-policy", format!(r#""requests";q={amount};w=86400"#))
        .with("ratelimit", format!(r#""requests";r={left};t=*"#))
        .with("x-ratelimit-limit", amount.to_string())
        .with("x-ratelimit-remaining", left.to_string())
        .with("x-ratelimit-reset", "*")
}
