//! What the control plane counted.

use std::fmt;

use keyward_admin::{AdminCounts, Control};

use super::Source;
use super::page::Page;

/// The control plane.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Control);

impl Source for Admin {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let AdminCounts { rejections, oidc_key_fetches, leak_reports } = self.0.counts();
        page.counter(
            (
                "keyward_admin_rejections",
                "Requests to the control plane that were rejected for who sent them.",
            ),
            rejections.into_iter().map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        page.counter(
            ("keyward_oidc_key_fetches", "Readings of the keys of the issuer of tokens."),
            oidc_key_fetches.into_iter().map(|(result, count)| ([("result", result)], count)),
        )?;
        page.counter(
            ("keyward_leak_reports", "Requests that report leaked keys."),
            leak_reports
                .into_iter()
                .map(|(source, result, count)| ([("source", source), ("result", result)], count)),
        )
    }
}
