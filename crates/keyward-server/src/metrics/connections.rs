//! The open connections of each listener.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::Source;
use super::page::Page;
use crate::connection_slots::ConnectionSlots;
use crate::listener::ListenerName;

/// The slots of all listeners that serve. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(
    /// Locked when a listener begins to serve and when a page is written. A panic inside leaves a
    /// list that is whole.
    Arc<Mutex<Vec<(ListenerName, ConnectionSlots)>>>,
);

impl Connections {
    /// Adds a listener that serves from now on.
    pub(crate) fn add(&self, name: ListenerName, slots: &ConnectionSlots) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((name, slots.clone()));
    }
}

impl Source for Connections {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.gauge(
            ("keyward_connections", "Connections that are open."),
            all.iter().map(|(name, slots)| {
                ([("listener", name.as_str())], u64::try_from(slots.taken()).unwrap_or(u64::MAX))
            }),
        )
    }
}
