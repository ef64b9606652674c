//! Which server a command talks to, how it authenticates, and whether people or programs read its
//! output.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_api::access_token::AccessToken;
use keyward_api::admin_key::AdminKey;
use keyward_tls::{Authorities, Trust};
use thiserror::Error;

use crate::client::{Client, Credential, Fetcher, Response, ServerUrl};
use crate::environment::{
    CA_FILE_VARIABLE, Environment, NotText, SERVER_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE,
};
use crate::output::Output;
use crate::secret_file::{read_key_file, read_token_file};

/// The variables that hold a credential, or name a file that holds one.
const CREDENTIAL_VARIABLES: [&str; 4] =
    ["ADMIN_API_KEY", "KEYWARD_ADMIN_API_KEY_FILE", TOKEN_VARIABLE, TOKEN_FILE_VARIABLE];

/// Which server a command talks to, and how it proves that it may.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Connection {
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
        conflicts_with = "token_file",
        help = "A file with the admin key, unless ADMIN_API_KEY is set \
                [env: KEYWARD_ADMIN_API_KEY_FILE]"
    )]
    admin_api_key_file: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
}

/// The files that identify the caller and the server.
#[derive(Debug, Default, Args)]
pub struct Files {
    #[arg(
        long,
        value_name = "FILE",
        help = "A file with your access token, in place of the admin key, unless KEYWARD_TOKEN \
                holds it [env: KEYWARD_TOKEN_FILE]"
    )]
    token_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "FILE",
        help = "A PEM file with the authorities that may vouch for the server, in place of the \
                system's [env: KEYWARD_CA_FILE]"
    )]
    ca_file: Option<PathBuf>,
}

/// The arguments of nearly every command.
#[derive(Debug, Args)]
pub struct Common {
    /// Print JSON, with the server's names
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A value that a connection needs is missing, or invalid.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// There is neither an admin key nor an access token.
    #[error(
        "no admin key and no access token; set ADMIN_API_KEY to the key that the server has, or \
         give --admin-api-key-file FILE, or --token-file FILE to act as yourself"
    )]
    NoCredential,
    /// The variable that names the server does not hold a URL of one.
    #[error("setting `server` (environment variable {SERVER_VARIABLE}): {0}")]
    NoServer(String),
    /// A variable is not text.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// A credential or a file with authorities cannot be used; the text has the reason.
    #[error("{0}")]
    Unusable(String),
}

impl Common {
    /// The client for the server that was named.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectionError`] for the first flag or variable that cannot be used.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.connection.client()
    }

    /// Prints a response: the server's JSON if that is asked for, and else its body in words.
    pub(crate) fn print<T>(
        &self,
        response: &Response<T>,
        out: &mut Output,
        in_words: impl FnOnce(&T, &mut Output) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        Ok(if self.json { out.json(&response.json) } else { in_words(&response.body, out) }?)
    }
}

impl Connection {
    /// The client for the server that was named.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectionError`] for the first flag or variable that cannot be used.
    pub fn client(&self) -> anyhow::Result<Client> {
        let environment = Environment::of(std::env::vars_os()).map_err(ConnectionError::NotText)?;
        let credential = self.credential(&environment)?;
        let server = server(self.server.as_ref(), &environment)?;
        let trust = self.files.trust(&environment)?;
        Ok(Client::new(server.unwrap_or_default(), &trust, credential))
    }

    /// The same, or `None` if there is no credential.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectionError`] for the first flag or variable that cannot be used.
    pub fn client_if_configured(&self) -> anyhow::Result<Option<Client>> {
        let has_none = |error: &anyhow::Error| {
            matches!(error.downcast_ref(), Some(ConnectionError::NoCredential))
        };
        match self.client() {
            Err(error) if has_none(&error) => Ok(None),
            client => client.map(Some),
        }
    }

    /// A client that fetches documents from any server.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectionError`] for the first flag or variable that cannot be used.
    pub fn fetcher(&self) -> anyhow::Result<Fetcher> {
        let environment = Environment::of(std::env::vars_os()).map_err(ConnectionError::NotText)?;
        Ok(Fetcher::new(self.files.trust(&environment)?.for_anywhere()))
    }

    /// The credential that a flag names, or else the one of the environment: the admin key from
    /// where `keyward serve` would take it, or an access token.
    fn credential(&self, environment: &Environment) -> Result<Credential, ConnectionError> {
        if let Some(file) = &self.admin_api_key_file {
            return read_key_file(file)
                .map(Credential::AdminKey)
                .map_err(ConnectionError::Unusable);
        }
        let set = |name: &&str| environment.find(name).is_some();
        let set: Vec<_> = CREDENTIAL_VARIABLES.into_iter().filter(set).collect();
        if self.files.token_file.is_none()
            && let [first, second, ..] = set.as_slice()
        {
            let both = format!("{first} and {second} are both set");
            return Err(ConnectionError::Unusable(format!("{both}; keep one of the two")));
        }
        if let Some(token) = self.files.token(environment) {
            return token.map(Credential::Token);
        }
        let text = environment.find("ADMIN_API_KEY").map(|text| {
            AdminKey::parse(text).map_err(|problem| format!("ADMIN_API_KEY {problem}"))
        });
        let file = environment.find("KEYWARD_ADMIN_API_KEY_FILE").map(Path::new);
        let key = text.or_else(|| file.map(read_key_file)).ok_or(ConnectionError::NoCredential)?;
        key.map(Credential::AdminKey).map_err(ConnectionError::Unusable)
    }
}

