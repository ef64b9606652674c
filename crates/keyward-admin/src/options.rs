//! The options of a control plane.

use std::num::NonZeroU32;

use url::Url;

use crate::access::AccessOptions;
use crate::backup::Backups;

/// Options of a control plane. By default it is closed: there is neither an admin key nor an
/// issuer, so that every request is rejected.
///
/// ```
/// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
/// use keyward_admin::{AccessOptions, AdminOptions};
///
/// let admin_keys = AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?);
/// let options = AdminOptions {
///     access: AccessOptions { admin_keys, ..AccessOptions::default() },
///     leak_reports: 60.try_into().ok(),
///     ..AdminOptions::default()
/// };
/// assert!(options.backups.is_none() && options.github_leaks.is_none());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AdminOptions {
    /// Who may use it, and from where. [`set_access`](crate::Control::set_access) changes this
    /// while it serves.
    pub access: AccessOptions,
    /// Most reports of leaked keys that one address may send in a minute to `POST /leaks`, where
    /// any client that holds a secret may have its key revoked. `None`, the default, leaves that
    /// route out.
    pub leak_reports: Option<NonZeroU32>,
    /// The URL of the public keys with which GitHub signs its reports to `POST /leaks/github`.
    /// `None`, the default, leaves that route out.
    pub github_leaks: Option<Url>,
    /// What makes the copies of `GET /admin/backup`. `None`, the default, leaves that route out, as
    /// for a store that cannot be copied.
    pub backups: Option<Backups>,
}
