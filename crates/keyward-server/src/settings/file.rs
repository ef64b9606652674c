//! The file that settings are read from, `keyward.toml`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use keyward_cli::secret_file::{read_bounded, without_mark};

use super::table::{self, suggest};
use super::{SettingsError, Source};

/// Most bytes of a settings file that are read.
const CONFIG_LEN_MAX: u64 = 64 * 1_024;

/// The settings file as read, by name.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) values: BTreeMap<String, String>,
}

impl ConfigFile {
    /// Reads the file at `path`. The file of the default path need not exist.
    pub(super) fn read(path: PathBuf, is_named: bool) -> Result<Self, SettingsError> {
        match read_bounded(&path, CONFIG_LEN_MAX) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
                Ok(Self { path, values: BTreeMap::new() })
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(SettingsError::NotUtf8 { path: path.display().to_string() })
            }
            Err(cause) => {
                Err(SettingsError::Unreadable { path: path.display().to_string(), cause })
            }
        }
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, SettingsError> {
        let shown = path.display().to_string();
        let table: toml::Table = without_mark(text).parse().map_err(|error: toml::de::Error| {
            let text = without_mark(text);
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let number = before.matches('\n').count();
            SettingsError::Malformed {
                path: shown.clone(),
                line: number + 1,
                problem: problem(text.lines().nth(number).unwrap_or_default()).to_owned(),
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

/// The fault of a line that is not TOML; the most common faults are tried first. The text never
/// quotes the line.
fn problem(line: &str) -> &'static str {
    let Some((_, value)) = line.split_once('=') else {
        return "a setting is written like listen = \"127.0.0.1:8000\"";
    };
    let value = value.trim();
    if value.is_empty() {
        return "there is nothing after `=`; leave the line out, or give the setting a value";
    }
    if value.starts_with(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}']) {
        return "typographic quotation marks; a text is in plain ones, like \"text\"";
    }
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) if value.matches(quote).count() < 2 => {
            "a text that begins with a quotation mark ends with one, in the same line"
        }
        Some('"') if value.contains('\\') => {
            "a backslash in a text in \"…\" is written twice; in '…' it stands for itself"
        }
        Some('"' | '\'') => {
            "not one setting with one text: each is written once and in a line of its own, like \
             listen = \"127.0.0.1:8000\""
        }
        _ => "a text is in quotes, like listen = \"127.0.0.1:8000\"; a whole number is not",
    }
}
