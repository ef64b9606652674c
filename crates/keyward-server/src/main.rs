//! The program `keyward`.

mod access;
mod admin;
mod app;
mod body;
mod cli;
mod client;
mod clock;
mod cors;
mod duration;
mod edge;
mod failure;
mod fetch;
mod greeting;
mod heads;
mod health;
mod leaks;
mod limit_text;
mod listen;
mod log;
mod memory;
mod openapi;
mod own_key;
mod places;
mod reread;
mod restored;
mod role;
mod routes;
mod scan;
mod serve;
mod settings;
mod shapes;
mod signals;
mod transfer;
mod trust;
mod wire;

use std::process::ExitCode;

/// Wipes memory when it is given back: secrets travel through buffers of hyper, serde and others
/// who do not wipe them. Unit tests have an allocator that counts.
#[cfg(not(test))]
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    memory::refuse_dumps();
    cli::run(serve::run)
}
