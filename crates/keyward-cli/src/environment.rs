//! The environment variables that concern us.

mod service_links;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// The server that the client commands talk to.
pub const SERVER_VARIABLE: &str = "KEYWARD_SERVER";
/// The access token with which a person uses the client commands.
pub const TOKEN_VARIABLE: &str = "KEYWARD_TOKEN";
/// The file that holds it.
pub const TOKEN_FILE_VARIABLE: &str = "KEYWARD_TOKEN_FILE";
/// The authorities that may vouch for the server that the client commands talk to.
pub const CA_FILE_VARIABLE: &str = "KEYWARD_CA_FILE";

/// The doors that the clients in other languages ask.
const DOORS_VARIABLE: &str = "KEYWARD_URL";
/// The door key of those clients, and of the recipes for proxies.
const DOOR_KEY_VARIABLE: &str = "KEYWARD_DOOR_KEY";
/// The revision that a build of the program names.
const REVISION_VARIABLE: &str = "KEYWARD_REVISION";

/// The variables that programs of ours read, and that are no settings of the server: it lets them
/// pass, for it may be started in a shell that has them.
pub const OF_OTHER_PROGRAMS: [&str; 7] = [
    SERVER_VARIABLE,
    TOKEN_VARIABLE,
    TOKEN_FILE_VARIABLE,
    CA_FILE_VARIABLE,
    DOORS_VARIABLE,
    DOOR_KEY_VARIABLE,
    REVISION_VARIABLE,
];

/// The prefix of the name of each of our variables.
const PREFIX: &str = "KEYWARD_";
/// Our variables with other names, which they had before there was a prefix.
pub const WITHOUT_PREFIX: [&str; 3] = ["ADMIN_API_KEY", "ADMIN_API_KEY_NEXT", "DATABASE_URL"];

/// The variables that concern us: `KEYWARD_…` and [`WITHOUT_PREFIX`].
///
/// An empty variable counts as not set, since that is how compose files leave one out, and so does
/// a variable that Kubernetes sets in pods next to a Service of this name.
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

/// An environment variable of ours, by its name, is not UTF-8.
#[derive(Debug, Error)]
#[error("environment variable {0} is not valid UTF-8; set it to plain text")]
pub struct NotText(pub String);

impl Environment {
    /// Picks our variables out of `variables`, such as [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// Returns [`NotText`] if one of ours is not UTF-8.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, NotText> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else { continue };
            if !name.starts_with(PREFIX) && !WITHOUT_PREFIX.contains(&&*name) {
                continue;
            }
            let Ok(value) = value.into().into_string() else {
                return Err(NotText(name));
            };
            if !value.is_empty() && !service_links::is_one(&name, &value) {
                ours.insert(name, Zeroizing::new(value));
            }
        }
        Ok(Self(ours))
    }

    /// The value of one of our variables.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// The names of our variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
