//! The signals of Unix.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Action;

/// How long a terminal may take to close after it hangs up.
const TERMINAL_GOES_WITHIN: Duration = Duration::from_millis(200);

/// The signals, listened to from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    /// These are never read: it is enough that they no longer end the program.
    _ignored: Vec<Signal>,
    /// Whether the end of the present terminal is also the end of the program.
    follows_terminal: bool,
}

impl Signals {
    /// Listens. Without that, each of them ends the program at once, and the counts since the last
    /// flush are lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not let us listen.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        // Checked first: once a handler is installed, SIGHUP is not ignored any more.
        let follows_terminal = has_terminal() && !is_hang_up_ignored();
        let one = |kind, name| signal(kind).with_context(|| format!("listening for {name}"));
        let mut ignored = vec![
            one(SignalKind::user_defined1(), "SIGUSR1")?,
            one(SignalKind::user_defined2(), "SIGUSR2")?,
        ];
        if cfg!(target_os = "linux") {
            // A file that outgrows `ulimit -f`: the write fails, as on a full disk, and is dealt
            // with where it is.
            ignored.push(one(SignalKind::from_raw(FILE_SIZE), "SIGXFSZ")?);
        }
        Ok(Self {
            terminate: one(SignalKind::terminate(), "SIGTERM")?,
            interrupt: one(SignalKind::interrupt(), "Ctrl-C")?,
            quit: one(SignalKind::quit(), "SIGQUIT")?,
            hang_up: one(SignalKind::hangup(), "SIGHUP")?,
            _ignored: ignored,
            follows_terminal,
        })
    }

    /// Waits for the next signal with an action.
    pub(crate) async fn next(&mut self) -> Action {
        tokio::select! {
            _ = self.terminate.recv() => Action::Stop,
            _ = self.interrupt.recv() => Action::Stop,
            _ = self.quit.recv() => Action::Stop,
            _ = self.hang_up.recv() => Action::HangUp,
        }
    }

    /// Whether the terminal is gone in which the program was started, so that SIGHUP means the
    /// end. Never, if SIGHUP was ignored at the start, as `nohup` does it.
    pub(crate) async fn is_terminal_gone(&self) -> bool {
        if !self.follows_terminal {
            return false;
        }
        // When a shell ends, the signal comes just before its terminal goes.
        tokio::time::sleep(TERMINAL_GOES_WITHIN).await;
        !has_terminal()
    }
}

/// SIGXFSZ on Linux.
const FILE_SIZE: i32 = 25;

/// Whether this process has a controlling terminal: only then its name can be opened.
fn has_terminal() -> bool {
    fs::File::open("/dev/tty").is_ok()
}

/// Whether the parent process had SIGHUP ignored; `false` where the system does not say.
fn is_hang_up_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status");
    status.is_ok_and(|status| ignores_hang_up(&status))
}

/// Reads the ignored signals in Linux's format: in hex, SIGHUP in the lowest bit.
fn ignores_hang_up(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_in_the_format_of_linux() {
        assert!(ignores_hang_up("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hang_up("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up(""));
    }
}
