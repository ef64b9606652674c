//! The program `keyward`, without its `main`: settings, listeners, the control plane, the command
//! line.
//!
//! Each module uses only those above it in this list.

mod request_head;

mod http2_head;

mod request_slots;

mod settings;

mod listener;

mod stream;

mod tls;

mod connection_slots;

mod metrics;

mod node;

mod restored;

mod opened;

mod templates;

mod trace;

mod seen;

mod access_log;

mod spans;

mod clock;

mod cors;

mod health;

mod edge;

mod own_key;

mod openapi;

#[cfg(feature = "news")]
mod news;

mod app;

mod cli;

mod greeting;

mod patience;

mod wire;

mod streams;

mod frames;

mod connection;

mod http1;

mod http2;

mod listen;

mod log;

mod memory;

mod reload;

mod signals;

mod serve;

/// The parsers of untrusted bytes with the properties that hold for them, for the fuzzer alone.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::request_head::fuzzing::heads;
    pub use keyward_admin::fuzzing::token;
    pub use keyward_api::transfer::fuzzing::{csv, json_lines};
}

/// The command line and the settings, for the pages of a package alone.
#[doc(hidden)]
pub mod pages {
    pub use crate::cli::command_line;
    pub use crate::settings::{Described, OPENING, described};
}

use std::process::ExitCode;

/// Runs the command line, and returns the exit status of the program.
#[must_use]
pub fn run() -> ExitCode {
    memory::forbid_dumps();
    cli::run(serve::run)
}
