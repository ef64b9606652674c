//! What was set, and by whom: flags, environment and settings file, in that order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use zeroize::Zeroizing;

use super::table::{self, Form, Setting};
use super::{AdminKey, CONFIG_FILE, Row, SettingsError, Source};

/// Most bytes of an admin key file that are read: the longest key and a line end fit twice.
const KEY_FILE_LEN_MAX: u64 = 1_024;
/// Most bytes of a settings file that are read.
const CONFIG_LEN_MAX: u64 = 64 * 1_024;
/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// The settings that the command line gave. There is no flag for a secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// Texts by the name of their setting.
    pub values: BTreeMap<&'static str, String>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("The settings file [env: {}]", table::CONFIG_VARIABLE))
            .help_heading("Settings");
        let flags = table::ALL.into_iter().filter_map(|setting| {
            let flag = setting.flag?;
            let default = setting.default.map(|text| format!(" [default: {text}]"));
            let default = default.unwrap_or_default();
            let help = format!("{}{default} [env: {}]", setting.doc, setting.variable);
            let arg = Arg::new(setting.name).long(flag).value_name(setting.form.word());
            let long_help = format!("{help}\n{}", setting.extremes);
            Some(arg.help(help).long_help(long_help).help_heading("Settings"))
        });
        command.arg(config).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = table::ALL.into_iter().filter(|setting| setting.flag.is_some());
        let values = flags.filter_map(|setting| {
            Some((setting.name, matches.get_one::<String>(setting.name)?.clone()))
        });
        Ok(Self { values: values.collect(), config: matches.get_one("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The variables that concern us: `KEYWARD_…` and those in the table.
///
/// One that is empty counts as not set, since that is how compose files leave one out.
pub(crate) struct Environment(BTreeMap<String, Zeroizing<String>>);

impl Environment {
    /// Picks our variables out of `variables`, such as [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError::NotText`] if one of ours is not UTF-8.
    pub(crate) fn of<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingsError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else { continue };
            let concerns_us = name.starts_with("KEYWARD_")
                || table::ALL.into_iter().any(|setting| setting.variable == name);
            if !concerns_us {
                continue;
            }
            let Ok(value) = value.into().into_string() else {
                return Err(SettingsError::NotText(name));
            };
            if !value.is_empty() {
                ours.insert(name, Zeroizing::new(value));
            }
        }
        Ok(Self(ours))
    }

    /// The value of one of our variables.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    fn check_names(&self) -> Result<(), SettingsError> {
        let known = || {
            let variables = table::ALL.into_iter().map(|setting| setting.variable);
            variables.chain([table::CONFIG_VARIABLE, table::SERVER_VARIABLE])
        };
        let Some(unknown) = self.0.keys().find(|name| !known().any(|one| one == *name)) else {
            return Ok(());
        };
        Err(SettingsError::Unknown {
            place: "the environment".to_owned(),
            name: unknown.clone(),
            advice: suggest(unknown, known()),
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The settings file as read, by name.
struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl ConfigFile {
    /// Reads the file at `path`. One that nobody named need not be there.
    fn read(path: PathBuf, is_named: bool) -> Result<Self, SettingsError> {
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

/// Everything that was set, and a note of what has been read of it.
pub(super) struct Given<'a> {
    layers: Layers<'a>,
    directory: &'a Path,
    rows: Vec<Row>,
}

/// Who can set something; the first one who did counts.
struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    file: ConfigFile,
}

impl Layers<'_> {
    /// The text of a setting, and who set it.
    fn find(&self, setting: &'static Setting) -> (Option<&str>, Source) {
        if let Some(text) = self.flags.values.get(setting.name) {
            return (Some(text), Source::Flag);
        }
        if let Some(text) = self.environment.find(setting.variable) {
            return (Some(text), Source::Environment(setting.variable));
        }
        if let Some(text) = self.file.values.get(setting.name) {
            return (Some(text), Source::File(self.file.path.clone()));
        }
        (setting.default, Source::Default)
    }
}

impl<'a> Given<'a> {
    pub(super) fn gather(
        flags: &'a Flags,
        environment: &'a Environment,
        directory: &'a Path,
    ) -> Result<Self, SettingsError> {
        environment.check_names()?;
        let variable = || environment.find(table::CONFIG_VARIABLE).map(PathBuf::from);
        let named = flags.config.clone().or_else(variable);
        let is_named = named.is_some();
        let path = directory.join(named.unwrap_or_else(|| PathBuf::from(CONFIG_FILE)));
        let file = ConfigFile::read(path, is_named)?;
        Ok(Self { layers: Layers { flags, environment, file }, directory, rows: Vec::new() })
    }

    /// Reads one setting and notes what it was and where it came from.
    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str, &Form) -> Result<T, String>,
    ) -> Result<T, SettingsError> {
        let (text, source) = self.layers.find(setting);
        let text = text.unwrap_or_default();
        let value = parse(text, &setting.form).map_err(|problem| SettingsError::Invalid {
            name: setting.name,
            origin: source.clone(),
            problem,
        })?;
        self.rows.push(Row { name: setting.name, value: text.to_owned(), source });
        Ok(value)
    }

    /// Reads the admin key from wherever it is: given as such, or in a file.
    pub(super) fn read_admin_key(&mut self) -> Result<Option<AdminKey>, SettingsError> {
        let (text, text_source) = self.layers.find(&table::ADMIN_API_KEY);
        let (file, file_source) = self.layers.find(&table::ADMIN_API_KEY_FILE);
        let is_given_twice = text.is_some() && text_source.rank() == file_source.rank();
        if is_given_twice {
            return Err(SettingsError::Invalid {
                name: table::ADMIN_API_KEY_FILE.name,
                origin: file_source,
                problem: "`admin_api_key` is set in the same place; keep one of the two".to_owned(),
            });
        }
        // What is not set ranks last.
        let file_counts = file_source.rank() < text_source.rank();
        let (key, name, source) = if file_counts {
            let key = file.map(|file| read_key_file(&self.directory.join(file)));
            (key, table::ADMIN_API_KEY_FILE.name, &file_source)
        } else {
            (text.map(AdminKey::parse), table::ADMIN_API_KEY.name, &text_source)
        };
        let key = key.transpose().map_err(|problem| SettingsError::Invalid {
            name,
            origin: source.clone(),
            problem,
        })?;

        let word = if key.is_some() { "set" } else { "not set" }.to_owned();
        let file = file.unwrap_or("not set").to_owned();
        let key_source = source.clone();
        self.rows.extend([
            Row { name: table::ADMIN_API_KEY.name, value: word, source: key_source },
            Row { name: table::ADMIN_API_KEY_FILE.name, value: file, source: file_source },
        ]);
        Ok(key)
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
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

/// Names the known name that looks most like `unknown`, or says where to find them all.
fn suggest(unknown: &str, known: impl Iterator<Item = &'static str>) -> String {
    // The prefix would make all variables look alike.
    let bare = |name: &str| name.trim_start_matches("KEYWARD_").to_lowercase();
    let unknown = bare(unknown);
    let likeness = |name: &str| strsim::jaro_winkler(&unknown, &bare(name));
    let nearest = known.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest.filter(|(likeness, _)| LIKENESS_MIN <= *likeness) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "`keyward serve --help` lists those there are".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::Settings;
    use super::*;

    /// An empty working directory, what its `keyward.toml` says, the environment, and the flags.
    fn read(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<Settings, SettingsError> {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join(CONFIG_FILE), file).unwrap();
        fs::write(directory.path().join("admin.key"), "key-from-the-file\n").unwrap();
        let environment = Environment::of(environment.iter().copied())?;
        let values = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        Settings::read(&Flags { config: None, values }, &environment, directory.path())
    }

    fn row<'a>(settings: &'a Settings, name: &str) -> &'a Row {
        settings.rows().iter().find(|row| row.name == name).unwrap()
    }

    fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
        read(file, environment, &[]).unwrap_err().to_string()
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let check = |file, environment: &[_], flags: &[_], value, source: fn(&Source) -> bool| {
            let settings = read(file, environment, flags).unwrap();
            let row = row(&settings, "flush_every");
            assert_eq!(row.value, value);
            assert!(source(&row.source), "{:?}", row.source);
        };
        let file = "flush_every = \"2s\"";
        let environment = [("KEYWARD_FLUSH_EVERY", "3s")];
        let flags = [("flush_every", "4s")];
        check("", &[], &[], "1s", |source| *source == Source::Default);
        check(file, &[], &[], "2s", |source| matches!(source, Source::File(_)));
        check(file, &environment, &[], "3s", |source| {
            *source == Source::Environment("KEYWARD_FLUSH_EVERY")
        });
        check(file, &environment, &flags, "4s", |source| *source == Source::Flag);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let settings = read("", &[("KEYWARD_LISTEN", ""), ("ADMIN_API_KEY", "")], &[]).unwrap();
        assert_eq!(row(&settings, "listen").source, Source::Default);
        assert!(settings.admin_key.is_none());
    }

    #[test]
    fn other_programs_variables_are_left_alone() {
        assert!(read("", &[("PATH", "/bin"), ("KEYWARDEN", "x")], &[]).is_ok());
    }

    #[test]
    fn numbers_in_the_file_need_no_quotes() {
        let settings = read("connections_max = 7", &[], &[]).unwrap();
        assert_eq!(settings.connections_max.get(), 7);
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_known_one() {
        let advice = |error: String| error.rsplit("; ").next().unwrap().to_owned();
        for (variable, nearest) in [
            ("KEYWARD_LISTN", "did you mean `KEYWARD_LISTEN`?"),
            ("KEYWARD_ADMIN_API_KEY", "did you mean `ADMIN_API_KEY`?"),
            ("KEYWARD_DATABASE", "did you mean `DATABASE_URL`?"),
            ("KEYWARD_ZZZ", "`keyward serve --help` lists those there are"),
        ] {
            assert_eq!(advice(refusal("", &[(variable, "x")])), nearest, "{variable}");
        }
        assert_eq!(advice(refusal("flush_evry = \"1s\"", &[])), "did you mean `flush_every`?");
    }

    #[test]
    fn the_config_and_server_variables_are_known() {
        let config = [("KEYWARD_CONFIG", CONFIG_FILE), ("KEYWARD_SERVER", "http://localhost")];
        assert!(read("", &config, &[]).is_ok());
    }

    #[test]
    fn a_named_settings_file_must_be_there() {
        let error = refusal("", &[("KEYWARD_CONFIG", "elsewhere.toml")]);
        assert!(error.contains("elsewhere.toml cannot be read"), "{error}");
    }

    #[test]
    fn broken_file_is_named_with_its_line_and_without_its_content() {
        let error = refusal("listen = \"127.0.0.1:1\"\nadmin_api_key = hunter2-hunter2\n", &[]);
        assert!(error.contains("keyward.toml, line 2: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_bad_value_names_setting_source_and_remedy() {
        let error = refusal("", &[("KEYWARD_FLUSH_EVERY", "5")]);
        insta::assert_snapshot!(error, @"setting `flush_every` (environment variable KEYWARD_FLUSH_EVERY): `5` is not a duration; write it like 500ms, 5s, 2m or 1h");
    }

    #[test]
    fn admin_key_may_be_in_a_file() {
        let settings = read("", &[("KEYWARD_ADMIN_API_KEY_FILE", "admin.key")], &[]).unwrap();
        assert!(settings.admin_key.as_ref().unwrap().equals(b"key-from-the-file"));
        assert_eq!(row(&settings, "admin_api_key").value, "set");
    }

    #[test]
    fn admin_key_is_taken_from_the_place_that_counts_more() {
        let by_variable = [("ADMIN_API_KEY", "key-from-environment")];
        let settings = read("admin_api_key_file = \"admin.key\"", &by_variable, &[]).unwrap();
        assert!(settings.admin_key.unwrap().equals(b"key-from-environment"));

        let by_flag = [("admin_api_key_file", "admin.key")];
        let settings = read("", &by_variable, &by_flag).unwrap();
        assert!(settings.admin_key.unwrap().equals(b"key-from-the-file"));
    }

    #[test]
    fn two_admin_keys_in_one_place_are_refused() {
        let error = refusal(
            "",
            &[("ADMIN_API_KEY", "hunter2"), ("KEYWARD_ADMIN_API_KEY_FILE", "admin.key")],
        );
        assert!(error.contains("keep one of the two") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn rows_never_hold_the_admin_key() {
        let settings = read("", &[("ADMIN_API_KEY", "hunter2-hunter2")], &[]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let names: Vec<_> = settings.rows().iter().map(|row| row.name).collect();
        assert_eq!(names, table::ALL.map(|setting| setting.name));
    }
}
