//! Whether the admin key is hard to guess.

use std::iter;

use keyward_admin::admin_key::AdminKeyDigest;

use crate::settings::{QUOTED, Settings, SettingsError, is_quoted, looks_made_up};

use super::{Check, setting};

/// As many characters as `openssl rand -hex 16` has: 128 bits.
const LEN_ADVISED: usize = 32;
const UNQUOTE: &str = "leave them out if they are none of the key's characters";
const MAKE_NEXT: &str = "make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY_NEXT";
const MAKE_ONE: &str = "make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY";

/// Checks the admin key, and the next one if there is one. Their texts are not shown.
pub(super) fn check(settings: &Settings) -> Vec<Check> {
    let exposed = settings.check_exposure();
    if let Err(SettingsError::Exposed { key, why, .. }) = exposed {
        let found = format!("other machines can reach the server, and {key} {why}");
        return vec![Check::fail("admin key", found, MAKE_ONE)];
    }
    let next = settings.admin_key_next.as_ref().map(|next| {
        let first = settings.admin_key.as_ref().map(AdminKeyDigest::of);
        next_key(next.expose(), first == Some(AdminKeyDigest::of(next)))
    });
    iter::once(first_key(settings)).chain(next).collect()
}

/// A key that replaces itself replaces nothing.
fn next_key(key: &str, is_first: bool) -> Check {
    if is_first {
        let found = "it is the admin key itself, so nothing would be replaced";
        return Check::warn("next admin key", found, MAKE_NEXT);
    }
    let check = strength(key);
    let advice =
        check.advice.map(|advice| if advice == MAKE_ONE { MAKE_NEXT.to_owned() } else { advice });
    Check { what: "next admin key", advice, ..check }
}

fn first_key(settings: &Settings) -> Check {
    let Some(key) = &settings.admin_key else {
        if let Some(issuer) = setting(settings, "oidc_issuer") {
            return Check::ok("admin key", format!("there is none; people sign in at {issuer}"));
        }
        return Check::warn("admin key", "there is none, so no key can be issued", MAKE_ONE);
    };
    strength(key.expose())
}

fn strength(key: &str) -> Check {
    let len = key.len();
    if len < LEN_ADVISED {
        return Check::warn("admin key", format!("it has only {len} characters"), MAKE_ONE);
    }
    if looks_made_up(key) {
        let found = "it is made of words, repetitions or sequences, as in an example";
        return Check::warn("admin key", found, MAKE_ONE);
    }
    if is_quoted(key) {
        return Check::warn("admin key", QUOTED, UNQUOTE);
    }
    Check::ok("admin key", format!("it has {len} characters"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn the_next_admin_key_is_another_one_and_no_weaker() {
        let good = "9f2c51d07be84a6313c8fd05e7a6b2d4";
        let all = [next_key(good, false), next_key(good, true), next_key("hunter2", false)];
        insta::assert_snapshot!(all.each_ref().map(line).join("\n"));
    }

    #[test]
    fn weak_admin_keys_are_noticed_and_none_is_shown() {
        let keys = [
            "an-admin-key-for-these-tests-alone".to_owned(),
            "hunter2".to_owned(),
            "ab".repeat(20),
            "9f2c51d07be84a6313c8fd05e7a6b2d4".to_owned(),
            "\"9f2c51d07be84a6313c8fd05e7a6b2d4\"".to_owned(),
        ];
        let all = keys.each_ref().map(|key| line(&strength(key)));
        for key in &keys {
            assert!(!all.join("\n").contains(key.as_str()));
        }
        insta::assert_snapshot!(all.join("\n"));
    }
}
