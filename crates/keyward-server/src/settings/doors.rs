//! Who may ask through the doors: their listener, networks and door keys.

use std::fs;
use std::net::SocketAddr;

use keyward::network::Network;
use keyward_doors::{DoorKeys, DoorOptions};

use super::parse;
use super::sources::Sources;
use super::table::{self, Form};
use super::{SettingsError, read_own_listen};

/// Most bytes of a file of door keys.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Every address.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// The settings of the doors.
#[derive(Clone, Debug)]
pub(crate) struct DoorSettings {
    /// Their listener; `None` if there are no doors.
    pub(crate) listen: Option<SocketAddr>,
    /// Who may ask.
    pub(crate) options: DoorOptions,
}

/// Reads the settings of the doors.
pub(super) fn read(sources: &mut Sources<'_>) -> Result<DoorSettings, SettingsError> {
    let others = [&table::LISTEN, &table::ADMIN_LISTEN, &table::METRICS_LISTEN];
    let listen = read_own_listen(sources, &table::DOORS_LISTEN, &others)?;
    let networks = sources.read_optional(&table::DOOR_NETWORKS, parse::networks)?;
    let directory = sources.directory();
    let keys = |text: &str, _: &Form| read_keys(&directory.join(text));
    let keys = sources.read_optional(&table::DOOR_KEYS_FILE, keys)?;
    let request_ids_max = sources.read(&table::REQUEST_IDS_MAX, parse::whole)?;
    let is_exposed = listen.is_some_and(|at| !at.ip().to_canonical().is_loopback());
    if is_exposed && networks.is_none() && keys.is_none() {
        let problem = "can be reached by other machines, which could say that a request comes \
                       from any address; say who may ask with `door_networks` or `door_keys_file`";
        return Err(sources.reject(&table::DOORS_LISTEN, problem));
    }
    let everywhere = || EVERYWHERE.iter().filter_map(|network| network.parse().ok());
    let usual = DoorOptions::default().networks;
    let networks: Vec<Network> = match (networks, &keys) {
        (Some(networks), _) => networks,
        (None, Some(_)) => everywhere().collect(),
        (None, None) => usual,
    };
    let request_ids_max = usize::try_from(request_ids_max).unwrap_or(usize::MAX);
    let options = DoorOptions { networks, keys: keys.unwrap_or_default(), request_ids_max };
    Ok(DoorSettings { listen, options })
}

fn read_keys(path: &std::path::Path) -> Result<DoorKeys, String> {
    let shown = path.display();
    let unread = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let length = fs::metadata(path).map_err(unread)?.len();
    if FILE_BYTES_MAX < length {
        return Err(format!("{shown} is longer than any file of door keys; name another"));
    }
    let text = fs::read_to_string(path).map_err(unread)?;
    DoorKeys::read(&text).map_err(|error| format!("{shown}: {error}"))
}
