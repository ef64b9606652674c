//! The program `keyward`.

mod access;
mod admin;
mod app;
mod cli;
mod client;
mod edge;
mod heads;
mod listen;
mod openapi;
mod role;
mod routes;
mod serve;
mod settings;
mod shapes;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(serve::run)
}
