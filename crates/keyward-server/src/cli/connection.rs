//! Which server a command talks to, how it proves that it may, and whether people or programs
//! read what it says.

use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;

use crate::client::{Client, ServerUrl};
use crate::settings::{
    AdminKey, Environment, SERVER_VARIABLE, SettingsError, Source, read_key_file,
};

/// Which server a command talks to, and how it proves that it may.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Connection {
    #[arg(
        long,
        value_name = "URL",
        value_parser = ServerUrl::parse,
        help = "The server [default: http://127.0.0.1:8000] [env: KEYWARD_SERVER]"
    )]
    server: Option<ServerUrl>,
    #[arg(
        long,
        value_name = "FILE",
        alias = "admin-key-file",
        help = "A file with the admin key, unless ADMIN_API_KEY is set \
                [env: KEYWARD_ADMIN_API_KEY_FILE]"
    )]
    admin_api_key_file: Option<PathBuf>,
}

/// What nearly every command takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Print JSON, with the server's names
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// The admin key is missing, or is none.
#[derive(Debug, Error)]
pub(super) enum AdminKeyError {
    #[error(
        "no admin key; set ADMIN_API_KEY to the key that the server has, or give \
         --admin-api-key-file FILE"
    )]
    Missing,
    #[error("{0}")]
    Unusable(String),
}

impl Common {
    /// The client for the server that was named.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        self.connection.client()
    }
}

impl Connection {
    /// The client for the server that was named.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let environment = Environment::of(std::env::vars_os())?;
        let admin_key = self.admin_key(&environment)?;
        let server = server(self.server.as_ref(), &environment)?;
        Ok(Client::new(server.unwrap_or_default(), admin_key))
    }

    /// The same, or nothing if there is no admin key.
    pub(super) fn client_if_configured(&self) -> anyhow::Result<Option<Client>> {
        match self.client() {
            Err(error) if matches!(error.downcast_ref(), Some(AdminKeyError::Missing)) => Ok(None),
            client => client.map(Some),
        }
    }

    /// The admin key from where `keyward serve` would take it, too.
    fn admin_key(&self, environment: &Environment) -> Result<AdminKey, AdminKeyError> {
        let text = environment.find("ADMIN_API_KEY");
        let file = environment.find("KEYWARD_ADMIN_API_KEY_FILE").map(Path::new);
        let key = match (self.admin_api_key_file.as_deref(), file, text) {
            (Some(file), ..) | (None, Some(file), None) => read_key_file(file),
            (None, None, Some(text)) => {
                AdminKey::parse(text).map_err(|problem| format!("ADMIN_API_KEY {problem}"))
            }
            (None, Some(_), Some(_)) => {
                let both = "ADMIN_API_KEY and KEYWARD_ADMIN_API_KEY_FILE are both set";
                Err(format!("{both}; keep one of the two"))
            }
            (None, None, None) => return Err(AdminKeyError::Missing),
        };
        key.map_err(AdminKeyError::Unusable)
    }
}

/// The server that the command line names, or else the environment.
///
/// # Errors
///
/// Returns [`SettingsError`] if what the environment names is none.
pub(super) fn server(
    typed: Option<&ServerUrl>,
    environment: &Environment,
) -> Result<Option<ServerUrl>, SettingsError> {
    if let Some(server) = typed {
        return Ok(Some(server.clone()));
    }
    // Clap would take a variable that is empty for a server, where settings count it as not set.
    let server = environment.find(SERVER_VARIABLE).map(ServerUrl::parse).transpose();
    server.map_err(|problem| SettingsError::Invalid {
        name: "server",
        origin: Source::Environment(SERVER_VARIABLE),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().copied()).unwrap()
    }

    #[test]
    fn a_server_is_named_by_a_flag_or_else_by_a_variable() {
        let flag = ServerUrl::parse("http://flag").unwrap();
        let named = |flag, variable| {
            let found = server(flag, &environment(&[(SERVER_VARIABLE, variable)]));
            found.map(|server| server.map(|server| server.as_str().to_owned()))
        };
        assert_eq!(named(Some(&flag), "http://variable").unwrap().unwrap(), "http://flag");
        assert_eq!(named(None, "http://variable").unwrap().unwrap(), "http://variable");
        assert_eq!(named(None, "").unwrap(), None);
        assert!(matches!(named(None, "variable"), Err(SettingsError::Invalid { .. })));
    }

    #[test]
    fn an_admin_key_is_in_a_file_or_in_a_variable() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("{name}\n")).unwrap();
            path
        };
        let (flag, variable) = (file("of-the-flag"), file("of-the-variable"));
        let key = |flag: Option<&PathBuf>, variables: &[(&str, &str)]| {
            let connection = Connection { server: None, admin_api_key_file: flag.cloned() };
            let key = connection.admin_key(&environment(variables));
            key.map(|key| key.expose().to_owned()).map_err(|error| error.to_string())
        };
        let text = ("ADMIN_API_KEY", "of-the-text");
        let file = ("KEYWARD_ADMIN_API_KEY_FILE", variable.to_str().unwrap());
        assert_eq!(key(Some(&flag), &[text, file]).unwrap(), "of-the-flag");
        assert_eq!(key(None, &[file]).unwrap(), "of-the-variable");
        assert_eq!(key(None, &[text]).unwrap(), "of-the-text");
        assert!(key(None, &[text, file]).unwrap_err().ends_with("keep one of the two"));
        assert!(key(None, &[]).unwrap_err().starts_with("no admin key; "));
    }
}
