//! Free ports, for programs that cannot be asked which one they were given.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, ensure};

/// Below the ports that the system gives to outgoing connections, which begin at 32 768.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Hands out each port once. Two runs at a time begin at different ones.
#[derive(Debug)]
pub(crate) struct Ports(AtomicU16);

impl Ports {
    pub(crate) fn new() -> Self {
        let of_this_run = u16::try_from(process::id() % 100).unwrap_or_default() * 100;
        Self(AtomicU16::new(FIRST + of_this_run))
    }

    /// A port of loopback where no program listens.
    pub(crate) fn take(&self) -> Result<u16> {
        loop {
            let port = self.0.fetch_add(1, Ordering::Relaxed);
            ensure!(port < LAST, "no port between {FIRST} and {LAST} is free");
            if TcpListener::bind(("0.0.0.0", port)).is_ok() {
                return Ok(port);
            }
        }
    }
}
