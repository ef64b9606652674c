//! Faults of a node.

use anyhow::Result;

use super::{GONE_MS, PAUSE_MS, Scene};

impl Scene<'_> {
    pub(super) fn pause(&mut self) -> Result<()> {
        self.node.pause()?;
        self.wait(PAUSE_MS);
        self.node.go_on()
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.node.kill()?;
        self.wait(GONE_MS);
        self.node.start()?;
        self.node.wait_until_ready()
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.node.stop();
        self.wait(GONE_MS);
        self.node.start()?;
        self.node.wait_until_ready()
    }
}
