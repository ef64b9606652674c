//! The precedence of sources: flags before environment before settings file before defaults.

use std::path::{Path, PathBuf};

use keyward_api::admin_key::AdminKey;
use keyward_cli::environment::{Environment, OF_OTHER_PROGRAMS};
use keyward_cli::secret_file::read_key_file;

use super::file::ConfigFile;
use super::flags::Flags;
use super::table::{self, Form, Setting, suggest};
use super::{CONFIG_FILE, SettingRow, SettingsError, Source};

/// The values of all sources, and the rows of the settings that have been read.
pub(super) struct Sources<'a> {
    layers: Layers<'a>,
    directory: &'a Path,
    rows: Vec<SettingRow>,
}

/// The sources of values, in the order of their precedence.
struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    file: ConfigFile,
}

impl Layers<'_> {
    /// The text of a setting, and its source.
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

impl<'a> Sources<'a> {
    pub(super) fn gather(
        flags: &'a Flags,
        environment: &'a Environment,
        directory: &'a Path,
    ) -> Result<Self, SettingsError> {
        check_names(environment)?;
        let variable = || environment.find(table::CONFIG_VARIABLE).map(PathBuf::from);
        let named = flags.config.clone().or_else(variable);
        let is_named = named.is_some();
        let path = directory.join(named.unwrap_or_else(|| PathBuf::from(CONFIG_FILE)));
        let file = ConfigFile::read(path, is_named)?;
        Ok(Self { layers: Layers { flags, environment, file }, directory, rows: Vec::new() })
    }

    /// The directory in which relative paths start.
    pub(super) fn directory(&self) -> &'a Path {
        self.directory
    }

    /// The text of a setting, without a row for it.
    pub(super) fn peek(&self, setting: &'static Setting) -> Option<&str> {
        self.layers.find(setting).0
    }

    /// The source of a setting.
    pub(super) fn source(&self, setting: &'static Setting) -> Source {
        self.layers.find(setting).1
    }

    /// Reads one setting, and adds a row of its value and its source.
    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str, &Form) -> Result<T, String>,
    ) -> Result<T, SettingsError> {
        self.read_shown(setting, parse, |text, _| text.to_owned())
    }

    /// Reads one setting whose text is shown in this way.
    pub(super) fn read_shown<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str, &Form) -> Result<T, String>,
        shown: impl FnOnce(&str, &T) -> String,
    ) -> Result<T, SettingsError> {
        let (text, source) = self.layers.find(setting);
        let text = text.unwrap_or_default();
        let value = parse(text, &setting.form).map_err(|problem| SettingsError::Invalid {
            name: setting.name,
            origin: source.clone(),
            problem,
        })?;
        let text = shown(text, &value);
        self.rows.push(SettingRow { name: setting.name, value: text, source });
        Ok(value)
    }

    /// Reads one setting that has no default.
    pub(super) fn read_optional<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str, &Form) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        if self.peek(setting).is_some() {
            return self.read(setting, parse).map(Some);
        }
        let value = "not set".to_owned();
        self.rows.push(SettingRow { name: setting.name, value, source: Source::Default });
        Ok(None)
    }

    /// Rejects the value of a setting because of another setting.
    pub(super) fn reject(&self, setting: &'static Setting, problem: &str) -> SettingsError {
        let (_, origin) = self.layers.find(setting);
        SettingsError::Invalid { name: setting.name, origin, problem: problem.to_owned() }
    }

    /// Reads an admin key, given as such or in a file.
    pub(super) fn read_admin_key(
        &mut self,
        as_text: &'static Setting,
        in_file: &'static Setting,
    ) -> Result<Option<AdminKey>, SettingsError> {
        let (text, text_source) = self.layers.find(as_text);
        let (file, file_source) = self.layers.find(in_file);
        let is_given_twice = text.is_some() && text_source.rank() == file_source.rank();
        if is_given_twice {
            return Err(SettingsError::Invalid {
                name: in_file.name,
                origin: file_source,
                problem: format!(
                    "`{}` is set in the same place; keep one of the two",
                    as_text.name
                ),
            });
        }
        // A source that is not set ranks last.
        let file_counts = file_source.rank() < text_source.rank();
        let (key, name, source) = if file_counts {
            let key = file.map(|file| read_key_file(&self.directory.join(file)));
            (key, in_file.name, &file_source)
        } else {
            (text.map(AdminKey::parse), as_text.name, &text_source)
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
            SettingRow { name: as_text.name, value: word, source: key_source },
            SettingRow { name: in_file.name, value: file, source: file_source },
        ]);
        Ok(key)
    }

    pub(super) fn into_rows(self) -> Vec<SettingRow> {
        self.rows
    }
}