impl Files {
    /// The access token: of the file that a flag names, or else of the environment.
    pub fn token(&self, environment: &Environment) -> Option<Result<AccessToken, ConnectionError>> {
        let token = match (&self.token_file, environment.find(TOKEN_VARIABLE)) {
            (Some(file), _) => read_token_file(file),
            (None, Some(text)) => {
                AccessToken::parse(text).map_err(|problem| format!("{TOKEN_VARIABLE} {problem}"))
            }
            (None, None) => read_token_file(Path::new(environment.find(TOKEN_FILE_VARIABLE)?)),
        };
        Some(token.map_err(ConnectionError::Unusable))
    }

    /// The authorities that may vouch for the server.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectionError`] for the first flag or variable that cannot be used.
    pub fn trust(&self, environment: &Environment) -> Result<Trust, ConnectionError> {
        let named = || environment.find(CA_FILE_VARIABLE).map(Path::new);
        let file = self.ca_file.as_deref().or_else(named);
        let authorities = file.map(Authorities::read).transpose();
        authorities.map(Trust::of).map_err(ConnectionError::Unusable)
    }
}

/// The server that the command line names, or else the environment.
///
/// # Errors
///
/// Returns [`ConnectionError::NoServer`] if the server that the environment names is invalid.
pub fn server(
    typed: Option<&ServerUrl>,
    environment: &Environment,
) -> Result<Option<ServerUrl>, ConnectionError> {
    if let Some(server) = typed {
        return Ok(Some(server.clone()));
    }
    // Clap would take an empty variable as a server, where settings count it as not set.
    let server = environment.find(SERVER_VARIABLE).map(ServerUrl::parse).transpose();
    server.map_err(ConnectionError::NoServer)
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
        assert!(matches!(named(None, "variable"), Err(ConnectionError::NoServer(_))));
    }

    /// The credential that these flags and variables make: its kind, and its text.
    fn credential(
        key_file: Option<&Path>,
        token_file: Option<&Path>,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let file = |path: Option<&Path>| path.map(Path::to_owned);
        let files = Files { token_file: file(token_file), ca_file: None };
        let connection = Connection { server: None, admin_api_key_file: file(key_file), files };
        let credential = connection.credential(&environment(variables));
        credential.map_err(|error| error.to_string()).map(|credential| match credential {
            Credential::AdminKey(key) => format!("key {}", key.expose()),
            Credential::Token(token) => token.authorization().to_lowercase(),
        })
    }

    #[test]
    fn a_credential_is_named_by_a_flag_or_else_by_one_variable() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("\u{feff}{name}\n")).unwrap();
            path
        };
        let (flag, variable) = (file("of-the-flag"), file("of-the-variable"));
        let variable = variable.to_str().unwrap();
        let all = [
            ("ADMIN_API_KEY", "of-the-text"),
            ("KEYWARD_ADMIN_API_KEY_FILE", variable),
            ("KEYWARD_TOKEN", "of-the-text"),
            ("KEYWARD_TOKEN_FILE", variable),
        ];
        let told = [
            ("key of-the-text", "key of-the-flag"),
            ("key of-the-variable", "key of-the-flag"),
            ("bearer of-the-text", "bearer of-the-flag"),
            ("bearer of-the-variable", "bearer of-the-flag"),
        ];
        for (one, (alone, _)) in all.iter().zip(told) {
            assert_eq!(credential(None, None, &[*one]).unwrap(), alone);
            assert_eq!(credential(Some(&flag), None, &[*one]).unwrap(), "key of-the-flag");
            assert_eq!(credential(None, Some(&flag), &[*one]).unwrap(), "bearer of-the-flag");
            for other in all.iter().filter(|other| other.0 != one.0) {
                let problem = credential(None, None, &[*one, *other]).unwrap_err();
                assert!(problem.contains(one.0) && problem.contains(other.0), "{problem}");
                assert!(problem.ends_with("keep one of the two"), "{problem}");
            }
        }
        assert_eq!(credential(Some(&flag), None, &all).unwrap(), "key of-the-flag");
        assert_eq!(credential(None, Some(&flag), &all).unwrap(), "bearer of-the-flag");
        assert!(credential(None, None, &[]).unwrap_err().starts_with("no admin key and no "));
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said_without_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "Bearer eyJh.e30").unwrap();
        let of_file = credential(None, Some(&path), &[]).unwrap_err();
        let of_text = credential(None, None, &[("KEYWARD_TOKEN", "eyJh .e30")]).unwrap_err();
        assert!(of_file.contains("token begins with the word `Bearer`"), "{of_file}");
        assert!(of_text.starts_with("KEYWARD_TOKEN has a space"), "{of_text}");
        assert!(!format!("{of_file}{of_text}").contains("eyJh"));
        let missing = credential(None, Some(Path::new("no/such/file")), &[]).unwrap_err();
        assert!(missing.starts_with("file no/such/file cannot be read: "), "{missing}");
    }
}
