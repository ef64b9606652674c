//! Whether other processes share the database, and what this one keeps for itself.

use std::path::PathBuf;

use super::sources::Sources;
use super::table::{self, Form};
use super::{SettingsError, parse};

/// Most characters of the name of a node.
const NAME_LEN_MAX: usize = 100;

/// What a process of several over one database needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterSettings {
    /// Whether there may be others.
    pub(crate) is_on: bool,
    /// The name of this one, if it is not that of the machine.
    pub(crate) node_name: Option<String>,
    /// Where its ledger lies, if it keeps one.
    pub(crate) ledger: Option<PathBuf>,
}

/// Reads these settings, once the database is read.
pub(super) fn read(sources: &mut Sources<'_>) -> Result<ClusterSettings, SettingsError> {
    let is_on = sources.read(&table::CLUSTER, parse::switch)?;
    let is_file = sources.peek(&table::DATABASE).is_some_and(|url| url.starts_with("sqlite:"));
    if is_on && is_file {
        let problem = "needs a database that several processes can share; set `database` to the \
                       `postgres://` URL of one, or leave `cluster` out";
        return Err(sources.reject(&table::CLUSTER, problem));
    }
    let node_name = sources.read_optional(&table::NODE_NAME, node_name)?;
    let directory = sources.directory();
    let ledger = sources.read_optional(&table::LEDGER, |text, _| Ok(directory.join(text)))?;
    if ledger.is_some() && is_file {
        let problem = "is for a database of PostgreSQL: a file has its ledger next to it; leave \
                       `ledger` out";
        return Err(sources.reject(&table::LEDGER, problem));
    }
    Ok(ClusterSettings { is_on, node_name, ledger })
}

/// Whether it was read that there may be others.
pub(super) fn is_on(sources: &Sources<'_>) -> bool {
    sources.peek(&table::CLUSTER) == Some("on")
}

fn node_name(text: &str, _: &Form) -> Result<String, String> {
    let is_visible = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if !is_visible || !(1..=NAME_LEN_MAX).contains(&text.chars().count()) {
        return Err(format!("is not a name of 1 to {NAME_LEN_MAX} visible characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use keyward_cli::environment::Environment;

    use super::super::{Flags, Settings};

    fn read(environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = Environment::of(environment.iter().copied()).unwrap();
        let read = Settings::read(&Flags::default(), &environment, Path::new("/nonexistent"));
        read.map_err(|error| error.to_string())
    }

    const ON: (&str, &str) = ("KEYWARD_CLUSTER", "on");
    #[cfg(feature = "postgres")]
    const SHARED: (&str, &str) = ("DATABASE_URL", "postgres://keyward@db.example/keyward");

    #[test]
    fn a_file_is_for_one_process() {
        insta::assert_snapshot!(read(&[ON]).unwrap_err(), @"setting `cluster` (environment variable KEYWARD_CLUSTER): needs a database that several processes can share; set `database` to the `postgres://` URL of one, or leave `cluster` out");
        assert!(!read(&[("KEYWARD_CLUSTER", "off")]).unwrap().cluster.is_on);
    }

    #[test]
    fn a_file_has_its_ledger_next_to_it() {
        let ledger = ("KEYWARD_LEDGER", "node.ledger");
        insta::assert_snapshot!(read(&[ledger]).unwrap_err(), @"setting `ledger` (environment variable KEYWARD_LEDGER): is for a database of PostgreSQL: a file has its ledger next to it; leave `ledger` out");
        #[cfg(feature = "postgres")]
        {
            let there = read(&[SHARED, ledger]).unwrap().cluster.ledger;
            assert_eq!(there.as_deref(), Some(Path::new("/nonexistent/node.ledger")));
            assert_eq!(read(&[SHARED]).unwrap().cluster.ledger, None);
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_node_of_a_cluster_stops_later() {
        let delay = |environment: &[(&str, &str)]| read(environment).unwrap().stop_delay;
        assert_eq!(delay(&[]), Duration::ZERO);
        assert_eq!(delay(&[SHARED]), Duration::ZERO);
        assert_eq!(delay(&[SHARED, ON]), Duration::from_secs(5));
        let set = ("KEYWARD_STOP_DELAY", "0s");
        assert_eq!(delay(&[SHARED, ON, set]), Duration::ZERO);
    }

    #[test]
    fn a_delay_is_as_long_as_it_is_set() {
        let delay = |text| read(&[("KEYWARD_STOP_DELAY", text)]).map(|it| it.stop_delay);
        assert_eq!(delay("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(delay("auto"), Ok(Duration::ZERO));
        assert!(delay("11m").unwrap_err().ends_with("use 0ms to 10m, or `auto`"));
    }

    #[test]
    fn a_name_is_visible() {
        let name = |text: &str| read(&[("KEYWARD_NODE_NAME", text)]).map(|it| it.cluster.node_name);
        assert_eq!(name(""), Ok(None));
        assert_eq!(name("zone-a/1"), Ok(Some("zone-a/1".to_owned())));
        assert!(name(&"a".repeat(100)).is_ok() && name(&"a".repeat(101)).is_err());
        for text in ["a b", "a\nb", "\u{7}"] {
            assert!(name(text).unwrap_err().contains("visible"), "{text:?}");
        }
    }
}
