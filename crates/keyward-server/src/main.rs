//! The program `keyward`.

use std::process::ExitCode;

/// Wipes memory when it is given back: secrets travel through buffers of hyper, serde and others
/// who do not wipe them.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    keyward_server::run()
}
