//! Whether the certificates of the listeners are valid for a while.

use jiff::Timestamp;

use crate::listener::ListenerName;
use crate::settings::Settings;
use crate::tls::Expiry;

use super::Check;

/// Looks at the certificate of each listener that has one. The settings were read, so each fits its
/// key.
pub(super) fn check(settings: &Settings, now: Timestamp) -> Vec<Check> {
    let check = |name: ListenerName| {
        let expiry = Expiry::of(name.identity(&settings.tls)?, now);
        let found = format!("that of the {} listener {expiry}", name.as_str());
        let advice = "renew it, then send SIGHUP to the server";
        Some(match (expiry.is_past(), expiry.is_near()) {
            (true, _) => Check::fail("certificate", found, advice),
            (false, true) => Check::warn("certificate", found, advice),
            (false, false) => Check::ok("certificate", found),
        })
    };
    ListenerName::ALL.into_iter().filter_map(check).collect()
}
