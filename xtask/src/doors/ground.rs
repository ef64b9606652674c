//! What all proxies stand on: Keyward, the API, a verifier that is silent; and each proxy on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::api::Api;
use super::keyward::Keyward;
use super::lane::{CLIENT, Lane};
use super::programs::Programs;
use super::proxy::{Place, Proxy, SCOPE};
use super::verifiers::{self, LateRelay, Relay};
use crate::child::Child;
use crate::http::{Connection, Request};
use crate::ports::Ports;
use crate::tools;

/// Everything but the proxies.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) keyward: Keyward,
    /// For Apache alone.
    introspected: Option<Introspected>,
    api: Api,
    /// Where a verifier listens that never responds.
    silent: u16,
    ports: Ports,
    /// Everything that this run writes.
    pub(crate) folder: PathBuf,
}

/// A Keyward whose doors have TLS and a door key: Apache asks no other.
#[derive(Debug)]
struct Introspected {
    keyward: Keyward,
    certificate: PathBuf,
    door_key: String,
}

/// A proxy, four times: in front of Keyward, of a port that is closed, of the silent verifier, and
/// of Keyward once more, with a mistake in its recipe.
#[derive(Debug)]
pub(crate) struct Stand {
    /// Ended when this is dropped.
    children: Vec<Child>,
    proxy: Proxy,
    live: u16,
    dead: u16,
    silent: u16,
    mistaken: u16,
    relay: Relay,
    /// HAProxy once more, in front of a relay that loses each first response.
    pub(crate) late: Option<(u16, LateRelay)>,
}

impl Ground {
    /// Starts everything but the proxies.
    pub(crate) fn prepare(programs: &Programs, proxies: &[Proxy]) -> Result<Self> {
        let folder = tools::target()?.join("doors");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("removing the files of the run before")?;
        }
        let ports = Ports::new();
        let keyward = Keyward::start(&programs.keyward, &folder.join("keyward"), &ports, &[])?;
        let introspected = if proxies.contains(&Proxy::Apache) {
            Some(Introspected::start(programs, &folder.join("introspected"), &ports)?)
        } else {
            None
        };
        let (api, silent) = (Api::start()?, verifiers::silent()?);
        Ok(Self { keyward, introspected, api, silent, ports, folder })
    }

    /// Starts a proxy, which is not ready yet.
    pub(crate) fn stand(&self, proxy: Proxy, programs: &Programs) -> Result<Stand> {
        let doors = self.keyward_of(proxy)?.doors;
        let relay = Relay::start(doors)?;
        let mut children = Vec::new();
        let mut start = |name: &str, keyward: u16, scope: &str| -> Result<u16> {
            let port = self.ports.take()?;
            let folder = self.folder.join(format!("{}-{name}", proxy.name()));
            let (certificate, door_key) = match &self.introspected {
                Some(it) => (it.certificate.as_path(), it.door_key.as_str()),
                None => (Path::new(""), ""),
            };
            let door_key = if scope == SCOPE { door_key } else { "wrong" };
            let api = self.api.port;
            let place = Place { folder: &folder, port, keyward, api, scope, certificate, door_key };
            children.push(proxy.start(programs, place)?);
            Ok(port)
        };
        let live = start("live", relay.port, SCOPE)?;
        let dead = start("dead", self.ports.take()?, SCOPE)?;
        let silent = start("silent", self.silent, SCOPE)?;
        let mistaken = start("mistaken", doors, "/scope/articles")?;
        let late = if proxy == Proxy::Haproxy {
            let relay = LateRelay::start(doors)?;
            Some((start("late", relay.port, SCOPE)?, relay))
        } else {
            None
        };
        Ok(Stand { children, proxy, live, dead, silent, mistaken, relay, late })
    }

    pub(crate) fn lane<'a>(&'a self, stand: &'a Stand) -> Result<Lane<'a>> {
        let Stand { proxy, live, dead, silent, mistaken, ref relay, .. } = *stand;
        let (keyward, api) = (self.keyward_of(proxy)?, &self.api);
        Ok(Lane { proxy, port: live, dead, silent, mistaken, keyward, relay, api, names: 0.into() })
    }

    /// The Keyward that a proxy asks.
    fn keyward_of(&self, proxy: Proxy) -> Result<&Keyward> {
        if proxy != Proxy::Apache {
            return Ok(&self.keyward);
        }
        let introspected = self.introspected.as_ref();
        introspected.map(|it| &it.keyward).context("Apache has a Keyward of its own")
    }

    /// Every Keyward that runs.
    pub(crate) fn keywards(&self) -> impl Iterator<Item = &Keyward> {
        self.introspected.iter().map(|it| &it.keyward).chain([&self.keyward])
    }
}

impl Stand {
    /// Waits until the proxies hand requests on: Traefik listens before it has read its recipe.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let is_ready = |port: u16| {
            let preflight = Request::new("OPTIONS", "/ready");
            let response = Connection::open(CLIENT, port).and_then(|mut it| it.send(&preflight));
            response.is_ok_and(|response| response.status() == 200)
        };
        self.children.iter_mut().try_for_each(|child| child.wait_until(is_ready))
    }
}

impl Introspected {
    fn start(programs: &Programs, folder: &Path, ports: &Ports) -> Result<Self> {
        fs::create_dir_all(folder).context("making the directory of a Keyward")?;
        let file = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            Ok(path.display().to_string())
        };
        let (certificate, key) = certificate(folder)?;
        let (door_key, line) = door_key(&programs.keyward)?;
        let settings = [
            ("KEYWARD_DOORS_TLS_CERTIFICATE", certificate.clone()),
            ("KEYWARD_DOORS_TLS_KEY", key),
            ("KEYWARD_DOOR_KEYS_FILE", file("door-keys", &line)?),
        ];
        let keyward = Keyward::start(&programs.keyward, folder, ports, &settings)?;
        Ok(Self { keyward, certificate: certificate.into(), door_key })
    }
}

/// Makes a certificate for this machine as an operator does: its path, and its key's.
fn certificate(folder: &Path) -> Result<(String, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (path("doors.pem"), path("doors.key"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-nodes", "-days", "30", "-subj", "/CN=keyward"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &certificate]);
    let output = command.output().context("starting openssl")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((certificate, key))
}

/// Makes a door key as an operator does: the key, and its line for the file.
fn door_key(program: &Path) -> Result<(String, String)> {
    let output = Command::new(program).args(["door-key", "apache"]).output();
    let output = output.context("making a door key")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("a door key is text")?;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (key, line) = (value("door key ").context("a key")?, value("line ").context("its line")?);
    Ok((key.to_owned(), format!("{line}\n")))
}
