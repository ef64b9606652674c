//! The program `keyward`.

use std::process::ExitCode;

/// Wipes memory when it is given back: secrets travel through buffers of hyper, serde and others
/// who do not wipe them.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<Allocator> = zeroizing_alloc::ZeroAlloc(ALLOCATOR);

/// The allocator of the system.
#[cfg(not(target_env = "musl"))]
type Allocator = std::alloc::System;
#[cfg(not(target_env = "musl"))]
const ALLOCATOR: Allocator = std::alloc::System;

/// The allocator of musl has one lock for all threads, which wait for it most of their time.
#[cfg(target_env = "musl")]
type Allocator = mimalloc::MiMalloc;
#[cfg(target_env = "musl")]
const ALLOCATOR: Allocator = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keyward_server::run()
}
