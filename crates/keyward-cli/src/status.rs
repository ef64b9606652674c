//! What a command ends with, and what it says on standard error when it went wrong.

use std::io::{self, IsTerminal as _, Write as _};

use thiserror::Error;

use crate::client::ClientError;

use crate::connection::ConnectionError;
use crate::mask::masked;
use crate::output::{in_ascii, is_ascii_wanted, printable};

/// What the exit statuses mean, for `--help`.
pub const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed: the server refused, something was not imported, or a check did not pass
  2  wrong usage, or settings that cannot be used
  3  the server cannot be reached, or the connection broke
  4  there is no such key, tier or owner";

/// What stands below the help of a command: how it is typed, and how it ends.
pub fn examples(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("Examples:\n{lines}\n{EXIT_STATUSES}")
}

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Everything was done.
    Done = 0,
    /// The server rejected a request, or a part failed.
    Failed = 1,
    /// Wrong usage, or settings that cannot be used.
    Usage = 2,
    /// The server cannot be reached, or the connection broke.
    Unreachable = 3,
    /// There is no such key, tier or owner.
    NotFound = 4,
}

/// Why a command of its own accord does not end well.
#[derive(Debug, Error)]
pub enum Complaint {
    /// What was typed or piped in makes no sense.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// A key has a secret, and nobody has it.
    #[error("{0}")]
    Unshown(String, #[source] io::Error),
    /// Everything has been said already; only the status is left.
    #[error("not everything is well")]
    Told(Status),
}

impl Status {
    /// What a command that ended with this error ends with.
    pub fn of(error: &anyhow::Error) -> Self {
        // Whoever read our output has seen enough, as in `keyward key list | head`.
        let reader_left = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if reader_left {
            return Self::Done;
        }
        if error.is::<ConnectionError>() {
            return Self::Usage;
        }
        match error.downcast_ref() {
            Some(Complaint::Usage(_)) => return Self::Usage,
            Some(Complaint::NotFound(_)) => return Self::NotFound,
            Some(Complaint::Unshown(..)) => return Self::Failed,
            Some(Complaint::Told(status)) => return *status,
            None => {}
        }
        match error.downcast_ref() {
            Some(
                ClientError::Unreachable { .. }
                | ClientError::Untrusted { .. }
                | ClientError::Broken { .. },
            ) => Self::Unreachable,
            Some(ClientError::NotFound { .. }) => Self::NotFound,
            Some(ClientError::Refused { .. } | ClientError::Foreign { .. }) | None => Self::Failed,
        }
    }
}

/// Says on standard error what went wrong, and why.
pub fn report(error: &anyhow::Error) {
    let is_told = matches!(error.downcast_ref(), Some(Complaint::Told(_)));
    if is_told || Status::of(error) == Status::Done {
        return;
    }
    tell(&format!("error: {error}"));
    for cause in error.chain().skip(1) {
        tell(&format!("  cause: {cause}"));
    }
}

/// Says one line on standard error. What comes from a server or a file in it cannot steer the
/// terminal, and a key in it is not repeated.
pub fn tell(text: &str) {
    let text = locally(&printable(&masked(text)));
    // If nobody can be told, the exit status still says it.
    let _unheard = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// A text on standard error as the locale can show it.
pub fn locally(text: &str) -> String {
    if is_ascii_wanted() { in_ascii(text, io::stderr().is_terminal()) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::NotText;

    #[test]
    fn statuses_tell_failures_apart() {
        let server = || "http://x".to_owned();
        let cause = || Box::new(ureq::Error::HostNotFound);
        let check = |error: anyhow::Error, status| assert_eq!(Status::of(&error), status);
        check(anyhow::anyhow!("anything"), Status::Failed);
        check(ClientError::Foreign { server: server() }.into(), Status::Failed);
        check(ConnectionError::NoCredential.into(), Status::Usage);
        check(ConnectionError::NotText(NotText("X".to_owned())).into(), Status::Usage);
        let unreachable = ClientError::Unreachable { server: server(), cause: cause() };
        check(unreachable.into(), Status::Unreachable);
        check(ClientError::NotFound { detail: server() }.into(), Status::NotFound);
        check(Complaint::NotFound(server()).into(), Status::NotFound);
        check(Complaint::Usage(server()).into(), Status::Usage);
        check(Complaint::Told(Status::Failed).into(), Status::Failed);
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        check(Complaint::Unshown(server(), closed()).into(), Status::Failed);
        check(closed().into(), Status::Done);
    }
}
