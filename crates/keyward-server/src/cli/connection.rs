//! Which server a command talks to, how it proves that it may, and whether people or programs
//! read what it says.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::client::{Client, ServerUrl};
use crate::settings::{AdminKey, Environment, SERVER_VARIABLE, read_key_file};

/// Which server a command talks to, and how it proves that it may.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Connection {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = SERVER_VARIABLE,
        hide_env_values = true,
        default_value = "http://127.0.0.1:8000",
        value_parser = ServerUrl::parse
    )]
    server: ServerUrl,
    /// A file with the admin key; otherwise the variable `ADMIN_API_KEY` has it
    #[arg(long, value_name = "FILE")]
    admin_key_file: Option<PathBuf>,
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
         --admin-key-file FILE"
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
        Ok(Client::new(self.server.clone(), admin_key))
    }

    /// The same, or nothing if there is no admin key.
    pub(super) fn client_if_configured(&self) -> anyhow::Result<Option<Client>> {
        match self.client() {
            Err(error) if matches!(error.downcast_ref(), Some(AdminKeyError::Missing)) => Ok(None),
            client => client.map(Some),
        }
    }

    fn admin_key(&self, environment: &Environment) -> Result<AdminKey, AdminKeyError> {
        if let Some(file) = &self.admin_key_file {
            return read_key_file(file).map_err(AdminKeyError::Unusable);
        }
        let text = environment.find("ADMIN_API_KEY").ok_or(AdminKeyError::Missing)?;
        AdminKey::parse(text)
            .map_err(|problem| AdminKeyError::Unusable(format!("ADMIN_API_KEY {problem}")))
    }
}
