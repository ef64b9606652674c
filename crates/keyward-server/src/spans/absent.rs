//! No spans: the program was built without them.

use anyhow::Result;
use keyward_axum::Guard;
use url::Url;

use crate::metrics::DroppedSpans;
use crate::seen::{Responded, Seen};
use crate::settings::TlsSettings;

/// Where spans go: nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans;

impl Spans {
    /// Starts nothing: the settings were rejected if they ask for spans.
    pub(crate) fn start(
        _: Option<&Url>,
        _: &TlsSettings,
        _: &Guard,
        _: &DroppedSpans,
    ) -> Result<Self> {
        Ok(Self)
    }

    /// Whether requests have spans.
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    /// Does nothing.
    pub(crate) fn end(&self, _: &Seen, _: &Responded<'_>) {}

    /// Does nothing.
    pub(crate) async fn stop(self) {}
}
