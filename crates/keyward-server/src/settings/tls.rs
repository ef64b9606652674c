//! What each listener proves its name with.

use std::path::PathBuf;

use keyward_tls::{Authorities, Identity, IdentityFault};

use super::SettingsError;
use super::sources::Sources;
use super::table::{self, Setting};

/// The TLS of each listener; `None` is HTTP alone.
#[derive(Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) public: Option<Identity>,
    pub(crate) admin: Option<Identity>,
    pub(crate) doors: Option<Identity>,
    /// The authorities whose clients may use the doors; `None` is every client.
    pub(crate) door_clients: Option<Authorities>,
    pub(crate) metrics: Option<Identity>,
}

/// Reads the TLS of every listener.
pub(super) fn read(sources: &mut Sources<'_>) -> Result<TlsSettings, SettingsError> {
    let public = identity(sources, &table::TLS_CERTIFICATE, &table::TLS_KEY, &table::LISTEN)?;
    let admin = (&table::ADMIN_TLS_CERTIFICATE, &table::ADMIN_TLS_KEY);
    let admin = identity(sources, admin.0, admin.1, &table::ADMIN_LISTEN)?;
    let doors = (&table::DOORS_TLS_CERTIFICATE, &table::DOORS_TLS_KEY);
    let doors = identity(sources, doors.0, doors.1, &table::DOORS_LISTEN)?;
    let directory = sources.directory();
    let door_clients = sources.read_optional(&table::DOOR_CLIENT_CA, |text, _| {
        Authorities::read(&directory.join(text))
    })?;
    if door_clients.is_some() && doors.is_none() {
        let problem = "means nothing without `doors_tls_certificate`; set both or none";
        return Err(sources.reject(&table::DOOR_CLIENT_CA, problem));
    }
    let metrics = (&table::METRICS_TLS_CERTIFICATE, &table::METRICS_TLS_KEY);
    let metrics = identity(sources, metrics.0, metrics.1, &table::METRICS_LISTEN)?;
    Ok(TlsSettings { public, admin, doors, door_clients, metrics })
}

/// Reads the two files of a listener.
fn identity(
    sources: &mut Sources<'_>,
    certificate: &'static Setting,
    key: &'static Setting,
    listen: &'static Setting,
) -> Result<Option<Identity>, SettingsError> {
    let directory = sources.directory();
    let mut path = |setting| {
        sources.read_optional(setting, |text, _| Ok::<PathBuf, String>(directory.join(text)))
    };
    let (certificate_path, key_path) = (path(certificate)?, path(key)?);
    let without = |there: &'static Setting, missing: &Setting| {
        let problem = format!("needs `{}` too; set both or none", missing.name);
        Err(sources.reject(there, &problem))
    };
    match (certificate_path, key_path) {
        (None, None) => Ok(None),
        (Some(_), None) => without(certificate, key),
        (None, Some(_)) => without(key, certificate),
        (Some(_), Some(_)) if sources.peek(listen).is_none() => {
            let problem = format!("means nothing without `{}`; set both or none", listen.name);
            Err(sources.reject(certificate, &problem))
        }
        (Some(certificate_path), Some(key_path)) => {
            let identity = Identity::read(&certificate_path, &key_path);
            identity.map(Some).map_err(|fault| match fault {
                IdentityFault::Certificate(problem) => sources.reject(certificate, &problem),
                IdentityFault::Key(problem) => sources.reject(key, &problem),
            })
        }
    }
}
