//! Whether the system grants as many connections as the settings promise.

use rustix::process::{Resource, getrlimit};

use super::Check;

/// Files that the server has open besides its connections: the database and its threads, the
/// log, the listeners; generously.
const OTHER_FILES: u64 = 128;

/// Looks at the limit of this shell, which is that of a server that is started from it.
pub(super) fn check(connections_max: u32) -> Check {
    let limit = getrlimit(Resource::Nofile);
    open_files(limit.current, u64::from(connections_max))
}

fn open_files(limit: Option<u64>, connections_max: u64) -> Check {
    let needed = connections_max + OTHER_FILES;
    match limit {
        Some(limit) if limit < needed => Check::warn(
            "open files",
            format!("{limit} are allowed, and {connections_max} connections need {needed}"),
            format!(
                "`ulimit -n {needed}` where the server starts (systemd: LimitNOFILE={needed}), \
                 or a smaller `connections_max`"
            ),
        ),
        Some(limit) => Check::ok("open files", format!("{limit} are allowed, {needed} needed")),
        None => Check::ok("open files", "any number is allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn more_connections_than_files_are_noticed() {
        let told = |limit| line(&open_files(limit, 1_024));
        insta::assert_snapshot!([Some(1_024), Some(1_152), None].map(told).join("\n"));
    }
}
