//! Whether the admin key is strong enough for the network from which the admin routes are
//! reachable.

use super::strength::looks_made_up;
use super::{Settings, SettingsError, table};

/// Fewest characters of an admin key whose listener is reachable from other machines: 24
/// hexadecimal digits are 96 bits, too many to guess over a network.
const EXPOSED_KEY_LEN_MIN: usize = 24;

impl Settings {
    /// Rejects an admin key that is easy to guess, if other machines can reach the listener of the
    /// admin routes: off loopback, or behind a proxy.
    ///
    /// On loopback any key will do, and without one it opens nothing.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError::Exposed`] if other machines can reach the listener and the key is
    /// short, or [`looks_made_up`].
    pub(crate) fn check_exposure(&self) -> Result<(), SettingsError> {
        let listen = self.admin_listen.unwrap_or(self.listen);
        // `::ffff:127.0.0.1` is loopback too.
        let is_exposed =
            !listen.ip().to_canonical().is_loopback() || !self.trusted_proxies.is_empty();
        if !is_exposed {
            return Ok(());
        }
        for (key, name, variable) in [
            (&self.admin_key, "the admin key", table::ADMIN_API_KEY.variable),
            (&self.admin_key_next, "the next admin key", table::ADMIN_API_KEY_NEXT.variable),
        ] {
            if let Some(why) = key.as_ref().and_then(|key| weakness(key.expose())) {
                return Err(SettingsError::Exposed { listen, key: name, variable, why });
            }
        }
        Ok(())
    }
}

/// Why a key is easy to guess, if it is.
fn weakness(key: &str) -> Option<&'static str> {
    if key.len() < EXPOSED_KEY_LEN_MIN {
        return Some("is shorter than 24 characters");
    }
    looks_made_up(key).then_some("is made of words, repetitions or sequences, as in an example")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use super::super::{Environment, Flags};
    use super::*;

    #[track_caller]
    fn check_with(variables: &[(&str, &str)], passes: bool) {
        let environment = Environment::of(variables.iter().copied()).unwrap();
        let settings =
            Settings::read(&Flags::default(), &environment, Path::new("/nonexistent")).unwrap();
        assert_eq!(settings.check_exposure().is_ok(), passes, "{variables:?}");
    }

    #[track_caller]
    fn check(listen: &str, admin_key: Option<&str>, passes: bool) {
        let key = admin_key.unwrap_or("");
        check_with(&[("KEYWARD_LISTEN", listen), ("ADMIN_API_KEY", key)], passes);
    }

    #[test]
    fn exposed_admin_key_has_24_characters() {
        let random = "9f2c51d07be84a63";
        check("0.0.0.0:8000", Some(&format!("{random}9f2c51d")), false);
        check("0.0.0.0:8000", Some(&format!("{random}9f2c51d0")), true);
        check("[::]:8000", Some("short"), false);
        check("0.0.0.0:8000", None, true);
    }

    #[test]
    fn exposed_admin_key_is_not_made_up() {
        check("0.0.0.0:8000", Some(&"x".repeat(24)), false);
        check("0.0.0.0:8000", Some("change-me-change-me-change-me"), false);
        check("0.0.0.0:8000", Some("9f2c51d07be84a6313c8fd05"), true);
    }

    #[test]
    fn the_next_admin_key_is_no_weaker() {
        let listen = ("KEYWARD_LISTEN", "0.0.0.0:8000");
        let first = ("ADMIN_API_KEY", "9f2c51d07be84a6313c8fd05");
        let next = |key| [listen, first, ("ADMIN_API_KEY_NEXT", key)];
        check_with(&next("5b01e9d37c24af8860cd31e7"), true);
        check_with(&next("short"), false);
        check_with(&next("change-me-change-me-change-me"), false);
    }

    #[test]
    fn loopback_takes_any_admin_key() {
        for listen in ["127.0.0.1:8000", "127.9.9.9:8000", "[::1]:8000", "[::ffff:127.0.0.1]:8000"]
        {
            check(listen, Some("x"), true);
            check(listen, Some("an-admin-key-for-these-tests"), true);
        }
    }

    #[test]
    fn only_the_listener_of_the_admin_routes_counts() {
        let key = ("ADMIN_API_KEY", "short");
        let public = ("KEYWARD_LISTEN", "0.0.0.0:8000");
        check_with(&[key, public, ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:8001")], true);
        check_with(&[key, public, ("KEYWARD_ADMIN_LISTEN", "10.0.0.1:8001")], false);
        check_with(&[key, ("KEYWARD_ADMIN_LISTEN", "10.0.0.1:8001")], false);
    }

    #[test]
    fn a_proxy_makes_loopback_reachable() {
        check_with(&[("ADMIN_API_KEY", "short"), ("KEYWARD_TRUSTED_PROXIES", "127.0.0.1")], false);
    }

    #[test]
    fn admin_keys_of_the_source_are_rejected() {
        let sources = [
            include_str!("../../tests/it/server.rs"),
            include_str!("../../benches/http/program.rs"),
        ];
        for source in sources {
            let printed = source.split("ADMIN_KEY: &str = \"").nth(1).unwrap();
            check("0.0.0.0:8000", printed.split('"').next(), false);
        }
    }

    #[test]
    fn exposure_is_rejected_with_a_remedy() {
        let error = SettingsError::Exposed {
            listen: SocketAddr::from(([0, 0, 0, 0], 8000)),
            key: "the admin key",
            variable: "ADMIN_API_KEY",
            why: "is shorter than 24 characters",
        };
        insta::assert_snapshot!(error, @"other machines can reach the admin routes on 0.0.0.0:8000, but the admin key is shorter than 24 characters; make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY, or serve the admin routes on 127.0.0.1 alone, without a proxy");
    }
}
