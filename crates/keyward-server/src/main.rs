//! The program `keyward`.

mod access;
mod admin;
mod app;
mod body;
mod cli;
mod client;
mod clock;
mod duration;
mod edge;
mod failure;
mod fetch;
mod heads;
mod health;
mod leaks;
mod listen;
mod log;
mod openapi;
mod own_key;
mod places;
mod role;
mod routes;
mod scan;
mod serve;
mod settings;
mod shapes;
mod signals;
mod transfer;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(serve::run)
}
