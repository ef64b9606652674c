//! The program `keyward`.

mod admin;
mod app;
mod cli;
mod client;
mod edge;
mod heads;
mod listen;
mod scan;
mod serve;
mod settings;
mod transfer;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(serve::run)
}
