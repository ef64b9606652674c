//! The variables that Kubernetes puts into every pod next to a Service, in the form that Docker's
//! links once had.
//!
//! Next to a Service that is named `keyward`, or `keyward-` and more, they begin with `KEYWARD_`
//! and would pass for settings. Source: Kubernetes, "Service", section "Environment variables".

use std::net::{IpAddr, SocketAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether a variable is one of these, by its name and by its value. No setting has such a name and
/// takes such a value.
pub(super) fn is_one(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") {
        return is_address(value);
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port(value);
    }
    // `…_PORT`, `…_PORT_8000_TCP`, and that with `_PROTO`, `_PORT` or `_ADDR` at its end.
    if let Some((link, "PROTO" | "PORT" | "ADDR")) = name.rsplit_once('_')
        && is_link(link)
    {
        return is_port(value) || is_address(value) || PROTOCOLS.contains(&value);
    }
    (name.ends_with("_PORT") || is_link(name)) && is_url(value)
}

/// Whether a name ends like `_PORT_8000_TCP`.
fn is_link(name: &str) -> bool {
    let Some((before, protocol)) = name.rsplit_once('_') else { return false };
    let Some((before, port)) = before.rsplit_once('_') else { return false };
    before.ends_with("_PORT")
        && is_port(port)
        && PROTOCOLS.iter().any(|known| known.to_ascii_uppercase() == protocol)
}

fn is_url(value: &str) -> bool {
    let Some((protocol, socket)) = value.split_once("://") else { return false };
    PROTOCOLS.contains(&protocol) && socket.parse::<SocketAddr>().is_ok()
}

fn is_port(value: &str) -> bool {
    value.parse::<u16>().is_ok()
}

fn is_address(value: &str) -> bool {
    // A Service without an address of its own has this word instead.
    value == "None" || value.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_is_known_by_name_and_value() {
        for (name, value) in [
            ("KEYWARD_SERVICE_HOST", "10.0.0.7"),
            ("KEYWARD_SERVICE_HOST", "fd00::7"),
            ("KEYWARD_SERVICE_PORT", "8000"),
            ("KEYWARD_SERVICE_PORT_HTTP_ADMIN", "8001"),
            ("KEYWARD_PORT", "tcp://10.0.0.7:8000"),
            ("KEYWARD_PORT", "udp://[fd00::7]:8000"),
            ("KEYWARD_PORT_8000_TCP", "tcp://10.0.0.7:8000"),
            ("KEYWARD_PORT_8000_TCP_PROTO", "tcp"),
            ("KEYWARD_PORT_8000_TCP_PORT", "8000"),
            ("KEYWARD_PORT_8000_TCP_ADDR", "10.0.0.7"),
            ("KEYWARD_ADMIN_PORT", "tcp://10.0.0.8:80"),
            ("KEYWARD_ADMIN_SERVICE_HOST", "10.0.0.8"),
            ("KEYWARD_DB_PORT_5432_TCP_ADDR", "10.0.0.9"),
        ] {
            assert!(is_one(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_mistyped_setting_is_none_of_them() {
        for (name, value) in [
            ("KEYWARD_PORT", "8000"),
            ("KEYWARD_PORT", "127.0.0.1:8000"),
            ("KEYWARD_PORT", "http://10.0.0.7:8000"),
            ("KEYWARD_PORT", "tcp://keyward:8000"),
            ("KEYWARD_HOST", "10.0.0.7"),
            ("KEYWARD_SERVICE_HOST", "keyward"),
            ("KEYWARD_SERVICE_PORT", "http"),
            ("KEYWARD_PORT_8000", "tcp://10.0.0.7:8000"),
            ("KEYWARD_PORT_HTTP_TCP", "tcp://10.0.0.7:8000"),
            ("KEYWARD_LISTEN_ADDR", "10.0.0.7"),
            ("KEYWARD_LISTN", "10.0.0.7:8000"),
        ] {
            assert!(!is_one(name, value), "{name}={value}");
        }
    }
}
