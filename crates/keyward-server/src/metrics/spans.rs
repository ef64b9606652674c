//! The spans that were not sent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use super::page::{ALONE, Page};

/// How many spans were dropped; none by a program without the feature `otlp`. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DroppedSpans(
    /// Relaxed: one number, which nothing else depends on.
    Arc<AtomicU64>,
);

impl DroppedSpans {
    /// Counts them.
    #[cfg(feature = "otlp")]
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Source for DroppedSpans {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let help =
            "Spans that were not sent, as their collector was too slow or did not take them.";
        page.counter(("keyward_spans_dropped", help), [(ALONE, self.count())])
    }
}
