//! The environment variables that concern us.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use zeroize::Zeroizing;

use super::table::{self, suggest};
use super::{SettingsError, service_links};

/// The variables that concern us: `KEYWARD_…` and those in the table.
///
/// One that is empty counts as not set, since that is how compose files leave one out, and so does
/// what Kubernetes sets in pods beside a Service of this name.
pub(crate) struct Environment(BTreeMap<String, Zeroizing<String>>);

impl Environment {
    /// Picks our variables out of `variables`, such as [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError::NotText`] if one of ours is not UTF-8.
    pub(crate) fn of<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingsError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else { continue };
            let concerns_us = name.starts_with("KEYWARD_")
                || table::ALL.into_iter().any(|setting| setting.variable == name);
            if !concerns_us {
                continue;
            }
            let Ok(value) = value.into().into_string() else {
                return Err(SettingsError::NotText(name));
            };
            if !value.is_empty() && !service_links::is_one(&name, &value) {
                ours.insert(name, Zeroizing::new(value));
            }
        }
        Ok(Self(ours))
    }

    /// The value of one of our variables.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    pub(super) fn check_names(&self) -> Result<(), SettingsError> {
        let known = || {
            let variables = table::ALL.into_iter().map(|setting| setting.variable);
            variables.chain(table::OTHER_VARIABLES)
        };
        let Some(unknown) = self.0.keys().find(|name| !known().any(|one| one == *name)) else {
            return Ok(());
        };
        Err(SettingsError::Unknown {
            place: "the environment".to_owned(),
            name: unknown.clone(),
            advice: suggest(unknown, known()),
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
