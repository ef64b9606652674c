//! Reading the settings anew while the program serves, as SIGHUP asks for.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use keyward_admin::Control;
use keyward_axum::origin::TrustedProxies;
use keyward_doors::Doors;

use crate::log::Log;
use crate::settings::{ReadSettings, SettingRow, Settings, SettingsError, is_live};
use crate::tls::AllTls;

/// The parts of the server in which changed settings take effect.
pub(crate) struct Reload {
    /// Reads the settings as they were read at the start: the same flags and environment, and the
    /// files as they are now.
    pub(crate) read: Arc<ReadSettings>,
    /// The control plane, for its authentication.
    pub(crate) control: Control,
    /// The proxies that the guard trusts.
    pub(crate) proxies: TrustedProxies,
    /// The doors, if there are any.
    pub(crate) doors: Option<Doors>,
    /// The TLS of the listeners.
    pub(crate) tls: AllTls,
    /// The log.
    pub(crate) log: Arc<Log>,
    /// The settings in force.
    pub(crate) rows: Vec<SettingRow>,
}

impl Reload {
    /// Reads the settings and the files that they name; logs the changed settings, and the changes
    /// that need a restart. If anything is invalid, all stays as it is.
    pub(crate) async fn run(&mut self) {
        let read = Arc::clone(&self.read);
        // A file may be on a slow network.
        let settings = tokio::task::spawn_blocking(move || {
            let settings = read()?;
            settings.check_exposure()?;
            Ok::<_, SettingsError>(settings)
        });
        let taken = match settings.await.context("reading the settings") {
            Ok(Ok(settings)) => self.take(&settings),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => tracing::info!("Read the settings anew"),
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(%error, cause, "Kept all settings as they were: one is invalid");
            }
        }
    }

    fn take(&mut self, settings: &Settings) -> anyhow::Result<()> {
        // First, since these alone can fail.
        self.tls.take(settings, Timestamp::now())?;
        self.log.set_filter(&settings.log)?;
        self.proxies.set(settings.trusted_proxies.clone());
        if let Some(doors) = &self.doors {
            doors.set_access(settings.doors.options.clone());
        }
        let changed = self.control.set_access(settings.access());
        for (is_another, message) in [
            (changed.admin_key, "The admin key is another one now"),
            (changed.admin_key_next, "The next admin key is another one now"),
            (changed.people, "The issuer that vouches for people, or its settings, changed"),
        ] {
            if is_another {
                tracing::info!("{message}");
            }
        }
        for row in settings.rows() {
            let Some(ours) = self.rows.iter_mut().find(|ours| ours.name == row.name) else {
                continue;
            };
            let (setting, from, to) = (row.name, &ours.value, &row.value);
            if from == to {
                continue;
            }
            if is_live(setting) {
                tracing::info!(setting, from, to, "A setting is another one now");
                *ours = row.clone();
            } else {
                tracing::warn!(setting, from, to, "A setting needs a restart to take effect");
            }
        }
        Ok(())
    }
}
