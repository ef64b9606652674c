//! The files that settings are read from: `keyward.toml`, and one that holds the admin key.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::table::{self, suggest};
use super::{AdminKey, SettingsError, Source};

/// Most bytes of an admin key file that are read: the longest key and a line end fit twice.
const KEY_FILE_LEN_MAX: u64 = 1_024;
/// Most bytes of a settings file that are read.
const CONFIG_LEN_MAX: u64 = 64 * 1_024;

/// The settings file as read, by name.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) values: BTreeMap<String, String>,
}

impl ConfigFile {
    /// Reads the file at `path`. One that nobody named need not be there.
    pub(super) fn read(path: PathBuf, is_named: bool) -> Result<Self, SettingsError> {
        match read_bounded(&path, CONFIG_LEN_MAX) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
                Ok(Self { path, values: BTreeMap::new() })
            }
            Err(cause) => {
                Err(SettingsError::Unreadable { path: path.display().to_string(), cause })
            }
        }
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, SettingsError> {
        let shown = path.display().to_string();
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            SettingsError::Malformed {
                path: shown.clone(),
                line: before.matches('\n').count() + 1,
                problem: error.message().to_owned(),
            }
        })?;
        let mut values = BTreeMap::new();
        for (name, value) in table {
            let Some(setting) = table::ALL.into_iter().find(|setting| setting.name == name) else {
                let known = table::ALL.into_iter().map(|setting| setting.name);
                let advice = suggest(&name, known);
                return Err(SettingsError::Unknown {
                    place: format!("file {shown}"),
                    name,
                    advice,
                });
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    return Err(SettingsError::Invalid {
                        name: setting.name,
                        origin: Source::File(path),
                        problem: "must be a text in quotes or a whole number".to_owned(),
                    });
                }
            };
            values.insert(name, text);
        }
        Ok(Self { path, values })
    }
}

/// Reads an admin key from a file. An error says what is wrong, never what the file holds.
pub(crate) fn read_key_file(path: &Path) -> Result<AdminKey, String> {
    let shown = path.display();
    let text = read_bounded(path, KEY_FILE_LEN_MAX)
        .map_err(|error| format!("file {shown} cannot be read: {error}"))?;
    AdminKey::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|problem| format!("the key in file {shown} {problem}"))
}

fn read_bounded(path: &Path, len_max: u64) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let len = fs::File::open(path)?.take(len_max + 1).read_to_string(&mut text)?;
    if usize::try_from(len_max).is_ok_and(|len_max| len_max < len) {
        return Err(io::Error::other(format!("it is longer than {len_max} bytes")));
    }
    Ok(text)
}
