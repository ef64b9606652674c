//! Usage on its way to the store.

use std::fmt;

use keyward_axum::Guard;

use super::Source;
use super::page::{ALONE, Page};

/// The usage that a guard counts.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) Guard);

impl Source for Usage {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285 000 years")]
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let flushes = self.0.gate().flushes();
        page.gauge(
            ("keyward_usage_pending", "Keys with usage that is not in the store yet."),
            [(ALONE, flushes.pending)],
        )?;
        page.gauge(
            (
                "keyward_usage_last_flush_timestamp_seconds",
                "When usage was last flushed, as Unix time; with usage or without.",
            ),
            flushes.last.map(|last| (ALONE, last.0 as f64 / 1e3)),
        )?;
        page.counter(
            (
                "keyward_usage_flushed",
                "Rows of usage, one for a key and an hour, that were stored.",
            ),
            [(ALONE, flushes.rows)],
        )
    }
}
