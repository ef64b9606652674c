//! The facts about a request and its response, for its line in the log and for its span.

use std::borrow::Cow;

use axum::response::Response;
use keyward::scan::hide_keys;
use keyward_admin::RequestId;
use keyward_axum::DecisionSlot;
use keyward_doors::Resource;

use crate::listener::ListenerName;
use crate::trace::Trace;

/// A request as far as it is known when it comes.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) listener: ListenerName,
    pub(crate) method: &'static str,
    /// The template of the route; empty for a path without one. Never the path: a client may have
    /// put a key into it.
    pub(crate) route: String,
    pub(crate) request_id: RequestId,
    pub(crate) trace: Trace,
    /// The place where the decision about it will be noted.
    pub(crate) slot: Option<DecisionSlot>,
}

/// The response, and the decision about the request.
#[derive(Debug)]
pub(crate) struct Responded<'a> {
    pub(crate) status: u16,
    pub(crate) verdict: Option<&'static str>,
    pub(crate) key_id: Option<u64>,
    pub(crate) door: Option<&'static str>,
    /// The route that a service names that asks at a door, without keys.
    pub(crate) resource: Option<Cow<'a, str>>,
    /// How long it took.
    pub(crate) nanos: u64,
}

impl Seen {
    /// The facts that there are once there is a response.
    pub(crate) fn responded<'a>(&self, response: &'a Response, nanos: u64) -> Responded<'a> {
        let decision = self.slot.as_ref().and_then(DecisionSlot::decision);
        // A service that asks at a door names it; it may have put a key into it.
        let resource = response.extensions().get::<Resource>().map(|it| hide_keys(&it.0));
        Responded {
            status: response.status().as_u16(),
            verdict: decision.map(|decision| decision.outcome.as_str()),
            key_id: decision.and_then(|decision| decision.key_id).map(|id| id.get()),
            door: decision.map(|decision| decision.door.as_str()),
            resource,
            nanos,
        }
    }
}