/// Rejects names that are no setting: a typing error must not turn a limit off.
fn check_names(environment: &Environment) -> Result<(), SettingsError> {
    let settings = || table::ALL.into_iter().map(|setting| setting.variable);
    let known = || settings().chain([table::CONFIG_VARIABLE]).chain(OF_OTHER_PROGRAMS);
    let Some(unknown) = environment.names().find(|name| !known().any(|one| one == *name)) else {
        return Ok(());
    };
    Err(SettingsError::Unknown {
        place: "the environment".to_owned(),
        name: unknown.to_owned(),
        advice: suggest(unknown, known()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use keyward_cli::environment::WITHOUT_PREFIX;
    use tempfile::TempDir;

    use super::super::Settings;
    use super::*;

    #[test]
    fn the_environment_has_the_variable_of_every_setting() {
        let of_settings = table::ALL.map(|setting| setting.variable);
        let without_prefix = of_settings.into_iter().filter(|name| !name.starts_with("KEYWARD_"));
        assert_eq!(BTreeSet::from(WITHOUT_PREFIX), without_prefix.collect());
    }

    fn text(key: &Option<AdminKey>) -> &str {
        key.as_ref().unwrap().expose()
    }

    /// Reads the settings in a directory with this `keyward.toml`, with this environment and these
    /// flags.
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

    fn row<'a>(settings: &'a Settings, name: &str) -> &'a SettingRow {
        settings.rows().iter().find(|row| row.name == name).unwrap()
    }

    fn rejection(file: &str, environment: &[(&str, &str)]) -> String {
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
    fn variables_of_other_programs_are_ignored() {
        assert!(read("", &[("PATH", "/bin"), ("KEYWARDEN", "x")], &[]).is_ok());
        assert!(read("", &[("KEYWARD_PORT", "tcp://10.0.0.7:8000")], &[]).is_ok());
        assert!(read("", &[("KEYWARD_PORT", "8000")], &[]).is_err());
    }

    #[test]
    fn numbers_in_the_file_need_no_quotes() {
        let settings = read("connections_max = 7", &[], &[]).unwrap();
        assert_eq!(settings.connections_max.get(), 7);
    }

    #[test]
    fn unknown_names_are_rejected_with_the_nearest_known_one() {
        let advice = |error: String| error.rsplit("; ").next().unwrap().to_owned();
        for (variable, nearest) in [
            ("KEYWARD_LISTN", "did you mean `KEYWARD_LISTEN`?"),
            ("KEYWARD_ADMIN_API_KEY", "did you mean `ADMIN_API_KEY`?"),
            ("KEYWARD_DATABASE", "did you mean `DATABASE_URL`?"),
            ("KEYWARD_ZZZ", "`keyward serve --help` lists all of them"),
        ] {
            assert_eq!(advice(rejection("", &[(variable, "x")])), nearest, "{variable}");
        }
        assert_eq!(advice(rejection("flush_evry = \"1s\"", &[])), "did you mean `flush_every`?");
    }

    #[test]
    fn variables_that_programs_of_ours_read_are_known() {
        for variable in [table::CONFIG_VARIABLE].into_iter().chain(OF_OTHER_PROGRAMS) {
            let read = read("", &[(variable, CONFIG_FILE)], &[]);
            assert!(read.is_ok(), "{variable}: {read:?}");
        }
    }

    #[test]
    fn a_named_settings_file_must_be_there() {
        let error = rejection("", &[("KEYWARD_CONFIG", "elsewhere.toml")]);
        assert!(error.contains("elsewhere.toml cannot be read"), "{error}");
    }

    #[test]
    fn broken_file_is_named_with_its_line_and_without_its_content() {
        let error = rejection("listen = \"127.0.0.1:1\"\nadmin_api_key = hunter2-hunter2\n", &[]);
        assert!(error.contains("keyward.toml, line 2: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_line_that_is_no_setting_is_rejected_with_its_fault() {
        let reject = |line: &str| rejection(&format!("log = \"info\"\n{line}\n"), &[]);
        for (line, words) in [
            ("listen = 127.0.0.1:8000", "a text is in quotes"),
            ("listen = localhost", "a text is in quotes"),
            ("listen: \"127.0.0.1:8000\"", "written like listen ="),
            ("listen =", "nothing after `=`"),
            ("listen = \"127.0.0.1:8000", "ends with one"),
            ("listen = \u{201c}127.0.0.1:8000\u{201d}", "typographic"),
            ("database = \"C:\\keys.db\"", "a backslash"),
            ("log = \"warn\"", "each is written once"),
        ] {
            let error = reject(line);
            assert!(error.contains("keyward.toml, line 2: ") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_rejected_with_a_remedy() {
        let directory = TempDir::new().unwrap();
        let utf16 = "listen = \"127.0.0.1:1\"\n".encode_utf16().flat_map(u16::to_le_bytes);
        let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
        let path = directory.path().join(CONFIG_FILE);
        fs::write(&path, &bytes).unwrap();
        let environment = Environment::of::<&str, &str>([]).unwrap();
        let read = || Settings::read(&Flags::default(), &environment, directory.path());
        let error = read().unwrap_err().to_string();
        assert!(error.ends_with("keyward.toml is not UTF-8; save it as UTF-8"), "{error}");
        fs::write(&path, "\u{feff}admin_api_key_file = \"admin.key\"").unwrap();
        fs::write(directory.path().join("admin.key"), &bytes).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.ends_with("admin.key is not UTF-8; save it as UTF-8"), "{error}");
        fs::write(directory.path().join("admin.key"), "\u{feff}of-an-editor\r\n").unwrap();
        assert_eq!(text(&read().unwrap().admin_key), "of-an-editor");
    }

    #[test]
    fn a_bad_value_names_setting_source_and_remedy() {
        let error = rejection("", &[("KEYWARD_FLUSH_EVERY", "5")]);
        insta::assert_snapshot!(error, @"setting `flush_every` (environment variable KEYWARD_FLUSH_EVERY): `5` is not a duration; write it like 500ms, 5s, 2m or 1h");
    }

    #[test]
    fn admin_key_may_be_in_a_file() {
        let settings = read("", &[("KEYWARD_ADMIN_API_KEY_FILE", "admin.key")], &[]).unwrap();
        assert_eq!(text(&settings.admin_key), "key-from-the-file");
        assert_eq!(row(&settings, "admin_api_key").value, "set");
    }

    #[test]
    fn admin_key_is_read_from_the_source_with_precedence() {
        let by_variable = [("ADMIN_API_KEY", "key-from-environment")];
        let settings = read("admin_api_key_file = \"admin.key\"", &by_variable, &[]).unwrap();
        assert_eq!(text(&settings.admin_key), "key-from-environment");

        let by_flag = [("admin_api_key_file", "admin.key")];
        let settings = read("", &by_variable, &by_flag).unwrap();
        assert_eq!(text(&settings.admin_key), "key-from-the-file");
    }

    #[test]
    fn two_admin_keys_in_one_source_are_rejected() {
        let error = rejection(
            "",
            &[("ADMIN_API_KEY", "hunter2"), ("KEYWARD_ADMIN_API_KEY_FILE", "admin.key")],
        );
        assert!(error.contains("keep one of the two") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_next_admin_key_has_settings_of_its_own_and_needs_the_first() {
        let first = ("ADMIN_API_KEY", "key-from-environment");
        let next = read("admin_api_key_next_file = \"admin.key\"", &[first], &[]).unwrap();
        assert_eq!(text(&next.admin_key), "key-from-environment");
        assert_eq!(text(&next.admin_key_next), "key-from-the-file");
        let next = ("ADMIN_API_KEY_NEXT", "the-next-key");
        let settings = read("", &[first, next], &[]).unwrap();
        assert_eq!(text(&settings.admin_key_next), "the-next-key");
        assert!(settings.rows().iter().all(|row| !row.value.contains("the-next-key")));
        let alone = read("", &[next], &[]).unwrap_err().to_string();
        assert!(alone.contains("`admin_api_key_next`") && alone.contains("to replace"), "{alone}");
        let alone = read("admin_api_key_next_file = \"admin.key\"", &[], &[]).unwrap_err();
        assert!(alone.to_string().contains("`admin_api_key_next_file`"), "{alone}");
        let both = [first, next, ("KEYWARD_ADMIN_API_KEY_NEXT_FILE", "admin.key")];
        let twice = read("", &both, &[]).unwrap_err().to_string();
        assert!(twice.contains("`admin_api_key_next` is set in the same place"), "{twice}");
    }

    #[test]
    fn rows_never_hold_the_admin_key() {
        let settings = read("", &[("ADMIN_API_KEY", "hunter2-hunter2")], &[]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let names: Vec<_> = settings.rows().iter().map(|row| row.name).collect();
        assert_eq!(names, table::ALL.map(|setting| setting.name));
    }
}
