//! The parts of the program that count, before they are put together.

use keyward_admin::Control;
use keyward_axum::Guard;

use super::{Admin, Commits, Connections, DroppedSpans, Metrics, Requests, StoreTimes, Trail};

/// What the parts of one program count. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) connections: Connections,
    pub(crate) requests: Requests,
    pub(crate) spans: DroppedSpans,
    pub(crate) times: StoreTimes,
    pub(crate) trail: Trail,
}

impl Counted {
    /// The page of all numbers.
    pub(crate) fn metrics(&self, guard: &Guard, control: &Control, commits: Commits) -> Metrics {
        let Self { connections, requests, spans, times, trail } = self.clone();
        Metrics::new(
            guard,
            vec![
                Box::new(times),
                Box::new(commits),
                Box::new(Admin(control.clone())),
                Box::new(connections),
                Box::new(trail),
                Box::new(requests),
                Box::new(spans),
            ],
        )
    }
}
