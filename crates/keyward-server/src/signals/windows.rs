//! The events of a console of Windows, each of which asks for the end. None asks for a reload.

use anyhow::Context as _;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close,
    ctrl_logoff, ctrl_shutdown,
};

use super::Action;

/// The events, listened to from now on.
pub(crate) struct Signals {
    c: CtrlC,
    pause: CtrlBreak,
    /// Windows ends the program some 5 s after this one, and after the two below.
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Listens, and logs the differences to other systems. Without that, each signal ends the
    /// program at once, and the counts since the last flush are lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not let us listen.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        // Some promises are weaker here, and the operator hears of it at each start.
        tracing::warn!(
            "On Windows no test runs: settings are read at the start alone, files are as private \
             as their directory, and a client that reads nothing is cut off late"
        );
        Ok(Self {
            c: ctrl_c().context("listening for Ctrl-C")?,
            pause: ctrl_break().context("listening for Ctrl-Break")?,
            close: ctrl_close().context("listening for the end of the console")?,
            logoff: ctrl_logoff().context("listening for the end of the session")?,
            shutdown: ctrl_shutdown().context("listening for the end of the system")?,
        })
    }

    /// Waits for the next event with an action.
    pub(crate) async fn next(&mut self) -> Action {
        tokio::select! {
            _ = self.c.recv() => Action::Stop,
            _ = self.pause.recv() => Action::Stop,
            _ = self.close.recv() => Action::Stop,
            _ = self.logoff.recv() => Action::Stop,
            _ = self.shutdown.recv() => Action::Stop,
        }
    }

    /// Never asked: no event is [`Action::HangUp`].
    #[expect(clippy::unused_async, reason = "the caller waits for the one of Unix")]
    pub(crate) async fn is_terminal_gone(&self) -> bool {
        false
    }
}
