//! The log of `keyward serve`: the lines on standard error, and how they are chosen.
//!
//! Logging never waits, fails or panics, in any state of standard error: `lines` drops the lines
//! that cannot be written, and counts them.

mod lines;

use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{LogFormat, Settings};

use lines::Lines;

/// How long the end of the program waits for its last lines: their reader may be stuck.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// The log under way.
pub(crate) struct Log {
    lines: Lines,
    set_filter: Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>,
}

impl Log {
    /// Starts the log of this process, and has panics logged.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter cannot be read, or if there is a log already.
    pub(crate) fn start(settings: &Settings) -> anyhow::Result<Self> {
        let lines = Lines::to(io::stderr())?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter(&settings.log)?)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(lines.clone())
            // They would be printed by a macro that panics if standard error cannot be written.
            .log_internal_errors(false);
        let set_filter: Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>;
        match settings.log_format {
            LogFormat::Human => {
                let log = log.with_filter_reloading();
                let handle = log.reload_handle();
                set_filter = Box::new(move |filter| Ok(handle.reload(filter)?));
                log.finish().try_init()
            }
            LogFormat::Json => {
                let log = log.json().with_filter_reloading();
                let handle = log.reload_handle();
                set_filter = Box::new(move |filter| Ok(handle.reload(filter)?));
                log.finish().try_init()
            }
        }
        .context("starting the log")?;
        panic::set_hook(Box::new(log_panic));
        Ok(Self { lines, set_filter })
    }

    /// Chooses anew which lines are written.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter cannot be read; then nothing has changed.
    pub(crate) fn set_filter(&self, text: &str) -> anyhow::Result<()> {
        (self.set_filter)(filter(text)?)
    }

    /// Waits until every line so far is written, if that takes no longer than a second.
    pub(crate) fn finish(&self) {
        self.lines.finish(FINISH_WITHIN);
    }
}

fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| format!("the log filter `{text}` cannot be read"))
}

/// Logs a panic. The standard library's own way would wait for the reader of standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("of another kind");
    let at = panic.location().map(ToString::to_string);
    tracing::error!(panic = text, at, "A part of the program panicked");
}

/// Writes a text to standard output on a thread of its own, so that no task waits for its reader.
/// If the text cannot be written, a line of the log is the only effect.
pub(crate) fn print_on_thread(text: String) {
    let write = move || {
        let mut out = io::stdout().lock();
        let written = io::Write::write_all(&mut out, text.as_bytes());
        if let Err(error) = written.and_then(|()| io::Write::flush(&mut out)) {
            tracing::warn!(%error, "The greeting could not be written");
        }
    };
    let started = std::thread::Builder::new().name("greeting".to_owned()).spawn(write);
    if let Err(error) = started {
        tracing::warn!(%error, "The greeting could not be written");
    }
}
