//! Where the keys are: in a file of this machine, or in PostgreSQL.

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use keyward_postgres::{Address, OpenOptions, check_schema_name};

use super::sources::Sources;
use super::table::{self, Form};
use super::{SettingsError, Source};

/// Where the keys are. Nothing that is printed of it has a password.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// In a SQLite file.
    File(PathBuf),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Server(Box<OpenOptions>),
}

impl Database {
    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Server(_) => None,
        }
    }

    /// Whether its URL has a password.
    pub(crate) fn has_password(&self) -> bool {
        match self {
            Self::File(_) => false,
            #[cfg(feature = "postgres")]
            Self::Server(options) => options.address.has_password(),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            #[cfg(feature = "postgres")]
            Self::Server(options) => options.address.fmt(f),
        }
    }
}

/// Reads the database, and the schema in it.
pub(super) fn read(sources: &mut Sources<'_>) -> Result<Database, SettingsError> {
    let shown = |text: &str, database: &Database| match database.file() {
        Some(_) => text.to_owned(),
        None => database.to_string(),
    };
    let database = sources.read_shown(&table::DATABASE, parse, shown)?;
    let schema = sources.read(&table::DATABASE_SCHEMA, schema)?;
    if database.has_password() && sources.source(&table::DATABASE) == Source::Flag {
        let problem = "has a password, and each user of this machine can read the command lines \
                       that run on it; set the URL as DATABASE_URL, or as `database` in \
                       keyward.toml";
        return Err(sources.reject(&table::DATABASE, problem));
    }
    Ok(in_schema(database, schema))
}

#[cfg(feature = "postgres")]
fn in_schema(database: Database, schema: String) -> Database {
    match database {
        Database::File(path) => Database::File(path),
        Database::Server(options) => Database::Server(Box::new(OpenOptions { schema, ..*options })),
    }
}

#[cfg(not(feature = "postgres"))]
fn in_schema(database: Database, _: String) -> Database {
    database
}

#[cfg(feature = "postgres")]
fn schema(name: &str, _: &Form) -> Result<String, String> {
    check_schema_name(name).map_err(|error| error.to_string())?;
    Ok(name.to_owned())
}

#[cfg(not(feature = "postgres"))]
fn schema(name: &str, _: &Form) -> Result<String, String> {
    Ok(name.to_owned())
}

/// Takes `sqlite:PATH`, `sqlite://PATH`, or the URL of a database of PostgreSQL. Errors leave the
/// URL out, as it may hold a password.
fn parse(url: &str, _: &Form) -> Result<Database, String> {
    if ["postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
        return server(url);
    }
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(
            "is neither SQLite nor PostgreSQL; write it like `sqlite:keyward.db`, or like \
                    `postgres://USER@HOST/DATABASE`"
                .to_owned(),
        );
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == ":memory:" {
        return Err("names no file, and keys must outlive the program; write it like \
                    `sqlite:keyward.db`"
            .to_owned());
    }
    // Python's SQLAlchemy means a relative path by this; here it would be one at the root.
    if path.starts_with("/./") {
        return Err("`sqlite:///./…` is ambiguous; write `sqlite:…` for a relative path and \
                    `sqlite:/…` for an absolute one"
            .to_owned());
    }
    if path.contains('?') {
        return Err("options after `?` are not supported; leave them out".to_owned());
    }
    Ok(Database::File(PathBuf::from(path)))
}

#[cfg(feature = "postgres")]
fn server(url: &str) -> Result<Database, String> {
    let address: Address =
        url.parse().map_err(|error: keyward_postgres::AddressError| error.to_string())?;
    Ok(Database::Server(Box::new(OpenOptions::new(address))))
}

#[cfg(not(feature = "postgres"))]
fn server(_: &str) -> Result<Database, String> {
    Err("is PostgreSQL, which this build of the program leaves out; use one with the feature \
         `postgres`, or a file, such as `sqlite:keyward.db`"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use keyward_cli::environment::Environment;

    use super::super::{Flags, Settings};
    use super::*;

    fn parsed(url: &str) -> Result<Database, String> {
        parse(url, &table::DATABASE.form)
    }

    #[test]
    fn a_file_is_named_by_its_path() {
        for (url, path) in [
            ("sqlite:keyward.db", "keyward.db"),
            ("sqlite://keyward.db", "keyward.db"),
            ("sqlite:///var/lib/keyward.db", "/var/lib/keyward.db"),
            ("sqlite:/var/lib/keyward.db", "/var/lib/keyward.db"),
        ] {
            assert_eq!(parsed(url).unwrap().file(), Some(Path::new(path)), "{url}");
        }
        for url in ["", "keyward.db", "sqlite:", "sqlite://", "sqlite::memory:", "mysql://h/d"] {
            assert!(parsed(url).is_err(), "{url}");
        }
        for url in ["sqlite:///./keyward.db", "sqlite:keyward.db?mode=rwc"] {
            assert!(parsed(url).is_err(), "{url}");
        }
    }

    /// The settings with this URL, and what they print.
    fn settings(flag: bool, url: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("DATABASE_URL", url)];
        let environment = Environment::of(environment.into_iter().filter(|_| !flag)).unwrap();
        let values = [("database", url.to_owned())].into_iter().filter(|_| flag).collect();
        let flags = Flags { config: None, values };
        let read = Settings::read(&flags, &environment, folder.path());
        match read {
            Ok(settings) => Ok(format!("{settings:?} {}", settings.database)),
            Err(error) => Err(format!("{error} {error:?}")),
        }
    }

    #[test]
    fn no_password_is_shown() {
        for url in [
            "postgres://u:hunter2@db.example/keyward",
            "postgresql://u:hunter2@127.0.0.1:5433/keyward?sslmode=verify-full",
            "postgres://u:hunter2@db.example/keyward?sslmode=prefer",
            "postgres://u:hunter2@db.example:x/keyward",
            "postgres://u:hun#ter2@db.example/keyward",
            "postgres:u:hunter2@db",
            "mysql://u:hunter2@h/d",
        ] {
            for flag in [false, true] {
                let told = settings(flag, url).unwrap_or_else(|error| error);
                assert!(!told.contains("hunter2") && !told.contains("ter2"), "{url}: {told}");
            }
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_password_is_no_part_of_a_flag() {
        let url = "postgres://u:hunter2@db.example/keyward";
        let told = settings(false, url).unwrap();
        assert!(told.ends_with(" postgres://u@db.example:5432/keyward"), "{told}");
        let told = settings(true, url).unwrap_err();
        assert!(told.contains("set the URL as DATABASE_URL"), "{told}");
        assert!(settings(true, "postgres://u@db.example/keyward").is_ok());
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn without_postgresql_the_program_says_so() {
        let told = settings(false, "postgres://u@db.example/keyward").unwrap_err();
        assert!(told.contains("feature `postgres`"), "{told}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_schema_is_named_by_a_plain_word() {
        let named = |name: &str| {
            let url = ("DATABASE_URL", "postgres://u@db.example/keyward");
            let environment = [url, ("KEYWARD_DATABASE_SCHEMA", name)];
            let environment = Environment::of(environment).unwrap();
            let read = Settings::read(&Flags::default(), &environment, Path::new("/nowhere"));
            match read.map(|settings| settings.database) {
                Ok(Database::Server(options)) => Ok(options.schema),
                other => Err(format!("{other:?}")),
            }
        };
        assert_eq!(named("").as_deref(), Ok("keyward"));
        assert_eq!(named("keys_2").as_deref(), Ok("keys_2"));
        let told = named("Keys").unwrap_err();
        assert!(told.contains("database_schema"), "{told}");
    }
}
