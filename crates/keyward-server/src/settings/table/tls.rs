//! The settings of TLS, for each listener.

use super::{Form, Setting};

/// The form of each certificate, and its effect.
const CERTIFICATE: &str = "In PEM, the server's first, then those of the authorities between. \
                           Without it the listener speaks HTTP alone; with it, HTTPS alone. \
                           SIGHUP reads it anew: connections that are open stay as they are.";
/// The form of each private key.
const KEY: &str = "In PEM, without a passphrase, and readable by the server's user alone.";

pub(crate) const TLS_CERTIFICATE: Setting = Setting {
    name: "tls_certificate",
    variable: "KEYWARD_TLS_CERTIFICATE",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the certificate of the public listener",
    extremes: CERTIFICATE,
};

pub(crate) const TLS_KEY: Setting = Setting {
    name: "tls_key",
    variable: "KEYWARD_TLS_KEY",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the private key to `tls_certificate`",
    extremes: KEY,
};

pub(crate) const ADMIN_TLS_CERTIFICATE: Setting = Setting {
    name: "admin_tls_certificate",
    variable: "KEYWARD_ADMIN_TLS_CERTIFICATE",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the certificate of `admin_listen`",
    extremes: CERTIFICATE,
};

pub(crate) const ADMIN_TLS_KEY: Setting = Setting {
    name: "admin_tls_key",
    variable: "KEYWARD_ADMIN_TLS_KEY",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the private key to `admin_tls_certificate`",
    extremes: KEY,
};

pub(crate) const DOORS_TLS_CERTIFICATE: Setting = Setting {
    name: "doors_tls_certificate",
    variable: "KEYWARD_DOORS_TLS_CERTIFICATE",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the certificate of `doors_listen`",
    extremes: CERTIFICATE,
};

pub(crate) const DOORS_TLS_KEY: Setting = Setting {
    name: "doors_tls_key",
    variable: "KEYWARD_DOORS_TLS_KEY",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the private key to `doors_tls_certificate`",
    extremes: KEY,
};

pub(crate) const METRICS_TLS_CERTIFICATE: Setting = Setting {
    name: "metrics_tls_certificate",
    variable: "KEYWARD_METRICS_TLS_CERTIFICATE",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the certificate of `metrics_listen`",
    extremes: CERTIFICATE,
};

pub(crate) const METRICS_TLS_KEY: Setting = Setting {
    name: "metrics_tls_key",
    variable: "KEYWARD_METRICS_TLS_KEY",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the private key to `metrics_tls_certificate`",
    extremes: KEY,
};

pub(crate) const DOOR_CLIENT_CA: Setting = Setting {
    name: "door_client_ca",
    variable: "KEYWARD_DOOR_CLIENT_CA",
    form: Form::Text("FILE"),
    default: None,
    doc: "The file with the certificates of the authorities whose clients may use the doors",
    extremes: "In PEM. A client without a certificate of one of them does not get as far as a \
               request. It needs `doors_tls_certificate`, and holds in addition to \
               `door_networks` and `door_keys_file`. If it is not set, clients need no \
               certificate.",
};
