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
mod scan;
mod role;
mod routes;
mod serve;
mod settings;
mod shapes;
mod transfer;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(serve::run)
}
