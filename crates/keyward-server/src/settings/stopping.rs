//! How long the program goes on serving once it is told to stop.

use std::time::Duration;

use super::sources::Sources;
use super::{SettingsError, cluster, parse, table};

/// The time that a load balancer gets, unless it is set: two checks of most of them.
pub(super) const ON_A_CLUSTER: Duration = Duration::from_secs(5);

/// Reads it, once it is read whether there are other nodes that take over.
pub(super) fn read_delay(sources: &mut Sources<'_>) -> Result<Duration, SettingsError> {
    let given = sources.read(&table::STOP_DELAY, parse::duration_or_auto)?;
    let usual = if cluster::is_on(sources) { ON_A_CLUSTER } else { Duration::ZERO };
    Ok(given.unwrap_or(usual))
}
