//! The program `keyward`.

mod admin;
mod app;
mod body;
mod cli;
mod client;
mod edge;
mod heads;
mod leaks;
mod listen;
mod openapi;
mod role;
mod scan;
mod serve;
mod settings;
mod shapes;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(serve::run)
}
