//! The signals that the program handles while it serves, and the action of each.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::Signals;
#[cfg(windows)]
pub(crate) use windows::Signals;

/// The action of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An orderly end.
    Stop,
    /// SIGHUP: the settings are to be read anew; or the terminal is gone, which
    /// [`Signals::is_terminal_gone`] decides.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such signal"))]
    HangUp,
}
