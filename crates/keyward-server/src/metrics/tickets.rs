//! The asks about limits that several nodes share.

use std::fmt;

use keyward::gate::{TICKET_WAITS, TicketCounts};
use keyward_axum::Guard;

use super::Source;
use super::durations::Shown;
use super::page::{ALONE, Page};

/// The asks of a guard. There are none where it has the limits to itself.
#[derive(Debug)]
pub(crate) struct Tickets(pub(crate) Guard);

impl Source for Tickets {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = self.0.gate().ticket_counts();
        let one = |read: fn(TicketCounts) -> u64| counts.map(|counts| (ALONE, read(counts)));
        page.counter(
            ("keyward_tickets_asked", "Asks about the limits of a request that were sent."),
            one(|counts| counts.asked),
        )?;
        page.counter(
            (
                "keyward_tickets_remembered",
                "Requests that were denied by the response to an earlier one.",
            ),
            one(|counts| counts.remembered),
        )?;
        page.counter(
            (
                "keyward_tickets_wasted",
                "Asks that took from a limit, or may have, and let no request in.",
            ),
            one(|counts| counts.wasted),
        )?;
        page.counter(
            (
                "keyward_tickets_unavailable",
                "Requests about whose limits nothing was said in time.",
            ),
            one(|counts| counts.unavailable),
        )?;
        page.durations(
            ("keyward_tickets_wait_seconds", "Time until an ask had its response."),
            counts.map(|counts| (ALONE, shown(counts))),
        )
    }
}

fn shown(counts: TicketCounts) -> Shown {
    let ends = TICKET_WAITS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
    Shown {
        seconds: counts.waited.as_secs_f64(),
        count: counts.waits.iter().sum(),
        classes: ends.zip(counts.waits).collect(),
    }
}
