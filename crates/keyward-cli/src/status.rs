//! The exit status of a command, and its message on standard error after a failure.

use std::io::{self, IsTerminal as _, Write as _};

use thiserror::Error;

use crate::client::ClientError;

use crate::connection::ConnectionError;
use crate::mask::masked;
use crate::output::{in_ascii, is_ascii_wanted, printable};

/// The meaning of the exit statuses, for `--help`.
pub const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed: the server rejected it, something was not imported, or a check did not pass
  2  wrong usage, or settings that cannot be used
  3  the server cannot be reached, or the connection broke
  4  there is no such key, tier or owner";

/// The text below the help of a command: examples, and its exit statuses.
pub fn examples(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("Examples:\n{lines}\n{EXIT_STATUSES}")
}

/// The exit status of a command.
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

/// An error of the command itself, not of the server.
#[derive(Debug, Error)]
pub enum Complaint {
    /// The typed or piped input makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The requested object does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A key has a new secret that could not be shown.
    #[error("{0}")]
    Unshown(String, #[source] io::Error),
    /// Everything has been reported already; only the status is left.
    #[error("not everything is well")]
    Told(Status),
}

impl Status {
    /// The exit status of a command that failed with this error.
    pub fn of(error: &anyhow::Error) -> Self {
        // The reader of our output has seen enough, as in `keyward key list | head`.
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
            Some(
                ClientError::Rejected { .. }
                | ClientError::OtherForm { .. }
                | ClientError::Foreign { .. },
            )
            | None => Self::Failed,
        }
    }
}

/// Reports an error and its causes on standard error.
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

/// Writes one line to standard error. Text in it from a server or a file cannot steer the terminal,
/// and a key in it is not repeated.
pub fn tell(text: &str) {
    let text = locally(&printable(&masked(text)));
    // If this cannot be written, the exit status still reports it.
    let _unheard = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The note about a key that was issued, imported or resumed, if not every node knows of it yet.
/// `everywhere` is as the server says it.
pub fn late(everywhere: Option<bool>) -> Option<&'static str> {
    let note =
        "Not every node knows of it yet: one that is late may deny requests for some seconds.";
    (everywhere == Some(false)).then_some(note)
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
