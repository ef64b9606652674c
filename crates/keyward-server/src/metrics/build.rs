//! Which program this is.

use std::fmt;

use super::Source;
use super::page::Page;

/// The commit that was built, if the builder told it.
const REVISION: &str = match option_env!("KEYWARD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The version and the revision.
#[derive(Debug)]
pub(super) struct Build;

impl Source for Build {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("revision", REVISION)];
        page.gauge(
            ("keyward_build_info", "The version and the revision of the program."),
            [(labels, 1_i64)],
        )
    }
}
