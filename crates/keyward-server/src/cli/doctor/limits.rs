//! The limits: whether the system grants as many connections as the settings promise, and how often
//! each tier's keys may be used.

use keyward_api::tier::{ListedTier, TierList};
use keyward_cli::limit::limits_text;
use keyward_cli::output::shown;

use super::Check;

/// Files that the server has open in addition to its connections: the database and its threads,
/// the log, the listeners; generously.
const OTHER_FILES: u64 = 128;

/// Most tiers that are named: they fit into a line or two.
const TIERS_SHOWN: usize = 8;

/// Looks at the limit of this shell, which is that of a server that is started from it.
pub(super) fn open_files(connections_max: u32) -> Check {
    files(most_files(), u64::from(connections_max))
}

/// The most files that a process may have open; `None` if there is no limit.
#[cfg(unix)]
fn most_files() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};

    getrlimit(Resource::Nofile).current
}

/// Windows has none.
#[cfg(windows)]
fn most_files() -> Option<u64> {
    None
}

fn files(limit: Option<u64>, connections_max: u64) -> Check {
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

/// The limits of the tiers, as the server lists them, which apply to new keys.
pub(super) fn of_tiers(TierList { tiers, .. }: &TierList) -> Check {
    let tier = |ListedTier { tier, .. }: &ListedTier| {
        format!("{}: {}", shown(&tier.name), limits_text(&tier.limits))
    };
    let mut shown: Vec<_> = tiers.iter().take(TIERS_SHOWN).map(tier).collect();
    if TIERS_SHOWN < tiers.len() {
        shown.push(format!("and {} more tiers", tiers.len() - TIERS_SHOWN));
    }
    if shown.is_empty() {
        let advice = "make one with `keyward tier set`";
        return Check::warn("limits", "there is no tier, so no key can be issued", advice);
    }
    Check::ok("limits", shown.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::line;
    use super::*;

    #[test]
    fn more_connections_than_files_are_noticed() {
        let shown = |limit| line(&files(limit, 1_024));
        insta::assert_snapshot!([Some(1_024), Some(1_152), None].map(shown).join("\n"));
    }

    #[test]
    fn limits_are_shown_tier_by_tier() {
        let tier = |name: &str, limits| json!({ "name": name, "limits": limits, "keys": 0 });
        let limit = json!([{ "name": "requests", "amount": 100, "per": "60s", "burst": 200 }]);
        let mut tiers = vec![tier("basic", limit), tier("internal", json!([]))];
        let shown = |tiers: &[Value]| {
            let tiers = json!({ "count": tiers.len(), "tiers": tiers });
            line(&of_tiers(&serde_json::from_value(tiers).unwrap()))
        };
        let few = "ok limits: basic: 100 per 60s burst 200; internal: no limit";
        assert_eq!(shown(&tiers), few);
        tiers.resize(10, tier("x", json!([])));
        assert!(shown(&tiers).ends_with("; and 2 more tiers"));
        assert!(shown(&[]).starts_with("warn limits: there is no tier"));
    }
}
