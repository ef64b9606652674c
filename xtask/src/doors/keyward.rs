//! The real program, and the keys that the matrix asks it for.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::child::Child;
use crate::http::{Connection, Message, Request};
use crate::ports::Ports;

/// Where the chore's own requests come from. It is a trusted proxy in the settings.
pub(crate) const OPERATOR: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A key that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A running Keyward.
#[derive(Debug)]
pub(crate) struct Keyward {
    /// Ended first: what follows is of no use without it.
    child: Child,
    public: u16,
    pub(crate) doors: u16,
    admin_key: String,
    /// Every key so far.
    keys: Mutex<Vec<Key>>,
}

impl Keyward {
    /// Starts it in a directory of its own, with these settings on top.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        ports: &Ports,
        settings: &[(&str, String)],
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let (public, doors) = (ports.take()?, ports.take()?);
        let admin_key = new_admin_key()?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", &format!("127.0.0.1:{public}")]);
        command.args(["--doors-listen", &format!("127.0.0.1:{doors}")]);
        command.current_dir(folder).env_clear();
        command.env("ADMIN_API_KEY", &admin_key).env("KEYWARD_LOG", "warn");
        command.env("KEYWARD_TRUSTED_PROXIES", format!("{OPERATOR}/32"));
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        let mut child = Child::start(command, folder.join("keyward.log"), doors)?;
        child.wait_until_it_listens()?;
        let keyward = Self { child, public, doors, admin_key, keys: Mutex::default() };
        keyward.prepare()?;
        Ok(keyward)
    }

    /// Makes the tier of the keys. A limit by the day gets nothing back while the matrix runs.
    fn prepare(&self) -> Result<()> {
        let limits = json!({ "limits": [limit(100)] });
        let response = self.admin("PUT", "/admin/tiers/matrix", &limits)?;
        ensure!(response.status() < 300, "no tier was made: {}", response.body);
        Ok(())
    }

    /// Issues a key with the fields of `changes` in place of the usual ones.
    pub(crate) fn issue(&self, name: &str, changes: &Value) -> Result<Key> {
        let mut fields = json!({
            "name": name, "tier": "matrix", "owner": "acme", "scopes": ["articles:read", "b:c"],
        });
        if let (Some(fields), Some(changes)) = (fields.as_object_mut(), changes.as_object()) {
            fields.extend(changes.clone());
        }
        let response = self.admin("POST", "/admin/api-keys", &fields)?;
        let issued: Value = serde_json::from_str(&response.body)?;
        let (text, id) = (issued.get("api_key"), issued.get("key_id"));
        let text = text.and_then(Value::as_str);
        let text = text.with_context(|| format!("no key was issued: {}", response.body))?;
        let id = id.and_then(Value::as_u64).context("a key has an id")?;
        let key = Key { id, name: name.to_owned(), text: text.to_owned() };
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        Ok(key)
    }

    /// Revokes a key. From the response on no request gets in with it.
    pub(crate) fn revoke(&self, key: &Key) -> Result<()> {
        let path = format!("/admin/api-keys/{}", key.id);
        let response = self.admin("DELETE", &path, &Value::Null)?;
        ensure!(response.status() == 204, "the key was not revoked: {}", response.body);
        Ok(())
    }

    pub(crate) fn suspend(&self, key: &Key) -> Result<()> {
        let path = format!("/admin/api-keys/{}/suspend", key.id);
        let response = self.admin("POST", &path, &json!({}))?;
        ensure!(response.status() == 200, "the key was not suspended: {}", response.body);
        Ok(())
    }

    /// Asks `POST /verify`, and returns the verdict.
    pub(crate) fn verify(&self, question: &Value) -> Result<Value> {
        let request = Request::new("POST", "/verify").json(question);
        let response = Connection::open(OPERATOR, self.doors)?.send(&request)?;
        ensure!(response.status() == 200, "no verdict: {} {}", response.first, response.body);
        Ok(serde_json::from_str(&response.body)?)
    }

    fn admin(&self, method: &'static str, path: &str, body: &Value) -> Result<Message> {
        let request = Request::new(method, path).header("X-Admin-Key", &self.admin_key);
        let request = if body.is_null() { request } else { request.json(body) };
        Connection::open(OPERATOR, self.public)?.send(&request)
    }

    /// The first file below a directory that holds the text of a key: each was shown once.
    pub(crate) fn leak(&self, folder: &Path) -> Result<Option<PathBuf>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let (path, kind) = (entry.path(), entry.file_type()?);
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let bytes = fs::read(&path).unwrap_or_default();
                    let text = String::from_utf8_lossy(&bytes);
                    if keys.iter().any(|key| text.contains(&key.text)) {
                        return Ok(Some(path));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Fails if it has logged an error.
    pub(crate) fn check_log(&self) -> Result<()> {
        let log = self.child.log();
        ensure!(!log.contains("ERROR"), "Keyward logged errors meanwhile:\n{log}");
        Ok(())
    }
}

/// A limit of so many requests, none of which comes back within minutes.
pub(crate) fn limit(amount: u32) -> Value {
    json!({ "name": "requests", "amount": amount, "per": "1d", "burst": amount })
}

/// Makes an admin key of this run alone.
fn new_admin_key() -> Result<String> {
    let mut bytes = [0; 16];
    let mut source = File::open("/dev/urandom").context("asking the system for randomness")?;
    source.read_exact(&mut bytes).context("reading randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
